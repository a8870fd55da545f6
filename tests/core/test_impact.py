"""What a Snapshot has reached, and the commands that repeat those runs with another one."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from command_line import CommandLine
from runpin.impact import Reached, plan, reached
from runpin.model import RunKey, SnapshotId
from runpin.rerunning import Event, Rerun
from runpin.testing import MemoryLedger
from runpin.testing.ledger_contract import pin_of, snapshot_id


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with two releases; three runs had the first one, and one of them was repeated."""
    made = CommandLine(tmp_path)
    made.start()
    made.publish()
    for run in ("run 1", "run-2", "run-3"):
        made.pin(run)
    made.batches(7)
    made.publish()
    made.ok("override", "run-2", "--snapshot", made.present(), "-m", "bad rows")
    with made.core() as core:
        (key,) = {pin.run for pin in core.ledger.pins_of_run("run-2")}
        core.run(key, rerun=Rerun(Event.CLEAR, number=1)).pin("payments")
    return made


def first(cli: CommandLine) -> str:
    """Return the first release."""
    return str(cli.ok("pins", "--run", "run-3", "--json").json["pins"][0]["snapshot"])


def test_every_run_is_listed_and_those_that_still_use_it_are_repeated(cli: CommandLine) -> None:
    """With what the channel holds; the plan is for a shell, and does what it says."""
    answer = cli.ok("impact", first(cli), "--json").json
    text = cli.ok("impact", first(cli)).out
    lines = cli.ok("impact", first(cli), "--plan", "-m", "it's bad").out.splitlines()
    for line in lines[::2]:
        cli.ok(*shlex.split(line)[1:])
    cleared = shlex.split(lines[1])

    assert {"run 1": True, "run-2": False, "run-3": True} == {each["run_id"]: each["still"] for each in answer["runs"]}
    assert ["run 1", "run-3"] == [step["run_id"] for step in answer["plan"]]
    assert "payments_daily: 3 runs (airflow, default)" in text
    assert f"uses {cli.present()}" in text
    assert "$AIRFLOW/api/v2/dags/payments_daily/dagRuns/run%201/clear" == cleared[-3]
    assert {"dry_run": False, "only_failed": False} == json.loads(cleared[-1])
    assert "it's bad" == cli.ok("override", "run-3", "-a", "payments", "-e", "prod", "--json").json["reason"]


def test_nothing_used_it(cli: CommandLine) -> None:
    """Nothing to do."""
    cli.batches(8)
    cli.publish()

    assert "No run used it" in cli.ok("impact", cli.present()).out
    assert [] == cli.ok("impact", cli.present(), "--json").json["plan"]


def test_a_plan_stays_within_its_scope(cli: CommandLine) -> None:
    """No run could take a snapshot of another environment."""
    cli.ok("publish", "-e", "dev", "-r", cli.config)
    other = str(cli.ok("channel", "show", "payments", "-e", "dev", "--json").json["snapshot"])

    refused = cli.run("impact", first(cli), "--to", other, "--plan")

    assert refused.code
    assert "is not a snapshot of" in refused.err


def test_runs_of_every_engine() -> None:
    """Each in its engine's words; a backfill is no run, and of other engines nobody knows how."""
    ledger = MemoryLedger()
    runs = [
        RunKey("dagster", "main", "nightly", "5f0c"),
        RunKey("dagster", "main", "(backfill)", "b1"),
        RunKey("airflow", "main", "dag", "(backfill:7)"),
        RunKey("temporal", "main", "flow", "w1"),
    ]
    for run in runs:
        ledger.put_if_absent(pin_of(1, run))
    found = list(reached(ledger, snapshot_id(1)))
    (step,) = plan(found, snapshot_id(2), "x")

    assert 4 == len(found)
    assert ("/graphql", "5f0c", str(snapshot_id(2))) == (
        step.path,
        step.body["variables"]["run"],
        step.body["variables"]["tags"][0]["value"],
    )
    assert isinstance(found[0], Reached)
    assert isinstance(snapshot_id(1), SnapshotId)
