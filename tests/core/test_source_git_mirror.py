"""The mirror under use by many, under kill -9, and in folders that are not fit for it."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from git_origin import Origin, surround
from runpin.errors import SourceError, UnsafeSource
from runpin.sources.git import GitSource

CHILD = """
import sys
from pathlib import Path
from runpin.sources.git import GitSource
source = GitSource(sys.argv[1], mirrors=Path(sys.argv[2]))
commit = source.resolve("main")
source.read(commit, source.paths(commit))
print(commit.sha)
"""
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that betrays a command run from the user's configuration."""
    return surround(monkeypatch, tmp_path / "home")


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    """Return a repository with two hundred files."""
    origin = Origin(tmp_path / "origin.git")
    origin.commit({f"d{number % 7}/f{number}": b"%d" % number for number in range(200)})
    return origin


class Gate:
    """Stands where ssh would: while it is shut, whoever connects waits."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.connected = folder / "connected"
        self.path = folder / "gate"
        self.script = folder / "ssh"
        self.script.write_text(
            "#!/bin/sh\n"
            "for last; do :; done\n"
            f"if [ -p {self.path} ]; then echo $$ > {self.connected}; read -r _ < {self.path}; fi\n"
            'eval "git ${last#git-}"\n'
        )
        self.script.chmod(0o700)

    def shut(self) -> None:
        """Let the next ones wait."""
        os.mkfifo(self.path)

    def open(self) -> None:
        """Let who waits go on."""
        writer = os.open(self.path, os.O_WRONLY)
        self.path.unlink()
        os.close(writer)


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Return a gate that every ssh connection goes through."""
    gate = Gate(tmp_path / "gate")
    monkeypatch.setenv("GIT_SSH_COMMAND", str(gate.script))
    return gate


def until(condition: Callable[[], bool]) -> None:
    """Wait for *condition*, not longer than anybody's patience."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it never happened")
        threading.Event().wait(0.01)


@contextmanager
def child(address: str, mirrors: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start another process that reads everything from *address*."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CHILD, address, str(mirrors)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def mirror_in(folder: Path) -> Path:
    """Return the only mirror below *folder*."""
    (mirror,) = folder.glob("*.git")
    return mirror


def test_processes_share_a_mirror(origin: Origin, tmp_path: Path) -> None:
    """Four that start at once, when there is no mirror yet, all read everything."""
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(outcome, str(origin.path), tmp_path / "mirrors") for _ in range(4)]

    assert [(0, origin.sha("main"), "")] * 4 == [future.result() for future in running]


def outcome(address: str, mirrors: Path) -> tuple[int, str, str]:
    """Return exit code, output and errors of a child that reads everything."""
    with child(address, mirrors) as process:
        said, complaint = process.communicate(timeout=PATIENCE)
    return process.returncode, said.decode().strip(), complaint.decode()


def test_threads_share_a_source(origin: Origin, tmp_path: Path) -> None:
    """One source may resolve and read in several threads while the branch moves."""
    source = GitSource(str(origin.path), mirrors=tmp_path / "mirrors")

    def read(_: int) -> int:
        commit = source.resolve("main")
        return len(source.read(commit, source.paths(commit)))

    with ThreadPoolExecutor(4) as pool:
        counted = list(pool.map(read, range(12)))

    assert [200] * 12 == counted


def test_a_killed_fetch_keeps_the_lock_until_git_is_gone(origin: Origin, tmp_path: Path, gate: Gate) -> None:
    """Git outlives who started it; nobody touches the mirror before its last process has ended."""
    address, mirrors = f"ssh://example.org{origin.path}", tmp_path / "mirrors"
    GitSource(address, mirrors=mirrors).resolve("main")
    latest = origin.commit({"new": b"1"})
    gate.shut()
    with child(address, mirrors) as process:
        until(gate.connected.exists)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with pytest.raises(SourceError, match=r"another process has been fetching for more than 0\.3 s"):
        GitSource(address, mirrors=mirrors, timeout=0.3).resolve("main")
    gate.open()

    assert latest == GitSource(address, mirrors=mirrors, timeout=PATIENCE).resolve("main").sha


def test_a_fetch_that_hangs_is_ended(origin: Origin, tmp_path: Path, gate: Gate) -> None:
    """After the timeout there is an error, the lock is free, and no process is left behind."""
    address, mirrors = f"ssh://example.org{origin.path}", tmp_path / "mirrors"
    gate.shut()
    with pytest.raises(SourceError, match=r"`git ls-remote` took longer than 3 s"):
        # In which git has to get to the gate.
        GitSource(address, mirrors=mirrors, timeout=3).resolve("main")
    ssh = int(gate.connected.read_text())
    gate.path.unlink()

    until(lambda: not Path(f"/proc/{ssh}").exists() or "Z" in Path(f"/proc/{ssh}/stat").read_text().split()[2])
    assert origin.sha("main") == GitSource(address, mirrors=mirrors).resolve("main").sha


def test_processes_that_are_killed_leave_a_mirror_that_works(origin: Origin, tmp_path: Path) -> None:
    """Wherever kill -9 hits, the next one reads everything, and the mirror passes git's own check."""
    mirrors = tmp_path / "mirrors"
    for turn in range(12):
        latest = origin.commit({f"new{turn}": os.urandom(200_000)})
        with child(str(origin.path), mirrors) as process:
            # From before the first lock to the middle of the reading, in steps that no test can choose better.
            threading.Event().wait(0.05 + turn * 0.02)
            process.send_signal(signal.SIGKILL)
            process.wait()
    source = GitSource(str(origin.path), mirrors=mirrors)
    commit = source.resolve("main")
    check = subprocess.run(
        ["git", f"--git-dir={mirror_in(mirrors)}", "fsck", "--full"], capture_output=True, check=False
    )

    assert latest == commit.sha
    assert len(source.read(commit, source.paths(commit))) == 212
    assert check.returncode == 0


