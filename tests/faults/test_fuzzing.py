"""
No file that is made up, guided by the code that it reaches, breaks what the parsers promise.

A file is read, or refused with its name and line; what is read survives its canonical form; two parsers of YAML agree.
The short form runs with every test run; `make faults` sets RUNPIN_FUZZ_SECONDS for the long one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = int(os.environ.get("RUNPIN_FUZZ_SECONDS", "10"))
MOST = 120
"""Seconds in which a seeded bug has to be found; each takes one or two where the machine is idle."""
SEED = 7

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(SECONDS + 120),
    pytest.mark.skipif(
        find_spec("atheris") is None, reason="NOT FUZZED: atheris is only there for CPython below 3.14 on Linux"
    ),
]


def fuzzed(subject: str, corpus: Path, seconds: int, seed: int = SEED) -> subprocess.CompletedProcess[str]:
    """Fuzz in a process of its own, which ends at the first broken promise."""
    command = [sys.executable, str(ROOT / "tests" / "parser_fuzzer.py"), subject, str(seconds), str(seed), str(corpus)]
    return subprocess.run(
        command,
        env={"PYTHONPATH": str(ROOT / "core"), "PATH": os.environ["PATH"]},
        # The file that was found is told on one, the error on the other.
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds + 90,
        check=False,
    )


def test_no_file_breaks_a_promise(tmp_path: Path) -> None:
    """Within the time there is, nothing is found; and thousands of files were tried."""
    done = fuzzed("parse", tmp_path, SECONDS)

    assert 0 == done.returncode, done.stdout[-3000:]
    assert int(done.stdout.rpartition("Done ")[2].split()[0]) > 100 * SECONDS


@pytest.mark.parametrize(
    ("bug", "said"),
    [
        ("forgets_keys", "Broken: a key is there twice"),
        ("raises_otherwise", "ValueError"),
        ("places_nothing", "TOMLDecodeError"),
    ],
)
def test_seeded_bugs_are_found(bug: str, said: str, tmp_path: Path) -> None:
    """A parser that breaks a promise on some files is found out, with the file that does it."""
    done = fuzzed(bug, tmp_path, MOST)

    assert 0 != done.returncode
    assert said in done.stdout
    assert list(tmp_path.glob("crash-*"))
