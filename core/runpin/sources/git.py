"""Reads the config repository from Git, through the git program and a private mirror, and never checks it out."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from runpin.errors import HistoryRewritten, SourceError, UnknownCommit, UnsafeSource
from runpin.model import Commit
from runpin.sources.address import address_of
from runpin.sources.git_mirror import ORIGIN, Mirror
from runpin.sources.git_objects import LARGEST_BLOB, CommitObject, ObjectReader, is_sha, reading
from runpin.sources.git_people import people_of
from runpin.sources.git_process import Git
from runpin.sources.tree import Entry, list_files

LARGEST_READING = 256 << 20
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,200}", re.ASCII)
_SHORT_SHA = re.compile(r"[0-9a-fA-F]{4,39}", re.ASCII)
_KINDS = {"heads": "branch", "tags": "tag"}
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_MOST_LISTED = 10


class GitSource:
    """
    A config repository in Git.

    A branch or tag that was used once only moves forward: when it names a commit that does not descend from the
    last one used, that is an error and not a new configuration, until somebody allows it. The mirror remembers.

    What is not a regular file (a symbolic link, a submodule) is not listed, and reading it is refused.

    Args:
        repository: a folder, an https or ssh URL, or `user@host:path`. Credentials in a URL are used, never shown.
        branch: what `HEAD` stands for, whatever the origin says.
        mirrors: the folder for mirrors, one for each repository; private to this user.
            None: a temporary one that lives, and remembers, no longer than this object.
        timeout: seconds that one git process may take, and that another process's fetch is waited for.
        allow_file: whether a repository on this host may be read.
        accept_rewrite: let a branch or tag name a commit that does not descend from the last one used.
        allowed_signers: the file of those whose SSH signatures count, as ssh-keygen reads it. It lies outside of the
            config repository, or whoever may commit could add themselves.

    Raises:
        UnsafeSource: *repository* is nothing that git may be pointed at.
    """

    def __init__(
        self,
        repository: str,
        *,
        branch: str = "main",
        mirrors: Path | None = None,
        timeout: float = 60.0,
        allow_file: bool = True,
        accept_rewrite: bool = False,
        allowed_signers: Path | None = None,
    ) -> None:
        self._git = Git(address_of(repository, allow_file=allow_file), timeout)
        self.repository = str(self._git.address)
        self.branch = branch
        self._accept_rewrite = accept_rewrite
        self._signers = allowed_signers
        self._mirror = Mirror(self._git, (mirrors or self._temporary()).absolute())
        self._listing: tuple[str, Mapping[str, Entry]] | None = None

    def __repr__(self) -> str:
        return f"GitSource({self.repository!r}, branch={self.branch!r})"

    def resolve(self, ref: str) -> Commit:
        """
        Fetch, and return the commit that *ref* names now.

        *ref* is a branch, a tag, `refs/heads/…` or `refs/tags/…` where a branch and a tag share a name, `HEAD`,
        or a full sha. 40 or 64 hex digits are always a sha. A part of a sha is not accepted:
        what it stands for changes as the repository grows.

        Raises:
            UnknownCommit: there is no such thing; `fix` lists the branches.
            HistoryRewritten: the branch or tag does not descend from the commit used last.
            UnsafeSource: no ref is written like this, or it names both a branch and a tag.
            CorruptSource: an object does not hash to its name.
            SourceError: the repository cannot be read.
            SettingsError: the file of allowed signers cannot be used.
        """
        if is_sha(ref.lower()):
            return self._described(self._held(ref.lower()), ref)
        checked = self._checked(self.branch if ref == "HEAD" else ref)
        with self._mirror.fetched() as git, reading(git, self._mirror.folder) as objects:
            kind, name, commit = self._named(objects, *checked)
            self._use(git, objects, kind, name, commit)
        return self._described(commit, ref)

    def paths(self, commit: Commit) -> Sequence[str]:
        """
        Return the path of every regular file at *commit*, sorted, `/` between folders.

        Raises:
            UnsafeSource: a name could harm who checks the commit out, or two names could be taken for each other.
            UnknownCommit, CorruptSource, SourceError
        """
        return [path for path, entry in self._files(commit).items() if entry.odd is None]

    def read(self, commit: Commit, paths: Iterable[str]) -> Mapping[str, bytes]:
        """
        Return the bytes of each of *paths* at *commit*, at most 1 MiB each, verified down from the commit's sha.

        Raises:
            UnsafeSource: one is too large, or is not a regular file.
            SourceError: one does not exist, or is kept in Git LFS.
            UnknownCommit, CorruptSource
        """
        files = self._files(commit)
        wanted = {path: self._regular(files, path, commit) for path in paths}
        labels = {sha: path for path, sha in wanted.items()}
        bodies: dict[str, bytes] = {}
        total = 0
        with reading(self._git, self._mirror.folder) as objects:
            for found in objects.each(labels, "blob", LARGEST_BLOB):
                total += len(found.body)
                if total > LARGEST_READING:
                    raise UnsafeSource(f"more than {LARGEST_READING} bytes were asked for", where=commit.sha)
                if found.body.startswith(_LFS_POINTER):
                    raise SourceError("this file is kept in Git LFS, Git has only a pointer", where=labels[found.sha])
                bodies[found.sha] = found.body
        return {path: bodies[sha] for path, sha in wanted.items()}

    def descends(self, commit: Commit, ancestor: str) -> bool:
        """
        Tell whether *commit* is the commit with the full sha *ancestor*, or comes after it in history.

        Raises:
            UnknownCommit: the repository lacks one of them.
            SourceError: git cannot tell.
        """
        self._held(commit.sha)
        self._held(ancestor)
        return self._comes_after(commit.sha, ancestor)

    def _checked(self, ref: str) -> tuple[Sequence[str], str]:
        if not _REF.fullmatch(ref) or ".." in ref or "//" in ref or ref.endswith(("/", ".", ".lock")):
            raise UnsafeSource(
                f"{ref[:80]!a} is not usable as a branch or tag",
                fix="name a branch or a tag, or give the full sha, which `git rev-parse` knows",
            )
        for kind in _KINDS:
            if ref.startswith(f"refs/{kind}/"):
                return (kind,), ref.removeprefix(f"refs/{kind}/")
        return tuple(_KINDS), ref

    def _named(self, objects: ObjectReader, kinds: Sequence[str], name: str) -> tuple[str, str, CommitObject]:
        named = {kind: objects.commit(f"{ORIGIN}/{kind}/{name}") for kind in kinds}
        found = [(kind, name, commit) for kind, commit in named.items() if commit]
        if len(found) > 1:
            fix = f"say refs/heads/{name} or refs/tags/{name}"
            raise UnsafeSource(f"{name!r} is both a branch and a tag", where=self.repository, fix=fix)
        if not found:
            raise self._unknown(f"there is no {' or '.join(_KINDS[kind] for kind in kinds)} {name!r}", name)
        return found[0]

    def _use(self, git: Git, objects: ObjectReader, kind: str, name: str, commit: CommitObject) -> None:
        ref = self._mirror.used(kind, name)
        last = objects.commit(ref)
        if last is not None and last.sha == commit.sha:
            return
        if last is not None and not (self._accept_rewrite or self._comes_after(commit.sha, last.sha)):
            raise HistoryRewritten(
                f"{_KINDS[kind]} {name!r} was at {last.sha} and is now at {commit.sha}, which does not descend from it",
                where=self.repository,
                fix="restore the branch, or, if the rewrite is meant, publish it once with --accept-rewrite",
            )
        git.must("update-ref", ref, commit.sha, folder=self._mirror.folder)

    def _comes_after(self, sha: str, ancestor: str) -> bool:
        answer = self._git.run("merge-base", "--is-ancestor", ancestor, sha, folder=self._mirror.folder)
        if answer.code not in (0, 1):
            raise self._git.failure("git cannot tell whether one commit follows another", answer.complaint)
        return answer.code == 0

    def _held(self, sha: str) -> CommitObject:
        if not is_sha(sha):
            raise UnknownCommit(f"{sha[:80]!a} is not the full sha of a commit", where=self.repository)
        found = self._present(sha)
        if found is None:
            with self._mirror.fetched():
                found = self._present(sha)
        if found is None:
            raise self._unknown(f"there is no commit {sha}", sha)
        return found

    def _present(self, sha: str) -> CommitObject | None:
        if not self._mirror.exists():
            return None
        with reading(self._git, self._mirror.folder) as objects:
            return objects.commit(sha)

    def _files(self, commit: Commit) -> Mapping[str, Entry]:
        if self._listing is None or self._listing[0] != commit.sha:
            tree = self._held(commit.sha).tree
            with reading(self._git, self._mirror.folder) as objects:
                self._listing = commit.sha, list_files(objects, tree)
        return self._listing[1]

    def _regular(self, files: Mapping[str, Entry], path: str, commit: Commit) -> str:
        entry = files.get(path)
        if entry is None:
            raise SourceError(f"there is no file {path[:300]!a}", where=f"{self.repository} at {commit.sha}")
        if entry.odd:
            raise UnsafeSource(f"this is {entry.odd}, not a file", where=path, fix="commit the file itself")
        return entry.sha

    def _unknown(self, what: str, name: str) -> UnknownCommit:
        listing = ("--format=%(refname:lstrip=3)", f"--count={_MOST_LISTED + 1}", f"{ORIGIN}/heads")
        listed = self._git.must("for-each-ref", *listing, folder=self._mirror.folder)
        branches = [name for name in listed.decode("utf-8", "replace").split("\n") if _REF.fullmatch(name)]
        more = ", …" if len(branches) > _MOST_LISTED else ""
        hint = "; give all 40 digits of a sha" if _SHORT_SHA.fullmatch(name) else ""
        known = ", ".join(branches[:_MOST_LISTED]) or "none"
        return UnknownCommit(what, where=self.repository, fix=f"branches: {known}{more}{hint}")

    def _described(self, commit: CommitObject, ref: str) -> Commit:
        people = people_of(self._git, self._mirror.folder, commit.sha, commit.author, self._signers)
        return Commit(
            commit.sha,
            self.repository,
            ref,
            commit.author,
            commit.subject,
            commit.at,
            signer=people.signer,
            approvers=people.approvers,
        )

    def _temporary(self) -> Path:
        folder = tempfile.mkdtemp(prefix="runpin-mirror-")
        weakref.finalize(self, _remove, folder, os.getpid())
        return Path(folder)


def _remove(folder: str, owner: int) -> None:
    # A forked child must not take its parent's mirror away.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
