"""A small distribution with gates, installed into a folder, and a child that lacks a library, for tests."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from runpin.checking import in_child
from runpin.sandbox.worker import Desk

CODE = '''"""Gates of Acme."""

from dataclasses import dataclass
import os
import sys
import time

from runpin.model import Finding


@dataclass(frozen=True)
class NamingGate:
    """Wants documents to be named like a team wishes."""

    prefix: str = ""

    def __post_init__(self):
        if not isinstance(self.prefix, str):
            raise TypeError("prefix must be a text")

    def judge(self, case):
        return [
            Finding(name, "", "acme/naming", f"the name does not begin with {self.prefix!r}")
            for name in case.documents
            if not name.startswith(self.prefix)
        ]


class RaisingGate:
    def judge(self, case):
        raise RuntimeError(f"cannot judge {next(iter(case.documents.values())).value}")


class PrintingGate:
    def judge(self, case):
        for stream in (sys.stdout, sys.stderr):
            print(dict(next(iter(case.documents.values())).value), file=stream, flush=True)
        os.write(1, b"hunter2")
        return []


class HangingGate:
    def judge(self, case):
        while True:
            time.sleep(0.1)


class SpinningGate:
    def judge(self, case):
        while True:
            pass


class CrashingGate:
    def judge(self, case):
        os._exit(3)


class AnsweringGate:
    def judge(self, case):
        return ["yes"]


class SevereGate:
    def judge(self, case):
        return [Finding("etl", "", "acme/severe", "no", severity="fatal")]


class WordlessGate:
    def judge(self, case):
        return [Finding("etl", None, "acme/wordless", {"x": 1})]


class PickyGate:
    def __init__(self, of):
        {}[of]

    def judge(self, case):
        return []


class ClearingGate:
    def judge(self, case):
        case.documents.clear()
        return []
'''
GATES = (
    "naming",
    "raising",
    "printing",
    "hanging",
    "spinning",
    "crashing",
    "answering",
    "severe",
    "wordless",
    "picky",
    "clearing",
)


def install(folder: Path, name: str = "acme-gates", gates: Iterable[str] = GATES, module: str = "acme_gates") -> Path:
    """Install the distribution into *folder* as a wheel would be, and return the folder."""
    information = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    information.mkdir(parents=True)
    (folder / "acme_gates.py").write_text(CODE)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    points = "".join(f"{each} = {module}:{each.title()}Gate\n" for each in gates)
    (information / "entry_points.txt").write_text(f"[runpin.gates]\n{points}")
    return folder


def without_detect_secrets(desk: Desk, given: Any, blobs: Sequence[bytes]) -> tuple[Any, list[bytes]]:
    """Check in a child where detect-secrets cannot be imported."""
    sys.modules["detect_secrets"] = None  # type: ignore[assignment] # which is how Python itself says so
    return in_child(desk, given, blobs)
