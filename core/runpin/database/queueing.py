"""
A line in front of SQLite's single writer.

SQLite makes a writer that finds the database locked sleep and try again, so that at eight writers some wait a
hundred times longer than the others. Two file locks make a turnstile instead: whoever holds the first is next,
whoever holds the second writes, and one who has just written has to queue again.
It is a courtesy between runpin's processes, not what keeps the data right: that is SQLite's own lock.
"""

from __future__ import annotations

import os
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from pathlib import Path
from threading import Lock, Thread

from runpin.errors import StoreUnavailable
from runpin.ports import Clock

LOCKED = "another process has kept the database locked"
WHO_LOCKS = "see which process holds it with `fuser` on the file; a stopped one has to go on or be ended"


class WriteQueue:
    """
    One process's place in the line of the writers of *file*.

    A lock of the kernel can only be waited for without end, so a thread waits for it on behalf of the caller,
    who leaves when the time is over.
    """

    def __init__(self, file: Path, clock: Clock) -> None:
        self._files = (f"{file}-queue", f"{file}-turn")
        self._clock = clock
        self._next = self._turn = -1
        self._one = Lock()  # one thread of this process stands in the line
        self._mutex = Lock()  # guards the flags
        self._wanted = self._waiting = self._closed = self._attended = False
        self._asked = Lock()  # these two start locked and are released as signals
        self._granted = Lock()
        self._asked.acquire()
        self._granted.acquire()

    def enter(self, seconds: float) -> bool:
        """Wait for a turn, at most *seconds*; tell whether it came."""
        deadline = self._clock.monotonic() + seconds
        if self._closed or not self._one.acquire(timeout=max(seconds, 0)):
            return False
        entered = False
        try:
            entered = self._try() or self._ask(deadline - self._clock.monotonic())
        finally:
            if not entered:
                self._one.release()
        return entered

    def leave(self) -> None:
        """End the turn."""
        flock(self._turn, LOCK_UN)
        self._one.release()

    def close(self) -> None:
        """Leave for good; whoever waits here now gets no turn."""
        with self._mutex:
            self._closed, idle = True, not self._waiting
        if idle and self._attended:
            self._asked.release()
        if idle and self._one.acquire(blocking=False):  # nobody is having a turn
            self.forget()

    def forget(self) -> None:
        """Close the files as a forked child must: a lock taken through them belongs to the parent as well."""
        for descriptor in (self._next, self._turn):
            if descriptor >= 0:
                os.close(descriptor)
        self._next = self._turn = -1

    def _try(self) -> bool:
        if self._turn < 0:
            self._next, self._turn = (os.open(name, os.O_RDWR | os.O_CREAT, 0o600) for name in self._files)
        # While the thread waits on the same descriptors, a lock taken here would be its lock as well.
        if self._waiting or not _taken(self._next):
            return False
        if not _taken(self._turn):
            return False  # still next in line: the thread goes on from here
        flock(self._next, LOCK_UN)
        return True

    def _ask(self, seconds: float) -> bool:
        if not self._attended:
            self._attended = True
            Thread(target=self._wait, args=(self._next, self._turn), name="runpin-write-queue", daemon=True).start()
        with self._mutex:
            self._wanted = True
            if not self._waiting:
                self._waiting = True
                self._asked.release()
        if self._granted.acquire(timeout=max(seconds, 0)):
            return True
        with self._mutex:
            self._wanted = False
            return self._granted.acquire(blocking=False)

    def _wait(self, first: int, second: int) -> None:
        while self._asked.acquire() and not self._closed:
            flock(first, LOCK_EX)
            flock(second, LOCK_EX)
            flock(first, LOCK_UN)
            with self._mutex:
                self._waiting = False
                if self._wanted:
                    self._wanted = False
                    self._granted.release()
                else:  # the caller left
                    flock(second, LOCK_UN)


class Turn:
    """One writer's turn, for a `with` statement."""

    __slots__ = ("_entered", "_queue", "_seconds", "_where")

    def __init__(self, queue: WriteQueue, seconds: float, where: str) -> None:
        self._queue = queue
        self._seconds = seconds
        self._where = where
        self._entered = False

    def __enter__(self) -> None:
        """
        Wait for it.

        Raises:
            StoreUnavailable: it did not come in time.
        """
        # The line is a courtesy: without its files, SQLite's own lock still keeps writers apart.
        with suppress(OSError):
            self._entered = self._queue.enter(self._seconds)
            if not self._entered:
                raise StoreUnavailable(LOCKED, where=self._where, fix=WHO_LOCKS)

    def __exit__(self, *_: object) -> None:
        if self._entered:
            self._queue.leave()


def _taken(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        flock(descriptor, LOCK_EX | LOCK_NB)
        return True
    return False
