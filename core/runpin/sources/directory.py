"""Reads the config repository from a plain folder, for trying things out before there is a commit."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from runpin.errors import SourceError, UnknownCommit, UnsafeSource
from runpin.model import Commit
from runpin.sources.names import check_names

LARGEST_FILE = 1 << 20
LARGEST_FOLDER = 256 << 20
MOST_FILES = 100_000
_DEEPEST = 32
_REMEMBERED = 2


@dataclass(frozen=True, slots=True)
class _Taken:
    """One file as it was when the folder was read; `body` is None when it was too large to take."""

    body: bytes | None
    size: int
    changed: float


class DirectorySource:
    """
    A config repository that is only a folder.

    `resolve` takes the whole folder into memory, so that one compile sees one state however often files are saved
    meanwhile; the last two states are remembered. Names that start with a dot are left out.
    Symbolic links are followed inside of the folder, which is how Kubernetes mounts configuration,
    and refused when they lead out of it.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path).expanduser().absolute()
        self.repository = str(self._path)
        self._states: dict[str, Mapping[str, _Taken]] = {}

    def __repr__(self) -> str:
        return f"DirectorySource({self.repository!r})"

    def resolve(self, ref: str) -> Commit:
        """
        Take the folder as it is now. *ref* is only repeated in the answer.

        The sha is `directory-` and a SHA-256 over names and bytes; the time is that of the newest change.

        Raises:
            UnsafeSource: a link leads out of the folder, a name cannot be trusted, or there is too much of it.
            SourceError: the folder cannot be read.
        """
        root = self._path.resolve()
        try:
            walk = _Walk(root)
            walk.enter(root, "")
            status = root.stat()
        except OSError as error:
            raise SourceError(
                f"the folder cannot be read: {error.strerror}",
                where=str(error.filename or self._path),
                fix="check the path, and that this user may read every file in it",
            ) from error
        files = dict(sorted(walk.files.items()))
        sha = _sha_of(files)
        self._remember(sha, files)
        at = datetime.fromtimestamp(max([status.st_mtime, *(file.changed for file in files.values())]), UTC)
        return Commit(sha, self.repository, ref, _login(status.st_uid), "files as they are", at, reproducible=False)

    def paths(self, commit: Commit) -> Sequence[str]:
        """Return the path of every file at *commit*, sorted, `/` between folders."""
        return list(self._state(commit))

    def read(self, commit: Commit, paths: Iterable[str]) -> Mapping[str, bytes]:
        """
        Return the bytes that each of *paths* had when *commit* was resolved, at most 1 MiB each.

        Raises:
            UnknownCommit: this object did not resolve it, or has forgotten it since.
            UnsafeSource: a file is too large.
            SourceError: there is no such file.
        """
        state = self._state(commit)
        return {path: self._body(state, path) for path in paths}

    def descends(self, commit: Commit, ancestor: str) -> bool:  # noqa: ARG002 - the signature is the port's
        """Tell that *commit* comes after *ancestor*: a folder has no history that could be rewritten."""
        return True

    def _remember(self, sha: str, files: Mapping[str, _Taken]) -> None:
        kept = [item for item in self._states.items() if item[0] != sha][1 - _REMEMBERED :]
        self._states = dict([*kept, (sha, files)])

    def _state(self, commit: Commit) -> Mapping[str, _Taken]:
        if commit.sha not in self._states:
            raise UnknownCommit(
                "this state of the folder is not remembered", where=self.repository, fix="resolve the folder again"
            )
        return self._states[commit.sha]

    def _body(self, state: Mapping[str, _Taken], path: str) -> bytes:
        taken = state.get(path)
        if taken is None:
            raise SourceError(f"there is no file {path[:300]!a}", where=self.repository)
        if taken.body is None:
            raise UnsafeSource(
                f"this file has {taken.size} bytes, at most {LARGEST_FILE} are read",
                where=path,
                fix="configuration is small; keep large files out of the folders that runpin.toml names",
            )
        return taken.body


class _Walk:
    """One reading of a folder, link by link; everything it found is in `files`."""

    def __init__(self, root: Path) -> None:
        self.files: dict[str, _Taken] = {}
        self._root = root
        self._size = 0

    def enter(self, folder: Path, prefix: str, levels: int = _DEEPEST) -> None:
        """Take every file in *folder* and below; *prefix* is its name, `/` last."""
        if not levels:
            raise UnsafeSource(f"folders are nested more than {_DEEPEST} deep", where=prefix, fix="is a link a circle?")
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        check_names(names, prefix)
        for name in names:
            # A file that is gone by now, as after an editor's save, is not part of this state.
            with suppress(FileNotFoundError):
                self._visit(folder / name, prefix + name, levels)

    def _visit(self, path: Path, name: str, levels: int) -> None:
        target = path.resolve()
        if not target.is_relative_to(self._root):
            raise UnsafeSource("a symbolic link leads out of the folder", where=name, fix="copy the file instead")
        mode = target.stat().st_mode
        if stat.S_ISDIR(mode):
            self.enter(target, f"{name}/", levels - 1)
        elif stat.S_ISREG(mode):
            taken = _take(target)
            self._size += len(taken.body or b"")
            self.files[name] = taken
            if len(self.files) > MOST_FILES or self._size > LARGEST_FOLDER:
                raise UnsafeSource("the folder holds too much for configuration", where=str(self._root))


def _take(path: Path) -> _Taken:
    # Without O_NONBLOCK a pipe that replaced the file meanwhile would never open.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        body = file.read(LARGEST_FILE + 1) if stat.S_ISREG(status.st_mode) else b""
    fits = len(body) <= LARGEST_FILE
    return _Taken(body if fits else None, len(body) if fits else status.st_size, status.st_mtime)


def _sha_of(files: Mapping[str, _Taken]) -> str:
    hashed = sha256()
    for path, taken in files.items():
        for part in (path.encode(), taken.body if taken.body is not None else b"%d bytes" % taken.size):
            hashed.update(len(part).to_bytes(8, "big") + part)
    return f"directory-{hashed.hexdigest()}"


def _login(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
