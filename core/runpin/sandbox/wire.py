"""
Messages between the two processes: a JSON header, and raw bytes after it.

Each side takes the other's bytes with care: lengths are checked before anything is read, and JSON is the only thing
that is ever decoded.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from socket import socket
from typing import Any

_LENGTHS = struct.Struct(">II")
_CHUNK = 1024 * 1024

Left = Callable[[], float]
"""Returns the seconds that are left until the deadline; not positive when it has passed."""


class Broken(Exception):
    """The other side went away, or sent what is no message."""


class OutOfTime(Exception):
    """The message did not come, or did not go, in time."""


class Wire:
    """
    One end of a connection.

    Args:
        end: a connected socket of this process.
        longest: bytes that a message of the other side may have, header and blobs together.
        left: tells when to give up; without it this end waits for ever.
    """

    def __init__(self, end: socket, longest: int, left: Left | None = None) -> None:
        self._end = end
        self._longest = longest
        self._left = left

    def send(self, header: Any, blobs: Sequence[bytes] = ()) -> None:
        """
        Send *header*, a JSON value, and *blobs* with it.

        Raises:
            Broken: nobody reads any more.
            OutOfTime
        """
        head = json.dumps({"is": header, "blobs": [len(blob) for blob in blobs]}).encode()
        lengths = _LENGTHS.pack(len(head), sum(map(len, blobs)))
        try:
            for part in (lengths + head, *blobs):
                self._set_patience()
                self._end.sendall(part)
        except TimeoutError:
            raise OutOfTime from None
        except OSError as error:
            raise Broken("the other side is gone") from error

    def receive(self) -> tuple[Any, list[bytes]]:
        """
        Return the next header and its blobs.

        Raises:
            Broken: the other side is gone, or the message is too long or none at all.
            OutOfTime
        """
        head_length, body_length = _LENGTHS.unpack(self._read(_LENGTHS.size))
        if head_length + body_length > self._longest:
            raise Broken("an answer is longer than it may be")
        head, body = self._read(head_length), self._read(body_length)
        try:
            content = json.loads(head)
            blobs, at = [], 0
            for length in content["blobs"]:
                blobs.append(body[at : at + length])
                at += length
            return content["is"], blobs
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise Broken("an answer cannot be read") from error

    def _read(self, length: int) -> bytes:
        got = bytearray()
        while len(got) < length:
            self._set_patience()
            try:
                part = self._end.recv(min(length - len(got), _CHUNK))
            except TimeoutError:
                raise OutOfTime from None
            except OSError as error:
                raise Broken("the other side is gone") from error
            if not part:
                raise Broken("the other side is gone")
            got += part
        return bytes(got)

    def _set_patience(self) -> None:
        if self._left is not None:
            patience = self._left()
            if patience <= 0:
                raise OutOfTime
            self._end.settimeout(patience)
