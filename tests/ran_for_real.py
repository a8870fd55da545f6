"""Says at the end of a run which real servers took part, so that a skipped one is not taken for a tested one."""

from __future__ import annotations

from collections import Counter

import pytest

SERVERS = {
    "engine": "a real Airflow or Dagster",
    "browser": "a real Chromium",
    "postgres": "a real PostgreSQL",
    "etcd": "a real etcd",
    "prometheus": "a real Prometheus",
    "faults": "kills and races",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count the tests that ran and were skipped, by the marks in pyproject.toml."""
    ran, skipped = Counter[str](), Counter[str]()
    for outcome, counter in (("passed", ran), ("failed", ran), ("skipped", skipped)):
        for report in terminalreporter.getreports(outcome):
            counter.update(mark for mark in SERVERS if mark in report.keywords)
    terminalreporter.section("ran for real")
    for mark, what in SERVERS.items():
        loud = f"   NOT TESTED: {skipped[mark]} skipped, see the reasons above" if skipped[mark] else ""
        terminalreporter.line(f"{what:<25} {ran[mark]:>4} tests{loud}", red=bool(loud), bold=bool(loud))
