"""
A private bare copy of the config repository, which every reading goes to.

One code path serves local and remote repositories, the owner's hooks and configuration never run,
and what was used once stays even when the origin forgets it. In the mirror,

* `refs/origin/heads/*` and `refs/origin/tags/*` are what the origin has now, `refs/origin/HEAD` what is
  checked out there when it is on this host;
* `refs/used/*` are the commits that were used last, one for each branch or tag. They only move forward.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Event

from runpin.errors import SourceError, UnknownCommit, UnsafeSource
from runpin.sources.git_objects import is_sha
from runpin.sources.git_process import Git

ORIGIN = "refs/origin"
_USED = "refs/used"
_REFSPECS = (f"+refs/heads/*:{ORIGIN}/heads/*", f"+refs/tags/*:{ORIGIN}/tags/*")
_PARTIAL = r"^(extensions\.partialclone|remote\..*\.(promisor|partialclonefilter))$"
_LOCKS = ("*.lock", "refs/**/*.lock", "objects/info/**/*.lock", "objects/pack/tmp_*")
_PAUSE = 0.02


class Mirror:
    """
    The mirror of `git.address` below the folder *mirrors*, named by a hash of the address without credentials.

    Any number of processes may use one mirror: who fetches holds a lock on a file beside it.
    """

    def __init__(self, git: Git, mirrors: Path) -> None:
        name = sha256(git.address.location.encode()).hexdigest()[:32]
        self._git = git
        self._mirrors = mirrors
        self.folder = mirrors / f"{name}.git"
        self._lock = mirrors / f"{name}.lock"

    def exists(self) -> bool:
        """Tell whether anything was fetched yet."""
        return (self.folder / "HEAD").exists()

    @contextmanager
    def fetched(self) -> Iterator[Git]:
        """
        Fetch what the origin has, and hold the lock until the block ends; yields the git to change refs with.

        Raises:
            UnknownCommit: the origin has no commit at all.
            UnsafeSource: the origin's history is not whole, or it holds what git refuses.
            SourceError: the origin cannot be read, or the mirror's folder cannot be used.
        """
        with self._locked() as lock, self._git.online(lock) as git:
            refspecs = self._refspecs(git)
            with _using(self.folder):
                self._remove_leftovers()
                if not self.exists():
                    self._create(git)
            self._fetch(git, refspecs)
            yield git

    def used(self, kind: str, name: str) -> str:
        """Return the ref that remembers which commit of a branch (`heads`) or tag (`tags`) was used last."""
        # Without folders, so that `a` and `a/b`, which may follow each other at the origin, do not get in the way.
        return f"{_USED}/{kind},{name.replace('/', ',')}"

    @contextmanager
    def _locked(self) -> Iterator[int]:
        with _using(self._mirrors):
            _make_private(self._mirrors)
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            self._wait_for(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _wait_for(self, descriptor: int) -> None:
        pause = Event()
        for _ in range(int(self._git.timeout / _PAUSE) + 1):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pause.wait(_PAUSE)
            else:
                return
        what = f"another process has been fetching for more than {self._git.timeout:g} s"
        raise SourceError(what, where=str(self._lock), fix="end the git process that holds this file, see `fuser -v`")

    def _refspecs(self, git: Git) -> tuple[str, ...]:
        """Return what to fetch; an origin on this host is looked at first."""
        if git.address.folder is None:
            return _REFSPECS
        answer = git.run("rev-parse", "--is-shallow-repository", "HEAD", inside=git.address.folder)
        shallow, _, head = answer.output.decode("utf-8", "replace").partition("\n")
        if not shallow:
            raise git.failure("the repository cannot be opened", answer.complaint)
        # Asked of the configuration, because git would go to the network to fill the holes while it answers.
        partial = git.run("config", "--local", "--get-regexp", _PARTIAL, inside=git.address.folder)
        if shallow != "false" or partial.output:
            raise _partial("the repository is a shallow or partial clone", str(git.address))
        # Build servers check out a commit that may be on no branch.
        return (*_REFSPECS, f"+HEAD:{ORIGIN}/HEAD") if is_sha(head.strip()) else _REFSPECS

    def _fetch(self, git: Git, refspecs: tuple[str, ...]) -> None:
        options = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head")
        answer = git.run("fetch", *options, "--", git.address.location, *refspecs, folder=self.folder)
        # From a shallow origin git takes nothing, and calls that a success.
        if "shallow roots" in answer.complaint or (self.folder / "shallow").exists():
            raise _partial("the repository is a shallow clone", str(git.address))
        if answer.code:
            raise git.failure("`git fetch` failed", answer.complaint)

    def _remove_leftovers(self) -> None:
        # The lock is ours, and it is held by every git process, so whoever made these files is dead.
        shutil.rmtree(self.folder.with_suffix(".new"), ignore_errors=True)
        for pattern in _LOCKS:
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    def _create(self, git: Git) -> None:
        first = git.must("ls-remote", "--refs", "--", git.address.location).split(b"\t", 1)[0]
        if not first:
            raise UnknownCommit(
                "the repository has no commit yet", where=str(git.address), fix="commit a runpin.toml and push it"
            )
        form = "sha256" if len(first) == 64 else "sha1"
        fresh = self.folder.with_suffix(".new")
        fresh.mkdir(mode=0o700)
        git.must("init", "--quiet", "--bare", "--template=", f"--object-format={form}", str(fresh))
        fresh.rename(self.folder)


@contextmanager
def _using(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"the folder for Git mirrors cannot be used: {error.strerror}"
        fix = "choose a folder this user may write to; a damaged mirror may be deleted, it is fetched again"
        raise SourceError(what, where=str(folder), fix=fix) from error


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise UnsafeSource(
            "the folder for Git mirrors belongs to another user, or others may write to it",
            where=str(folder),
            fix="choose a folder of your own, mode 0700",
        )


def _partial(what: str, where: str) -> UnsafeSource:
    return UnsafeSource(
        f"{what}, so history and files are not whole",
        where=where,
        fix="clone again without --depth and --filter, or run `git fetch --unshallow`; in CI, fetch the full history",
    )
