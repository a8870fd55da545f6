"""
Runs every test, in two processes side by side: much of each half is waiting for real servers, and CI has two cores.

What the halves say is printed one after the other, the first while it runs. Both have to succeed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from ran_for_real import OPTION, Counts, lines, together

ROOT = Path(__file__).resolve().parents[1]
HALVES: Sequence[Sequence[str]] = (("tests/core",), ("tests", "--ignore=tests/core"))
"""A folder that is new belongs to the second one, in which the engines are started."""

_PYTEST = (sys.executable, "-m", "pytest")


def run(halves: Sequence[Sequence[str]] = HALVES, root: Path = ROOT) -> int:
    """Run both *halves* in the folder *root*, and return the first exit code that is not zero."""
    began = monotonic()
    with TemporaryDirectory(prefix="runpin-halves-") as folder:
        files = [Path(folder) / f"{number}.json" for number, _ in enumerate(halves)]
        commands = [[*_PYTEST, *half, f"{OPTION}={file}"] for half, file in zip(halves, files, strict=True)]
        codes = _ended(commands, root, Path(folder) / "later")
        counts = [_read(file) for file in files]
    whole = together(counts)
    said = ", ".join(f"{number} {outcome}" for outcome, number in whole.get("", {}).items())
    last = f"{said} in {monotonic() - began:.0f} s, exit codes {codes}"
    _say("both halves", "\n".join([*(line for line, _ in lines(whole)), last]))
    return next((code for code in codes if code), 0)


def _ended(commands: Sequence[Sequence[str]], root: Path, later: Path) -> list[int]:
    """Run both commands, and return their exit codes; what the second one says waits in the file *later*."""
    with later.open("wb") as said:
        second = subprocess.Popen(commands[1], cwd=root, stdout=said, stderr=subprocess.STDOUT)
        try:
            first = subprocess.run(commands[0], cwd=root, check=False).returncode
            code = second.wait()
        finally:
            second.terminate()
            second.wait()
    _say("the other half, which ran meanwhile", later.read_text(errors="replace"))
    return [first, code]


def _say(title: str, text: str) -> None:
    sys.stdout.write(f"\n=== {title} ===\n{text}\n")
    sys.stdout.flush()


def _read(file: Path) -> Counts:
    """Return the counts of a half; of one that crashed there are none."""
    if not file.exists():
        return {}
    counts: Counts = json.loads(file.read_text())
    return counts


if __name__ == "__main__":
    sys.exit(run())
