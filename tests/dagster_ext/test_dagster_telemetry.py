"""A real Dagster run exports over OTLP from two step processes, and both say which snapshot the run uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dagster_classes import publish
from otlp_receiver import OtlpReceiver, environment, listening
from runpin.assembly import Runpin

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Observed:
    """What came in of the run, what it logged, and its snapshot and digest."""

    receiver: OtlpReceiver
    lines: list[dict[str, Any]]
    snapshot: str
    digest: str


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """Execute the job with Dagster's own command."""
    home, dagster_home = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("dagster")
    (dagster_home / "dagster.yaml").touch()
    with Runpin.open(home=home, environment="prod") as core, listening() as receiver:
        snapshot = publish(core)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "RUNPIN_"))}
        ours = {"RUNPIN_HOME": str(home), "RUNPIN_ENVIRONMENT": "prod", "DAGSTER_HOME": str(dagster_home)}
        target = ["-m", "dagster_ext.locations.telemetry_jobs", "-d", str(TESTS), "-j", "observed"]
        done = subprocess.run(
            [sys.executable, "-m", "dagster", "job", "execute", *target],
            env={**kept, **ours, **environment(receiver), "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=dagster_home,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

        assert done.returncode == 0, done.stderr[-4000:]
        (pin,) = core.ledger.runs_of(snapshot).pins
        lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
        yield Observed(receiver, lines, str(pin.snapshot), pin.digest)


def test_the_spans_of_both_steps_have_the_pin(observed: Observed) -> None:
    """One read within its span, one before it and in a coroutine; they are processes of their own."""
    for name in ("op.reads", "op.reads_later"):
        (span,) = [span for span in observed.receiver.spans(name) if span.name == name]
        assert (observed.snapshot, observed.digest, "decided") == tuple(
            span.attributes.get(f"config.{key}") for key in ("snapshot.id", "digest", "pin.state")
        ), span


def test_our_own_spans_and_metrics_come_along(observed: Observed) -> None:
    """Each of the two processes saw the pin first once."""
    pins = observed.receiver.points("runpin.pins", config_snapshot_id=observed.snapshot)

    assert 2 == len(observed.receiver.spans("runpin.pin", config_snapshot_id=observed.snapshot))
    assert {1.0} == {point.value for point in pins}


def test_dagsters_own_log_has_the_snapshot(observed: Observed) -> None:
    """`context.log` with Dagster's JSON logger; its event log in the UI has no place for it."""
    (line,) = [line for line in observed.lines if "rows were read" in line["msg"]]

    assert observed.snapshot == line["config_snapshot"]
