"""What a Snapshot has reached, and the commands that repeat those runs with another one."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import CommandLine, documented, shape
from engine_listener import listening
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


def test_what_runs_worked_on_is_asked_of_their_engine(cli: CommandLine) -> None:
    """Of each run that it knows; one that it does not know is shown as such, and no plan repeats it."""
    hostile = "\x1b[2Jorders"
    task = {"task_id": "load", "try_number": 1, "state": "success"}
    mapped = [{**task, "map_index": index} for index in range(3)] + [{**task, "map_index": 3, "state": "failed"}]
    event = {"name": hostile, "uri": "s3://orders", "partition_key": "2026-01-05", "source_task_id": "load"}
    with listening() as engine:
        engine.knows("run%201", tasks=[{**mapped[0], "task_id": "extract", "map_index": -1, "try_number": 2}, *mapped])
        engine.knows("run-2", events=[event], logical_date="2026-01-05T00:00:00Z")
        text = cli.ok("impact", first(cli), "--airflow", engine.url).out
        answer = cli.ok("impact", first(cli), "--airflow", engine.url, "--json").json
        plan_lines = cli.ok("impact", first(cli), "--airflow", engine.url, "--plan").out
        alone = cli.ok("impact", first(cli), "--dagster", engine.url)
        elsewhere = cli.run("impact", first(cli), "--airflow", f"{engine.url}/elsewhere")
    works = {each["run_id"]: each["work"] for each in answer["runs"]}

    assert "load      4           1       3 success, 1 failed" in text
    assert "run-3: airflow at this address does not know this run" in text
    assert r"\x1b[2Jorders (s3://orders)   2026-01-05" in text
    assert "logical date 2026-01-05T00:00:00Z" in text
    assert "In 2 runs: 5 tasks, 1 asset, 1 partition." in text
    assert ({"known": False}, 5, 3) == (
        works["run-3"],
        len(works["run 1"]["tasks"]),
        works["run 1"]["tasks"][-2]["map_index"] + 1,
    )
    assert ["run 1"] == [step["run_id"] for step in answer["plan"]]
    assert "run-3" not in plan_lines
    assert f"--airflow {engine.url} --plan" in text
    assert "Of airflow only the runs are known" in alone.out
    assert (5, True) == (elsewhere.code, "airflow answered 404" in elsewhere.err)


def test_a_run_that_an_engine_does_not_tell_of_hides_no_other(cli: CommandLine) -> None:
    """It is listed with what was said, nothing repeats it, and the command ends with the code of a refusal."""
    with listening() as engine:
        engine.knows("run%201")
        engine.knows("run-3")
        engine.pages["/api/v2/dags/payments_daily/dagRuns/run-2"] = 403
        engine.pages["/api/v2/dags/payments_daily/dagRuns/run%201/taskInstances"] = 500
        command = ("impact", first(cli), "--airflow", engine.url)
        text = cli.run(*command)
        answer = cli.run(*command, "--json")
        plan_lines = cli.run(*command, "--plan")
        applied = cli.run(*command, "--apply")
    works = {each["run_id"]: each["work"] for each in answer.json["runs"]}

    assert [5] * 4 == [each.code for each in (text, answer, plan_lines, applied)]
    assert "run-2: not told: airflow answered 403" in text.out
    assert "In 1 run: 0 tasks" in text.out
    assert "of 2 runs their engine does not tell" in text.err
    assert (None, 'airflow answered 500: {"detail": "Refused"}', True) == (
        works["run-2"]["known"],
        works["run 1"]["not_told"],
        works["run-3"]["known"],
    )
    assert ["run-3"] == [step["run_id"] for step in answer.json["plan"]]
    assert ("run-3", False) == (shlex.split(plan_lines.out)[2], "run 1" in plan_lines.out)
    assert ["/api/v2/dags/payments_daily/dagRuns/run-3/clear"] == [path for path, _, _ in engine.asked]
    assert "1 runs are repeated" in applied.out


def test_an_engine_that_is_not_there_is_not_asked_for_every_run(cli: CommandLine) -> None:
    """Twice it may be silent in a row; what the ledger knows is listed all the same."""
    answer = cli.run("impact", first(cli), "--airflow", "http://127.0.0.1:1", "--json")
    told = [each["work"]["not_told"] for each in answer.json["runs"]]

    assert (5, []) == (answer.code, answer.json["plan"])
    assert ["airflow does not answer: URLError"] * 2 + ["airflow did not answer before, and is not asked again"] == told


def test_runs_of_several_deployments_are_repeated_only_where_one_is_named(cli: CommandLine) -> None:
    """Without the listener, a scheduled run of the blue Airflow is there in the green one as well."""
    moment = "2026-01-05T00:00:00+00:00"
    old = first(cli)
    with cli.core() as core:
        (pin,) = core.ledger.pins_of_run("run-3")
        for deployment in ("blue", "green"):
            key = RunKey("airflow", deployment, "payments_daily", "scheduled", moment)
            core.ledger.put_if_absent(replace(pin, run=key))
    with listening() as engine:
        engine.knows("scheduled", conf={}, run_after=moment)
        command = ("impact", old, "--airflow", engine.url)
        refused = cli.run(*command, "--apply")
        asked = list(engine.asked)
        planned = cli.run(*command, "--plan")
        other = cli.ok(*command, "--deployment", "default", "--apply")
        done = cli.ok(*command, "--deployment", "green", "--apply")
        answer = cli.ok("impact", old, "--deployment", "green", "--json").json
        point = cli.ok("impact", old, "--deployment", "green").out
    with cli.core() as core:
        named = {
            run.deployment: core.overriding.newest(run, pin.scope)
            for run in (each.run for each in core.ledger.pins_of_run("scheduled"))
        }

    assert (4, [], True) == (refused.code, asked, "where: blue, green" in refused.err)
    assert "--deployment" in refused.err
    assert (0, 4, True) == (planned.code, len(planned.out.splitlines()), "several deployments" in planned.err)
    assert "0 runs are repeated" in other.out
    assert "1 runs are repeated" in done.out
    assert ["/api/v2/dags/payments_daily/dagRuns/scheduled/clear"] == [path for path, _, _ in engine.asked]
    assert (None, True) == (named["blue"], named["green"] is not None)
    assert (
        ["green"] == [each["deployment"] for each in answer["runs"]] == [each["deployment"] for each in answer["plan"]]
    )
    assert "--deployment green --plan" in point


def test_a_run_that_another_deployment_has_too_is_repeated_only_where_one_is_named(cli: CommandLine) -> None:
    """Nothing else tells the two apart, though the other never used the snapshot; what the listener marked, does."""
    moment = "2026-01-05T00:00:00+00:00"
    old, second = first(cli), cli.pin("later")
    with cli.core() as core:
        (pin,) = core.ledger.pins_of_run("run-3")
        green = replace(pin.run, deployment="green")
        for run_id, incarnation in (("scheduled", moment), ("marked", "5d41402abc4b2a76")):
            core.ledger.put_if_absent(replace(pin, run=replace(green, run_id=run_id, incarnation=incarnation)))
            other = RunKey("airflow", "blue", "payments_daily", run_id, moment)
            core.ledger.put_if_absent(replace(second, run=other))
    with listening() as engine:
        engine.knows("marked", conf={"runpin": {"run": "marked", "incarnation": "5d41402abc4b2a76"}}, run_after=moment)
        command = ("impact", old, "--airflow", engine.url)
        marked = cli.ok(*command, "--apply")
        engine.knows("scheduled", conf={}, run_after=moment)
        refused = cli.run(*command, "--apply")
        planned = cli.run(*command, "--plan")
        silent = cli.ok(*command, "--plan", "--deployment", "green")
        done = cli.ok(*command, "--apply", "--deployment", "green")
    for line in silent.out.splitlines()[::2]:
        cli.ok(*shlex.split(line)[1:])

    assert "1 runs are repeated" in marked.out
    assert (4, True) == (refused.code, "where: blue, green" in refused.err)
    assert (0, True) == (planned.code, "blue, green" in planned.err)
    assert (4, True) == (len(silent.out.splitlines()), "--deployment green" in silent.out)
    assert "2 runs are repeated" in done.out
    assert ["marked", "marked", "scheduled"] == sorted(path.split("/")[-2] for path, _, _ in engine.asked)


def test_the_reference_shows_what_runs_worked_on(cli: CommandLine) -> None:
    """In the form that the command has."""
    task = {"task_id": "load", "map_index": 0, "try_number": 1, "state": "success"}
    event = {"name": "orders", "uri": "s3://orders", "partition_key": "2026-01-05", "source_task_id": "load"}
    interval = {"data_interval_start": "2026-01-05T00:00:00Z", "data_interval_end": "2026-01-06T00:00:00Z"}
    with listening() as engine:
        engine.knows("run-3", tasks=[task], events=[event], logical_date="2026-01-05T00:00:00Z", **interval)
        answer = cli.ok("impact", first(cli), "--airflow", engine.url, "--json").json
    (told,) = [each for each in answer["runs"] if each["run_id"] == "run-3"]

    assert shape(documented("impact")["runs"][0]) == shape(told)


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
