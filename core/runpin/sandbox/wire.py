"""
Messages between the two processes: a JSON header, and raw bytes after it.

Each side takes the other's bytes with care: lengths are checked before anything is read, and JSON is the only thing
that is ever decoded.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from socket import MSG_PEEK, socket
from typing import Any

_LENGTHS = struct.Struct(">II")
_CHUNK = 1024 * 1024

Left = Callable[[], float]
"""Returns the seconds that are left until the deadline; not positive when it has passed."""


class Broken(Exception):
    """The other side went away, or sent what is no message."""


class OutOfTime(Exception):
    """The message did not come, or did not go, in time."""


def message(header: Any, blobs: Sequence[bytes] = ()) -> tuple[bytes, ...]:
    """
    Return what is sent for *header*, a JSON value, and *blobs* with it.

    Raises:
        TypeError, ValueError: *header* is no JSON value.
    """
    head = json.dumps({"is": header, "blobs": [len(blob) for blob in blobs]}).encode()
    return _LENGTHS.pack(len(head), sum(map(len, blobs))) + head, *blobs


class Wire:
    """
    One end of a connection.

    Args:
        end: a connected socket of this process.
        left: tells when to give up; without it this end waits for ever.

    Attributes:
        allowance: bytes that the other side may still send; without it as many as it likes.
    """

    def __init__(self, end: socket, left: Left | None = None) -> None:
        self.allowance: int | None = None
        self._end = end
        self._left = left

    def send(self, parts: Sequence[bytes]) -> None:
        """
        Send what `message` returned.

        Raises:
            Broken: nobody reads any more.
            OutOfTime
        """
        try:
            for part in parts:
                self._set_patience()
                self._end.sendall(part)
        except TimeoutError:
            raise OutOfTime from None
        except OSError as error:
            raise Broken("the connection was closed") from error

    def receive(self) -> tuple[Any, list[bytes]]:
        """
        Return the next header and its blobs.

        Raises:
            Broken: the other side is gone, or the message is too long or none at all.
            OutOfTime
        """
        head_length, body_length = _LENGTHS.unpack(self._read(_LENGTHS.size))
        self._allow(_LENGTHS.size + head_length + body_length)
        head, body = self._read(head_length), self._read(body_length)
        try:
            content = json.loads(head)
            return content["is"], _parts(body, content["blobs"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise Broken("an answer cannot be read") from None

    def unread(self) -> bool:
        """Tell whether there is something to receive, the end of the connection included."""
        self._end.settimeout(0)
        try:
            self._end.recv(1, MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def _allow(self, length: int) -> None:
        if self.allowance is not None:
            self.allowance -= length
            if self.allowance < 0:
                raise Broken("the answer is longer than it may be")

    def _read(self, length: int) -> bytes:
        got = bytearray()
        while len(got) < length:
            self._set_patience()
            try:
                part = self._end.recv(min(length - len(got), _CHUNK))
            except TimeoutError:
                raise OutOfTime from None
            except OSError as error:
                raise Broken("the connection was closed") from error
            if not part:
                raise Broken("the connection was closed")
            got += part
        return bytes(got)

    def _set_patience(self) -> None:
        if self._left is not None:
            patience = self._left()
            if patience <= 0:
                raise OutOfTime
            self._end.settimeout(patience)


def _parts(body: bytes, lengths: Sequence[int]) -> list[bytes]:
    ends = list(accumulate(lengths, initial=0))
    if min(lengths, default=0) < 0 or ends[-1] != len(body):
        raise ValueError
    return [body[start:end] for start, end in pairwise(ends)]
