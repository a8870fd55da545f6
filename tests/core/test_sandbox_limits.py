"""The limits on processor time are as exact as people's patience asks for, and nothing outside weakens them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runpin.clock import SystemClock
from runpin.errors import CheckFailed
from runpin.sandbox import Limits, Sandbox

LIMITS = Limits(cpu=0.4, together=1.2, wall=30.0)
TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return a sandbox with little patience."""
    with Sandbox(SystemClock(), LIMITS) as made:
        yield made


def spin(sandbox: Sandbox, *steps: tuple[str, float]) -> str:
    """Have the child compute for so many seconds at each place."""
    return str(sandbox.call("timed_jobs.spin", steps, serve=lambda _: (None, ()))[0])


def test_a_step_about_a_file_ends_within_a_fraction_of_a_second(sandbox: Sandbox) -> None:
    """The kernel's own limit would let it have whole seconds, and two of them."""
    sandbox.start()
    before = os.times()
    with pytest.raises(CheckFailed, match=r"used more than 0\.4 s of processor time") as caught:
        spin(sandbox, ("a.yaml", 60.0))
    after = os.times()

    assert "a.yaml" == caught.value.where
    # What ended children used, their start included.
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert 0.4 <= used < 1.2


def test_a_step_about_no_file_has_more(sandbox: Sandbox) -> None:
    """Writing down what was found about a thousand files takes longer than any one of them may."""
    assert "done" == spin(sandbox, ("a.yaml", 0.1), ("", 0.8), ("b.yaml", 0.1))


def test_a_step_about_no_file_ends_too(sandbox: Sandbox) -> None:
    """And says so, without a place."""
    with pytest.raises(CheckFailed, match=r"used more than 1\.2 s of processor time") as caught:
        spin(sandbox, ("a.yaml", 0.1), ("", 60.0))

    assert caught.value.where is None


def test_more_time_ends_with_its_step(sandbox: Sandbox) -> None:
    """The next file does not inherit it."""
    with pytest.raises(CheckFailed, match=r"used more than 0\.4 s"):
        spin(sandbox, ("", 0.1), ("a.yaml", 60.0))


DEAF = """
import os, signal, sys
for number in (signal.SIGPROF, signal.SIGXCPU):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGPROF, signal.SIGXCPU))
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""
ASKS = """
from runpin.clock import SystemClock
from runpin.errors import CheckFailed
from runpin.sandbox import Limits, Sandbox
with Sandbox(SystemClock(), Limits(cpu=0.4, wall=30.0)) as sandbox:
    try:
        sandbox.call("timed_jobs.spin", [["a.yaml", 60.0]], serve=lambda _: (None, ()))
    except CheckFailed as error:
        print(error.what)
"""


def test_who_is_deaf_has_a_child_that_is_not() -> None:
    """A process that ignores the signals of the limits, as profilers may have it, hands this on to its children."""
    path = os.pathsep.join([str(TESTS), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", DEAF, ASKS], env={"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )

    assert ("the check used more than 0.4 s of processor time\n", "") == (done.stdout, done.stderr)
