"""Says at the end of a run which real servers took part, so that a skipped one is not taken for a tested one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

SERVERS = {
    "engine": "a real Airflow or Dagster",
    "browser": "a real Chromium",
    "postgres": "a real PostgreSQL",
    "etcd": "a real etcd",
    "prometheus": "a real Prometheus",
    "faults": "kills and races",
}
OPTION = "--counts"

Counts = Mapping[str, Mapping[str, int]]
"""How many tests ended how, `passed` for one: all of them by "", and those of a mark by the mark."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add where the counts are written to, for who runs the suite in parts."""
    parser.addoption(OPTION, type=Path, help="write how many tests ended how, and on which servers, to this file")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count the tests that ran and were skipped, by the marks in pyproject.toml."""
    counts = _counted(terminalreporter)
    terminalreporter.section("ran for real")
    for line, is_loud in lines(counts):
        terminalreporter.line(line, red=is_loud, bold=is_loud)
    file: Path | None = terminalreporter.config.getoption(OPTION)
    if file is not None:
        file.write_text(json.dumps(counts))


def lines(counts: Counts) -> Iterator[tuple[str, bool]]:
    """Yield a line for each server, and whether it has to be seen."""
    for mark, what in SERVERS.items():
        ended = counts.get(mark, {})
        ran, skipped = ended.get("passed", 0) + ended.get("failed", 0), ended.get("skipped", 0)
        loud = f"   NOT TESTED: {skipped} skipped, see the reasons above" if skipped else ""
        yield f"{what:<25} {ran:>4} tests{loud}", bool(loud)


def together(parts: Iterable[Counts]) -> Counts:
    """Return the counts of several runs as those of one."""
    whole: dict[str, Counter[str]] = {}
    for part in parts:
        for mark, ended in part.items():
            whole.setdefault(mark, Counter()).update(ended)
    return whole


def _counted(terminalreporter: pytest.TerminalReporter) -> Counts:
    counts: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(outcome):
            for mark in ("", *(mark for mark in SERVERS if mark in report.keywords)):
                counts.setdefault(mark, Counter())[outcome] += 1
    return counts
