"""
One process of a host asks the store, and those that came meanwhile share the answer.

A file in the cache folder is locked by whoever asks. The answer is written into it, together with the moment at which
the question was sent, on the clock that all processes of a host have in common: only who came before that moment may
take it, so nobody gets an older answer than a question of its own would have brought.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from random import uniform
from threading import Event

from runpin.ports import Clock
from runpin.stores.notes import frame, unframe
from runpin.stores.private_folder import PrivateFolder

PATIENCE = 1.0
"""Seconds that are waited for others, before everybody asks."""

_KIND = "turn"
_LARGEST = 1 << 16
_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.05
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class HostTurns:
    """
    The processes of this host that share one cache folder.

    A folder that cannot be used, a lock that is not to be had in time, a system without these clocks: everybody asks.

    Args:
        folder: the cache's folder.
        realm: tells one store from another. It becomes part of a hash.
        clock: its monotonic seconds have to be those of every process that shares the folder.
        patience: seconds that are waited for others.
    """

    def __init__(self, folder: Path, realm: str, *, clock: Clock, patience: float = PATIENCE) -> None:
        self._folder = PrivateFolder(Path(folder).expanduser().absolute())
        self._turns = self._folder.path / "v1" / "turns"
        self._realm = realm
        self._clock = clock
        self._patience = patience

    def fresh(self, key: str, fetch: Callable[[], bytes]) -> bytes:
        """
        Return what *fetch* returned here or in another process of this host, begun there after this was called.

        Raises:
            Whatever *fetch* raises; a failure is not shared.
        """
        came, boot = self._clock.monotonic(), _boot()
        name = f"{self._realm}/{boot}/{key}"
        with self._opened(name if boot else None) as file:
            answer = self._turn(file, lambda: _shared(file, name, came))
            if answer is not None:
                return answer
            begun = self._clock.monotonic()
            answer = fetch()
            _share(file, name, begun, answer)
            return answer

    def once(self, key: str, look: Callable[[], bytes | None], fetch: Callable[[], bytes]) -> bytes:
        """
        Return what *look* finds, as soon as another process of this host has brought it; else what *fetch* returns.

        Raises:
            Whatever *fetch* raises; a failure is not shared.
        """
        with self._opened(f"{self._realm}/{key}") as file:
            found = self._turn(file, look)
            return fetch() if found is None else found

    def _turn(self, file: _File, look: Callable[[], bytes | None]) -> bytes | None:
        """Wait for the turn, or for what *look* finds; None means that the caller has to do it."""
        ends = self._clock.monotonic() + self._patience
        pause = _FIRST_PAUSE
        while not file.take():
            found = look()
            if found is not None or self._clock.monotonic() > ends:
                return found
            Event().wait(uniform(0.5, 1.0) * pause)  # noqa: S311 - spreads load, keeps no secret
            pause = min(2 * pause, _LONGEST_PAUSE)
        return look()

    @contextmanager
    def _opened(self, name: str | None) -> Iterator[_File]:
        file = _File(None if name is None else self._descriptor(name))
        try:
            yield file
        finally:
            file.close()

    def _descriptor(self, name: str) -> int | None:
        path = self._turns / sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        try:
            if self._folder.danger() is not None:
                return None
            with suppress(FileNotFoundError):
                return os.open(path, _OPEN, 0o600)
            self._folder.make(self._turns)
            return os.open(path, _OPEN, 0o600)
        except OSError:
            return None


class _File:
    """A file that may be locked, or none: then the turn is always ours."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._held = False
        if descriptor is not None and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            self.close()

    def take(self) -> bool:
        """Tell whether the turn is ours now."""
        if self._descriptor is None:
            return True
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        self._held = True
        return True

    def read(self) -> bytes:
        """Return what lies in it; it may be torn."""
        if self._descriptor is None:
            return b""
        try:
            return os.pread(self._descriptor, _LARGEST, 0)
        except OSError:
            return b""

    def write(self, content: bytes) -> None:
        """Replace what lies in it, if the turn is ours and the disk allows."""
        if self._descriptor is None or not self._held or len(content) > _LARGEST:
            return
        with suppress(OSError):
            os.pwrite(self._descriptor, content, 0)
            os.ftruncate(self._descriptor, len(content))

    def close(self) -> None:
        """End the turn. The lock is let go of by word: a child that was forked meanwhile holds the file open, too."""
        if self._descriptor is None:
            return
        if self._held:
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
        self._descriptor = None


def _share(file: _File, name: str, begun: float, answer: bytes) -> None:
    file.write(frame(_KIND, name, json.dumps(begun).encode() + b"\n" + answer))


def _shared(file: _File, name: str, came: float) -> bytes | None:
    note = unframe(_KIND, name, file.read())
    if note is None:
        return None
    begun, _, answer = note.partition(b"\n")
    return answer if json.loads(begun) > came else None


def _boot() -> str:
    """Name the clock that tells monotonic seconds: this start of the machine, and the namespace of its times."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/time').readlink()}"
    except (OSError, ValueError):
        return ""
