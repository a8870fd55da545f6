"""Reads the config repository as it is staged for the next commit, which is what a commit hook has to judge."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from runpin.errors import SourceError, UnknownCommit, UnsafeSource
from runpin.model import Commit
from runpin.sources.address import address_of
from runpin.sources.git_objects import LARGEST_BLOB, is_sha, reading
from runpin.sources.git_process import Git
from runpin.sources.tree import Entry, list_files

_INDEX = "GIT_INDEX_FILE"


class StagedSource:
    """
    The index of the Git repository that *folder* is, or lies in.

    The config repository is *folder*; what lies beside it is not looked at. While `git commit` runs its hooks, the
    index is the one that the commit is made of, also for `git commit --all` and `git commit FILE`.
    Git's object store gets the tree of the folder, as it would from the commit; nothing else is changed.

    Args:
        folder: the config repository, in a working tree of Git.
        timeout: seconds that one git process may take.

    Raises:
        SourceError: *folder* lies in no working tree.
    """

    def __init__(self, folder: Path, *, timeout: float = 60.0) -> None:
        self._folder = folder.expanduser().absolute()
        self.repository = str(self._folder)
        self._root = working_tree(self._folder)
        self._git = Git(address_of(str(self._root)), timeout)
        self._states: dict[str, Mapping[str, Entry]] = {}

    def __repr__(self) -> str:
        return f"StagedSource({self.repository!r})"

    def resolve(self, ref: str) -> Commit:
        """
        Return what is staged now. *ref* is only repeated in the answer.

        Raises:
            SourceError: the index cannot be read, holds nothing of the folder, or conflicts that are not solved.
        """
        try:
            index = self._index()
            tree = self._write_tree(index)
            changed = index.stat().st_mtime if index.exists() else 0
        except OSError as error:
            raise SourceError(f"the index cannot be read: {error.strerror}", where=self.repository) from error
        if not is_sha(tree):
            raise SourceError("git wrote no tree", where=self.repository)
        sha = f"staged-{tree}"
        with reading(self._git, self._git_folder) as objects:
            self._states[sha] = list_files(objects, tree)
        at = datetime.fromtimestamp(changed, UTC)
        return Commit(sha, self.repository, ref, _login(), "files as they are staged", at, reproducible=False)

    def paths(self, commit: Commit) -> Sequence[str]:
        """Return the path of every regular file that is staged, sorted, `/` between folders."""
        return [path for path, entry in self._files(commit).items() if entry.odd is None]

    def read(self, commit: Commit, paths: Iterable[str]) -> Mapping[str, bytes]:
        """
        Return the bytes of each of *paths*, at most 1 MiB each, verified down from the tree.

        Raises:
            UnsafeSource: one is too large, or is not a regular file.
            SourceError: one is not staged.
            CorruptSource
        """
        files = self._files(commit)
        wanted = {path: self._regular(files, path) for path in paths}
        labels = {sha: path for path, sha in wanted.items()}
        with reading(self._git, self._git_folder) as objects:
            bodies = {found.sha: found.body for found in objects.each(labels, "blob", LARGEST_BLOB)}
        return {path: bodies[sha] for path, sha in wanted.items()}

    def descends(self, commit: Commit, ancestor: str) -> bool:  # noqa: ARG002 - the signature is the port's
        """Tell that *commit* comes after *ancestor*: what is staged goes on top of what there is."""
        return True

    def _files(self, commit: Commit) -> Mapping[str, Entry]:
        if commit.sha not in self._states:
            raise UnknownCommit("this state of the index is not remembered", where=self.repository)
        return self._states[commit.sha]

    def _regular(self, files: Mapping[str, Entry], path: str) -> str:
        entry = files.get(path)
        if entry is None:
            raise SourceError(f"there is no file {path[:300]!a}", where=f"the index of {self.repository}")
        if entry.odd:
            raise UnsafeSource(f"this is {entry.odd}, not a file", where=path, fix="commit the file itself")
        return entry.sha

    @cached_property
    def _git_folder(self) -> Path:
        found = self._git.must("rev-parse", "--absolute-git-dir", inside=self._root)
        return Path(os.fsdecode(found.rstrip(b"\n"))).resolve()

    def _index(self) -> Path:
        """Return the index of the commit that is being made, if one is, or else the usual one."""
        folder = self._git_folder
        given = os.environ.get(_INDEX)
        index = Path(given).resolve() if given else folder / "index"
        # A hook of another repository may have called us.
        return index if index.is_relative_to(folder) else folder / "index"

    def _write_tree(self, index: Path) -> str:
        prefix = self._folder.resolve().relative_to(self._root.resolve()).as_posix()
        options = () if prefix == "." else (f"--prefix={prefix}/",)
        with tempfile.TemporaryDirectory(prefix="runpin-index-") as scratch:
            copied = Path(scratch) / "index"
            if index.exists():
                # git would note in the index itself what it has found out.
                copied.write_bytes(index.read_bytes())
            git = replace(self._git, variables=((_INDEX, str(copied)),))
            return git.must("write-tree", *options, inside=self._root).decode("ascii", "replace").strip()


def working_tree(folder: Path) -> Path:
    """
    Return the root of the Git working tree that *folder* is, or lies in.

    Raises:
        SourceError: it lies in none.
    """
    found = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)
    if found is None:
        raise SourceError(
            "the folder lies in no working tree of Git",
            where=str(folder),
            fix="run `git init` there, or leave --staged out",
        )
    return found


def _login() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"
