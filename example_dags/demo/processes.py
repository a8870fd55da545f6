"""
Finds and ends every process of one engine, whatever became of it.

Engines fork in layers: a task leaves the process group of its component, an executor's worker outlives a killed
scheduler, and a user's task may open a session of its own.
All of them inherit the environment, so that is what tells them apart from everybody else's processes: the variable in
which Airflow or Dagster finds its home folder.

Run as a script it is the engine's guard: it waits until its standard input closes, which happens however its parent
ends, and then ends what is left of the engine.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

GRACE = 3.0
"""Seconds between asking the processes to end and killing them."""

KILL_LIMIT = 15.0
"""Seconds a killed process may take to disappear."""

AIRFLOW, DAGSTER = "AIRFLOW_HOME", "DAGSTER_HOME"
"""The variables by which the processes of either engine are recognised."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """
    One living process, as seen once.

    Attributes:
        pid: its process id.
        session: the process id of the leader of its session.
        command: its command line, for messages.
    """

    pid: int
    session: int
    command: str


@dataclass(frozen=True, slots=True)
class Family:
    """
    The processes of one engine: their environment names its home folder, or their session is one that it opened.

    Attributes:
        home: the engine's home folder, absolute; none to go by sessions only.
        sessions: process ids of session leaders that the engine started and has not yet collected.
        variable: which variable names the home folder.
    """

    home: Path | None
    sessions: Collection[int] = ()
    variable: str = AIRFLOW

    def members(self) -> list[Sighting]:
        """Return every process that lives now, zombies and ourselves excluded."""
        return [seen for seen in _living() if seen.session in self.sessions or self._is_marked(seen.pid)]

    def signal(self, number: int) -> None:
        """Send the signal *number* to every member that lives now."""
        for member in self.members():
            send(member.pid, number)

    def end(self, grace: float = GRACE) -> list[Sighting]:
        """
        Ask the session leaders to end, kill what remains after *grace* seconds, and return who survived even that.

        They are asked twice: an engine finishes what it is doing after the first time and hurries after the second.
        Members without a leader are killed at once, for nobody is left to tell them what to finish.
        """
        gone = not self.sessions
        for _ in range(2):
            for leader in self.sessions:
                send(leader, signal.SIGTERM)
            gone = gone or wait_until(lambda: not self.members(), grace / 2)
        wait_until(self._killed, KILL_LIMIT)
        return self.members()

    def _killed(self) -> bool:
        # Repeated, because a member may fork between being seen and being killed.
        self.signal(signal.SIGKILL)
        return not self.members()

    def _is_marked(self, pid: int) -> bool:
        if self.home is None:
            return False
        marker = os.fsencode(f"{self.variable}={self.home}")
        return marker in _read(pid, "environ").split(b"\0")


def guard(home: Path, variable: str = AIRFLOW) -> subprocess.Popen[bytes]:
    """Start a process that ends the family whose *variable* names *home* as soon as its standard input closes."""
    return subprocess.Popen(
        [sys.executable, "-I", __file__, str(home), variable],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        start_new_session=True,
    )


def dismiss(watching: subprocess.Popen[bytes]) -> None:
    """Let the guard *watching* look once more and end."""
    if watching.stdin is not None:
        watching.stdin.close()
    watching.wait(2 * KILL_LIMIT)


def is_running(pid: int) -> bool:
    """Say whether *pid* lives; a process that ended and was not collected does not."""
    return _sighting(pid) is not None


def send(pid: int, number: int) -> None:
    """Send the signal *number* to *pid*, which may already be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.05) -> bool:
    """Return whether *condition* held within *seconds*, looking every *pause* seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def _living() -> Iterator[Sighting]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (seen := _sighting(int(entry.name))) and seen.pid != os.getpid():
            yield seen


def _sighting(pid: int) -> Sighting | None:
    # The second field of `stat` is a name in brackets that may itself hold brackets and spaces.
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    if not fields or fields[0] in {b"Z", b"X"}:
        return None
    command = _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
    return Sighting(pid, session=int(fields[3]), command=command)


def _read(pid: int, name: str) -> bytes:
    # A process may end, or turn out to be somebody else's, between being listed and being read.
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    sys.stdin.buffer.read()
    Family(Path(sys.argv[1]), variable=sys.argv[2]).end()
