"""
SQLite as the embedded default: write-ahead log, every commit on disk, writers in line.

The driver is left in its autocommit mode and transactions are spelled out, because its own idea of when a
transaction begins lets two writers read before either has the lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily
from sqlalchemy.dialects import sqlite  # noqa: TID253 - this adapter is imported lazily

from runpin.database.address import Address
from runpin.database.failures import Failure, corrupt, outdated, refused, unavailable
from runpin.database.queueing import LOCKED, WHO_LOCKS, Turn, WriteQueue
from runpin.database.wire import Driver, Held, Prepared
from runpin.errors import SettingsError
from runpin.ports import Clock

_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3"}
    | {"smbfs", "fuse.blobfuse", "fuse.blobfuse2", "fuse.ceph", "fuse.gcsfuse", "fuse.glusterfs", "fuse.goofys"}
    | {"fuse.mount-s3", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"}
)
_MOUNTS = Path("/proc/self/mountinfo")
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNREACHABLE = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH}
)


def filesystem_of(path: Path, mounts: Path = _MOUNTS) -> str:
    """Return the type of the file system that *path* is on, such as `ext4`; empty if it cannot be known."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    resolved = path.resolve()
    found = ("", "")
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].encode("latin-1", "replace").decode("unicode_escape")
        # Of two mounts at one point the later one is seen.
        if resolved.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, after.split(" ", 1)[0])
    return found[1]


class Sqlite:
    """One SQLite file, as `Database` uses it."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(
        self, address: Address, clock: Clock, patience: float, filesystem: Callable[[Path], str] = filesystem_of
    ) -> None:
        if address.file is None:
            raise SettingsError("this is not the address of an SQLite database", where=address.where)
        self._address = address
        self._file = address.file
        self._clock = clock
        self._patience = patience
        self._filesystem = filesystem
        self._queue = WriteQueue(self._file, clock)

    def engine(self) -> sa.Engine:
        """Return an engine whose connections commit each statement unless a transaction was begun."""
        engine = sa.create_engine(
            self._address.url,
            poolclass=sa.NullPool,
            hide_parameters=True,
            connect_args={"timeout": self._patience, "isolation_level": None, "check_same_thread": False},
        )
        sa.event.listen(engine, "connect", _settings)
        return engine

    def prepare(self) -> None:
        """
        Make the file and its folders, readable for their owner only, and switch the write-ahead log on.

        Raises:
            SettingsError: the file cannot be made, or is on a network file system.
        """
        try:
            self._make_file()
        except OSError as error:
            raise SettingsError(
                "the database's file cannot be made",
                where=self._address.where,
                fix=f"{error.strerror or 'check the path'}: let this user write to the folder, or choose another one",
            ) from error
        with closing(sqlite3.connect(self._file, timeout=self._patience, isolation_level=None)) as connection:
            if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                with self.turn():
                    connection.execute("PRAGMA journal_mode = WAL")

    def begin(self, driver: Driver, _lock: Held | None) -> None:
        """Begin a transaction that may write; there is one at a time, so no other lock is needed."""
        driver.execute("BEGIN IMMEDIATE")

    def decide(self, driver: Driver, statement: Prepared, values: Mapping[str, Any], _lock: Held) -> int:
        """Run one statement in a transaction of its own; return how many rows it wrote."""
        driver.execute("BEGIN IMMEDIATE")
        written = statement.run(driver, values)
        driver.commit()
        return written

    def turn(self) -> Turn:
        """Return a turn in the line of this file's writers."""
        return Turn(self._queue, self._patience, self._address.where)

    def insert(self, table: sa.Table) -> sqlite.Insert:
        """Return an insert that knows `ON CONFLICT`."""
        return sqlite.insert(table)

    def dialect(self) -> sa.Dialect:
        """Return the dialect to compile for, with placeholders by position."""
        return sqlite.dialect(paramstyle="qmark")

    def failure(self, error: BaseException) -> Failure:
        """Say what the driver's *error* means."""
        where = self._address.where
        extended = getattr(error, "sqlite_errorcode", None)
        code = None if extended is None else extended & 0xFF
        if code in _LOCKED:
            return unavailable(LOCKED, where, WHO_LOCKS)
        if code == sqlite3.SQLITE_FULL:
            return unavailable("the disk is full", where, "free some space on it")
        if code in _DAMAGED or extended == sqlite3.SQLITE_IOERR_SHORT_READ:
            return corrupt(where, f"restore {self._file.name} from a backup, or move it away and publish again")
        if code in _UNREACHABLE:
            return unavailable("the database's file cannot be used", where, "check the file's and folder's permissions")
        if code == sqlite3.SQLITE_ERROR and "no such" in str(error):
            return outdated(where)
        return refused(getattr(error, "sqlite_errorname", type(error).__name__), where)

    def renew(self) -> None:
        """Start anew in a forked child."""
        self._queue.forget()
        self._queue = WriteQueue(self._file, self._clock)

    def close(self) -> None:
        """Leave the line; a later write queues anew."""
        self._queue.close()
        self._queue = WriteQueue(self._file, self._clock)

    def _make_file(self) -> None:
        missing = [folder for folder in self._file.parents if not folder.exists()]
        kind = self._filesystem(missing[-1].parent if missing else self._file.parent)
        if kind in _NETWORK:
            raise SettingsError(
                f"an SQLite database cannot be kept on a network file system ({kind}): its locks would not hold",
                where=self._address.where,
                fix="choose a folder on a local disk, or use PostgreSQL to share the store between hosts",
            )
        for folder in reversed(missing):
            folder.mkdir(mode=0o700, exist_ok=True)
        # Opening a file that is already in use would drop this process's locks on it when it is closed again.
        with suppress(FileExistsError):
            self._file.touch(mode=0o600, exist_ok=False)


def _settings(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # A log of a megabyte is soon written over in place, which syncs faster than one that still grows.
    connection.execute("PRAGMA wal_autocheckpoint = 250")
