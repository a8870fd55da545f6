"""What a sandbox's child can see of its host, and what becomes of it when its host ends or forks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]
PROGRAM = TESTS / "sandbox_parents.py"
FOLDERS = [str(TESTS), str(TESTS.parent / "core")]
SECONDS = 60
NOBODY = 65534

# A user namespace in which neither another one nor a network namespace can be made, as in many containers.
WITHOUT_NAMESPACES = (
    "unshare",
    "--user",
    "--map-root-user",
    "sh",
    "-c",
    'echo 0 >/proc/sys/user/max_user_namespaces && echo 0 >/proc/sys/user/max_net_namespaces && exec "$@"',
    "-",
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def command(what: str, *arguments: str, within: Sequence[str] = (), user: int | None = None) -> list[str]:
    """Return how to start one of the parents."""
    return [*within, interpreter(user), "-W", "error", str(PROGRAM), what, *arguments]


def interpreter(user: int | None) -> str:
    """Return a Python that *user* may run; a sandbox needs the standard library only."""
    for program in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        probe = [program, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        with suppress(OSError):
            if subprocess.run(probe, capture_output=True, check=False, user=user).returncode == 0:
                return program
    pytest.skip("no Python here that this user may run")


def environment() -> dict[str, str]:
    """Return the variables of a parent, with one that nobody shall see."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}
    return {**kept, "PYTHONPATH": os.pathsep.join(FOLDERS), "RUNPIN_PASSWORD": "hunter2-planted"}


def run(what: str, *arguments: str, within: Sequence[str] = (), user: int | None = None) -> Any:
    """Run one of the parents to its end and return what it saw; it may not print anything else."""
    done = subprocess.run(
        command(what, *arguments, within=within, user=user),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        cwd="/",
    )

    assert (0, "") == (done.returncode, done.stderr)
    return json.loads(done.stdout)


@contextmanager
def running(what: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """Start one of the parents and wait until it tells what it saw."""
    with subprocess.Popen(
        command(what, *arguments), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def gone(pid: int, seconds: float = 60) -> bool:
    """Wait until the process *pid* has ended; one that nobody collects counts."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except OSError:
            return True
    return False


@pytest.mark.parametrize(
    "arguments",
    [("be_killed",), *(("be_killed_while", job) for job in ("sleep", "loop_in_c", "loop_on", "send_half"))],
    ids=lambda arguments: arguments[-1],
)
def test_a_child_ends_with_its_parent(arguments: tuple[str, ...]) -> None:
    """Whatever it is at, even stopped: when its parent is killed without a word, it is gone at once."""
    with running(*arguments) as (parent, seen):
        assert not gone(seen["child"], seconds=0)
        parent.send_signal(signal.SIGKILL)

        assert gone(seen["child"])


def test_a_child_ends_with_its_parent_while_a_fork_lives() -> None:
    """A process that the parent forked does not keep the child alive."""
    with running("be_killed_with_fork") as (parent, seen):
        try:
            parent.send_signal(signal.SIGKILL)

            assert gone(seen["child"])
            assert not gone(seen["forked"], seconds=0)
        finally:
            os.kill(seen["forked"], signal.SIGKILL)


def test_after_a_fork_each_has_its_own_child() -> None:
    """Both processes go on, and the first keeps its child."""
    seen = run("fork")

    assert seen["before"] == seen["after"]
    assert seen["forked"] != seen["before"]
    assert gone(seen["forked"])


def test_a_fork_is_not_held_up_by_a_job() -> None:
    """A job of another thread goes on in the first process, and the new one need not wait for it."""
    seen = run("fork_while_busy")

    assert ["done"] == seen["done"]
    assert seen["before"] == seen["after"]
    assert seen["forked"] != seen["before"]


def test_a_fork_that_ends_leaves_the_child_alone() -> None:
    """What a forked process does at its end does not concern the first one's child."""
    seen = run("fork_and_leave")

    assert seen["before"] == seen["after"]


def test_a_host_that_collects_no_children_is_served() -> None:
    """Where the system takes the exit codes, a crash is still a refusal, only a less telling one."""
    seen = run("ignore_children")

    assert "the check failed: the connection was closed" == seen["what"]
    assert seen["before"] != seen["after"]


def test_what_is_said_where_no_child_comes_up() -> None:
    """An interpreter that is not there, and one that ends at once, are errors with a fix."""
    (missing, missing_fix), (ended, ended_fix) = run("no_interpreter")["failures"]

    assert "the process that checks cannot be started" == missing
    assert "No such file or directory" in missing_fix
    assert "the process that checks does not come up: it ended with code 1" == ended
    assert "try again" in ended_fix


@pytest.mark.parametrize("user", [None, pytest.param(NOBODY, marks=as_root)], ids=["as we are", "as nobody"])
def test_a_child_sees_nothing_of_its_parent(user: int | None) -> None:
    """No variable, no argument with one, no open file, no right, and no way to read the parent's memory."""
    seen = run("look_around", user=user)

    assert {"LANG"} == seen["environment"].keys() - {"LC_CTYPE"}
    assert "hunter2" not in seen["arguments"]
    # The three of every process, the two of ours, and the listing itself.
    assert 6 == len(seen["descriptors"])
    assert ["/dev/null"] * 3 == seen["standard"]
    assert ["1"] == seen["privileges"]
    assert int(seen["capabilities"][0], 16) in (0, 4)
    if seen["alone"]:
        assert not seen["parent"]


@pytest.mark.parametrize("user", [None, pytest.param(NOBODY, marks=as_root)], ids=["as we are", "as nobody"])
def test_a_child_has_no_network(user: int | None) -> None:
    """Where the kernel allows it the child reaches nobody, and says so truly everywhere."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        seen = run("connect", str(server.getsockname()[1]), user=user)
        if not seen["alone"]:
            assert "connected" == seen["how"]
            pytest.skip("this kernel gives no network namespace")

        assert "OSError" == seen["how"]
        with pytest.raises(BlockingIOError):
            server.accept()


def test_without_namespaces_there_is_still_a_sandbox() -> None:
    """A container that forbids them leaves the network, the sandbox says so, and everything else holds."""
    probe = [*WITHOUT_NAMESPACES, "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let us forbid namespaces")
    with socket.create_server(("127.0.0.1", 0)) as server:
        seen = run("connect", str(server.getsockname()[1]), within=WITHOUT_NAMESPACES)
    around = run("look_around", within=WITHOUT_NAMESPACES)

    assert (False, "connected") == (seen["alone"], seen["how"])
    assert (False, ["1"]) == (around["alone"], around["privileges"])
    assert "hunter2" not in json.dumps(around["environment"])


@as_root
def test_root_runs_what_belongs_to_others(tmp_path: Path) -> None:
    """An installation in a private folder of somebody else works for root, as it did without a sandbox."""
    folder = tmp_path / "private"
    folder.mkdir()
    module = folder / "owned_by_others.py"
    module.write_text("def job(desk, given, blobs):\n    return 'read', ()\n")
    for path in (module, folder):
        path.chmod(0o700 if path is folder else 0o600)
        os.chown(path, 12345, 12345)

    assert "read" == run("import_from", str(folder), module.stem)["answer"]
