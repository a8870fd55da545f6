"""A folder of this user's own, in which files appear complete or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

LARGEST = 64 << 20
_FIRST_PART = 1 << 16
# Without O_NONBLOCK a planted pipe would never open.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class PrivateFolder:
    """
    The folder *path* and what is below it.

    Folders are made with mode 0700 and files with 0600. Nothing here needs a lock, and nothing is kept in memory,
    so processes and forked children may use one folder at the same time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def danger(self) -> str | None:
        """
        Return why the folder must be left alone; None when it is safe, or not there yet.

        Raises:
            OSError: the folder cannot be looked at.
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        if not stat.S_ISDIR(status.st_mode):
            return "it is not a folder"
        if status.st_uid != os.geteuid():
            return "another user owns it"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return "others may write to it"
        return None

    def make(self, below: Path) -> None:
        """Create the folder *below* this one, and what is missing on the way there."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path
        for part in below.relative_to(self.path).parts:
            path /= part
            path.mkdir(mode=0o700, exist_ok=True)

    def write(self, path: Path, content: bytes, *, durable: bool) -> None:
        """
        Let the file *path* appear with this *content*, instead of what was there.

        A *durable* one is on the disk when this returns; another may be lost or torn by a power cut.

        Raises:
            OSError: it could not be written. What was there still is.
        """
        temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            self._fill(temporary, content, durable=durable)
            temporary.rename(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise
        if durable:
            _sync(path.parent)

    def _fill(self, temporary: Path, content: bytes, *, durable: bool) -> None:
        try:
            descriptor = os.open(temporary, _CREATE, 0o600)
        except FileNotFoundError:
            self.make(temporary.parent)
            descriptor = os.open(temporary, _CREATE, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(descriptor)


def read_file(path: str) -> bytes:
    """
    Return what the file *path* holds, at most a little more than 64 MiB of it.

    Raises:
        OSError: it cannot be read; `is_no_file` tells whether something else lies in its place.
    """
    descriptor = os.open(path, _READ)
    try:
        content = os.read(descriptor, _FIRST_PART)
        return content if len(content) < _FIRST_PART else _with_the_rest(descriptor, content)
    finally:
        os.close(descriptor)


def is_no_file(error: OSError) -> bool:
    """Tell whether *error* came from a link or a folder where a file belongs."""
    return error.errno in (errno.ELOOP, errno.EISDIR)


def remove(path: Path, before: float) -> bool:
    """
    Remove a file last changed *before* this moment, in seconds since 1970, or a folder that is empty.

    Returns:
        Whether it was a file, and was removed.

    Raises:
        OSError: it could not be removed, or the folder is in use.
    """
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode):
        path.rmdir()
        return False
    if status.st_mtime >= before:
        return False
    path.unlink()
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _with_the_rest(descriptor: int, start: bytes) -> bytes:
    parts = [start]
    size = len(start)
    while size <= LARGEST and (part := os.read(descriptor, 1 << 20)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