def test_stale_locks_of_git_are_removed(origin: Origin, tmp_path: Path) -> None:
    """Git leaves lock files when it is killed, and would refuse to work beside them forever."""
    mirrors = tmp_path / "mirrors"
    source = GitSource(str(origin.path), mirrors=mirrors)
    source.resolve("main")
    latest = origin.commit({"new": b"1"})
    mirror = mirror_in(mirrors)
    names = ("refs/origin/heads/main.lock", "refs/used/heads,main.lock", "packed-refs.lock", "config.lock", "HEAD.lock")
    for name in names:
        (mirror / name).touch()
    (mirrors / f"{mirror.stem}.new" / "refs").mkdir(parents=True)

    assert latest == source.resolve("main").sha
    assert [name for name in names if (mirror / name).exists()] == []


def test_the_mirror_is_private(origin: Origin, tmp_path: Path) -> None:
    """Nobody else on the host reads what only this user may clone."""
    mirrors = tmp_path / "new" / "mirrors"
    GitSource(str(origin.path), mirrors=mirrors).resolve("main")

    assert [oct(path.stat().st_mode)[-3:] for path in (mirrors, mirror_in(mirrors))] == ["700", "700"]


def test_a_folder_that_others_may_write_to_is_refused(origin: Origin, tmp_path: Path) -> None:
    """Whoever can write into a mirror can put a configuration into git's way."""
    (tmp_path / "mirrors").mkdir()
    (tmp_path / "mirrors").chmod(0o777)

    with pytest.raises(UnsafeSource, match="others may write to it"):
        GitSource(str(origin.path), mirrors=tmp_path / "mirrors").resolve("main")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_somebody_else_is_refused(origin: Origin, tmp_path: Path) -> None:
    """The mirror is ours or it is not used."""
    (tmp_path / "mirrors").mkdir(mode=0o700)
    os.chown(tmp_path / "mirrors", pwd.getpwnam("nobody").pw_uid, -1)

    with pytest.raises(UnsafeSource, match="belongs to another user"):
        GitSource(str(origin.path), mirrors=tmp_path / "mirrors").resolve("main")


def test_a_folder_that_cannot_be_is_told(origin: Origin, tmp_path: Path) -> None:
    """A file in the way is a clear error."""
    (tmp_path / "mirrors").touch()

    with pytest.raises(SourceError, match="the folder for Git mirrors cannot be used"):
        GitSource(str(origin.path), mirrors=tmp_path / "mirrors").resolve("main")


def test_a_planted_link_is_not_followed(origin: Origin, tmp_path: Path) -> None:
    """The lock is opened as a file of its own, or not at all."""
    mirrors = tmp_path / "mirrors"
    GitSource(str(origin.path), mirrors=mirrors).resolve("main")
    (lock,) = mirrors.glob("*.lock")
    lock.unlink()
    lock.symlink_to(tmp_path / "target")

    with pytest.raises(SourceError, match="cannot be used"):
        GitSource(str(origin.path), mirrors=mirrors).resolve("main")
    assert not (tmp_path / "target").exists()


TEMPORARY = """
import os, sys, tempfile
from runpin.sources.git import GitSource
source = GitSource(sys.argv[1])
sha = source.resolve("main").sha
forked = os.fork()
if not forked:
    del source
    sys.exit()
os.waitpid(forked, 0)
print(source.resolve(sha).sha == sha, len(os.listdir(tempfile.gettempdir())))
del source
print(len(os.listdir(tempfile.gettempdir())))
"""


def test_without_a_folder_the_mirror_goes_with_the_source(origin: Origin, tmp_path: Path) -> None:
    """A temporary mirror is removed with its source, by the process that made it and by no forked child."""
    (tmp_path / "temporary").mkdir()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path / "temporary")}
    command = [sys.executable, "-c", TEMPORARY, str(origin.path)]
    said = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=PATIENCE).stdout

    assert said.decode().split() == ["True", "1", "0"]


def test_a_host_without_git_is_told(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is in the error."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))

    with pytest.raises(SourceError, match="git is not installed"):
        GitSource(str(origin.path), mirrors=tmp_path / "mirrors").resolve("main")
