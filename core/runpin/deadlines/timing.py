"""
An end for every call: in all, and not for each piece that arrives.

A timeout of a socket begins anew with each byte, so a server that sends one now and then is waited for without end.
Here the time that is left is looked at before every wait. What the operating system needs to find a host's address is
the one wait that cannot be cut short.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

    from runpin.ports import Clock

_LARGEST = 64 << 20


class Timer:
    """Knows for each thread when its present call has to be over, and how much it may still read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._call = threading.local()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let what this thread does in here end after *seconds*, and read at most 64 MiB."""
        self._call.ends, self._call.bytes = self._clock.monotonic() + seconds, 0
        try:
            yield
        finally:
            self._call.ends = inf

    def left(self) -> float:
        """
        Return the seconds that are left.

        Raises:
            TimeoutError: none are.
        """
        seconds: float = self._call.ends - self._clock.monotonic()
        if seconds <= 0:
            raise TimeoutError("no answer in time")
        return seconds

    def count(self, received: int) -> None:
        """
        Add to what was read.

        Raises:
            OSError: it is more than any answer holds.
        """
        self._call.bytes += received
        if self._call.bytes > _LARGEST:
            raise OSError("the answer does not end")


class TimedSocket:
    """A connected socket, in the clear or with TLS, whose every wait ends with the call."""

    def __init__(self, raw: socket.socket, timer: Timer) -> None:
        self._raw = raw
        self._timer = timer

    def sendall(self, content: bytes) -> None:
        """Send all of *content*."""
        self._raw.settimeout(self._timer.left())
        self._raw.sendall(content)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """Return what arrives, as the standard library's HTTP client reads it."""
        return io.BufferedReader(_Reader(self._raw, self._timer))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class _Reader(io.RawIOBase):
    """The readable side."""

    def __init__(self, raw: socket.socket, timer: Timer) -> None:
        super().__init__()
        self._raw = raw
        self._timer = timer
        # It counts as a user of the socket, which is then closed after the last one.
        self._file = raw.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """Tell that it is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Wait for bytes as long as the call may, and return how many came."""
        self._raw.settimeout(self._timer.left())
        received = self._file.readinto(buffer)
        self._timer.count(received or 0)
        return received

    def close(self) -> None:
        """Let go of the socket."""
        self._file.close()
        super().close()
