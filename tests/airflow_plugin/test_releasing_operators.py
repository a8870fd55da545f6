"""The operators that move channels, with Airflow's real classes, a real store and real Git, and in a real Airflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_classes import in_task, starting
from git_origin import Origin
from page_dags import programs
from pinned_airflow import PinnedAirflow
from runpin.assembly import Runpin, default
from runpin.errors import RunpinError, SettingsError, StoreUnavailable, UnknownEnvironment, UnknownSnapshot
from runpin.model import STABLE, Channel, Scope, SnapshotId

unit = pytest.mark.usefixtures("airflow_home")
SCOPE = Scope("payments", "prod")
MANIFEST = b"""\
format = 1
environments = ["dev", "prod"]

[applications.payments]
documents = ["payments/*.yaml"]
schemas = { etl = "etl.schema.json" }
"""


def schema(most: int) -> bytes:
    """Return the schema of a document whose number is at most *most*."""
    return json.dumps({"properties": {"number": {"maximum": most}}}).encode()


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    """Return a config repository with one commit."""
    made = Origin(tmp_path / "config.git")
    made.commit({"runpin.toml": MANIFEST, "etl.schema.json": schema(99), "payments/etl.yaml": b"number: 1\n"}, "One")
    return made


@pytest.fixture
def releasing(origin: Origin, airflow_home: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runpin]:
    """Return this process's core, which finds nothing published yet."""
    del airflow_home
    monkeypatch.setenv("RUNPIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RUNPIN_ENVIRONMENT", "prod")
    monkeypatch.setenv("RUNPIN_REPOSITORY", str(origin.path))
    default.cache_clear()
    with default() as core:
        yield core
    default.cache_clear()


def publish(run_id: str = "r1", try_number: int = 1, user: str | None = None, **how: Any) -> dict[str, Any]:
    """Publish in a task."""
    from airflow_provider_runpin.operators.releasing import PublishConfigOperator

    context = in_task(starting(run_id=run_id), "publish", try_number)
    if user is not None:
        context["dag_run"].triggering_user_name = user
    return PublishConfigOperator(task_id="publish", **how).execute(context)


def promote(snapshot: str, run_id: str = "r1", try_number: int = 1, **how: Any) -> dict[str, Any]:
    """Promote in a task."""
    from airflow_provider_runpin.operators.releasing import PromoteConfigOperator

    operator = PromoteConfigOperator(task_id="promote", application="payments", snapshot=snapshot, **how)
    return operator.execute(in_task(starting(run_id=run_id), "promote", try_number))


def roll_back(run_id: str = "r1", try_number: int = 1, task_id: str = "back", **how: Any) -> dict[str, Any]:
    """Roll back in a task."""
    from airflow_provider_runpin.operators.releasing import RollbackConfigOperator

    operator = RollbackConfigOperator(task_id=task_id, application="payments", **how)
    return operator.execute(in_task(starting(run_id=run_id), task_id, try_number))


def stands(core: Runpin, channel: str = STABLE) -> Channel:
    """Return where a channel stands."""
    return core.store.channel(SCOPE, channel)


@pytest.mark.usefixtures("releasing")
@unit
def test_what_happened_is_small_json(origin: Origin) -> None:
    """XCom keeps ids and numbers, for tasks that go on from there."""
    answer = publish(channel="canary")
    snapshot = answer["published"]["payments"]["snapshot"]
    promoted = promote(snapshot)

    assert (origin.sha("main"), "prod", "canary") == (answer["commit"], answer["environment"], answer["channel"])
    assert {"snapshot": snapshot, "revision": 1, "moved": True} == answer["published"]["payments"]
    assert {"errors": 0, "warnings": 0, "notes": 0} == answer["findings"]
    assert ("payments.prod", STABLE, snapshot, True) == tuple(
        promoted[name] for name in ("scope", "channel", "snapshot", "moved")
    )
    assert all(said == json.loads(json.dumps(said)) and len(json.dumps(said)) < 500 for said in (answer, promoted))


@unit
def test_the_history_names_dag_run_task_and_who(releasing: Runpin, origin: Origin) -> None:
    """The user who triggered the run, else who owns the task unless that is nobody in particular."""
    publish("r1")
    origin.commit({"payments/etl.yaml": b"number: 2\n"}, "Two\n\nand more")
    publish("r2", user="ada")
    origin.commit({"payments/etl.yaml": b"number: 3\n"})
    publish("r3", owner="team-data", reason="weekly")
    third, second, first = releasing.store.moves(SCOPE, STABLE, 3)

    assert ["airflow:nightly/r1", "airflow:nightly/r2 by ada", "airflow:nightly/r3 of team-data"] == [
        move.actor for move in (first, second, third)
    ]
    assert ["task publish: One", "task publish: Two", "weekly"] == [
        move.reason.rpartition(" (once ")[0] for move in (first, second, third)
    ]


@unit
def test_a_denial_is_final_and_told_without_values(
    releasing: Runpin, origin: Origin, capfd: pytest.CaptureFixture[str]
) -> None:
    """No try will change it; what was found stands in the log, and nothing moved."""
    from airflow.sdk.exceptions import AirflowFailException

    tried = publish(channel="canary")["published"]["payments"]["snapshot"]
    origin.commit({"etl.schema.json": schema(0)})
    with pytest.raises(AirflowFailException, match="1 finding in 1 document"):
        publish()
    with pytest.raises(AirflowFailException, match="1 finding in 1 document"):
        promote(tried)

    said = capfd.readouterr().out
    assert 2 == said.count("etl#/number [properties/number/maximum] must be at most 0")
    assert [] == list(releasing.store.moves(SCOPE, STABLE, 9))


@unit
def test_other_answers_that_stay_are_final_too(releasing: Runpin, origin: Origin) -> None:
    """A barred Snapshot, nothing to go back to, a branch that was rewritten."""
    from airflow.sdk.exceptions import AirflowFailException

    first = origin.sha("main")
    one = publish()["published"]["payments"]["snapshot"]
    with pytest.raises(AirflowFailException, match="no earlier snapshot"):
        roll_back()
    origin.commit({"payments/etl.yaml": b"number: 2\n"})
    publish("r2")
    with pytest.raises(AirflowFailException, match="does not descend"):
        publish("r3", ref=first)
    releasing.ledger.bar(SnapshotId.parse(one), actor="ada", reason="slow")
    with pytest.raises(AirflowFailException, match="barred"):
        promote(one, "r3")


@unit
def test_what_may_pass_is_tried_again(releasing: Runpin, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away, a repository that nobody names, a typing error: none of them is a verdict."""
    del releasing, origin
    with pytest.raises(UnknownEnvironment):
        publish(environment="prd")
    with pytest.raises(UnknownSnapshot):
        promote("yesterday")
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps({"conn_type": "runpin", "password": "etcd://127.0.0.1:1"}))
    with pytest.raises(StoreUnavailable):
        roll_back(runpin_conn_id="away")
    monkeypatch.delenv("RUNPIN_REPOSITORY")
    default.cache_clear()
    with pytest.raises(SettingsError, match="nobody says where"):
        publish()


@unit
def test_a_template_that_rendered_to_nothing_is_an_error(releasing: Runpin) -> None:
    """It must not stand for a default: another environment, tenant, channel or Snapshot would be changed."""
    publish()
    for step, names in ((publish, ("ref", "environment", "channel")), (roll_back, ("to", "tenant", "channel"))):
        for name in names:
            nothing: Any = {name: ""}
            with pytest.raises(RunpinError, match=r"name|not the id"):
                step("r2", **nothing)

    assert 1 == stands(releasing).revision


@unit
def test_a_try_after_a_try_ends_as_the_first_one_did(releasing: Runpin, origin: Origin) -> None:
    """Whatever came in between stays; the answer is the same, and so is what follows from it."""
    publish("r0")
    origin.commit({"payments/etl.yaml": b"number: 2\n"})
    published = publish("r1", channel="canary")
    two = published["published"]["payments"]["snapshot"]
    promoted = promote(two)
    origin.commit({"payments/etl.yaml": b"number: 3\n"})
    newest = publish("r2")["published"]["payments"]["snapshot"]
    again = promote(two, try_number=2)

    assert promoted == again
    assert newest == str(stands(releasing).snapshot)


@unit
def test_a_run_goes_back_once(releasing: Runpin, origin: Origin) -> None:
    """However often its task is tried or cleared; another task or another run goes back further."""
    for number in (1, 2, 3, 4):
        origin.commit({"payments/etl.yaml": f"number: {number}\n".encode()})
        publish(f"p{number}")
    first, again = roll_back(), roll_back(try_number=2)
    stood = stands(releasing).snapshot.sequence
    roll_back(task_id="further")
    roll_back("r2")

    assert (first, 3) == (again, stood)
    assert 1 == stands(releasing).snapshot.sequence


@unit
def test_a_mirror_can_be_required(
    releasing: Runpin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first try has decided and fails; the next one finds that done, and ends well once the mirror follows."""
    mirror = tmp_path / "mirror.db"
    mirror.write_bytes(b"this is no database" * 100)
    monkeypatch.setenv("RUNPIN_MIRRORS", f"sqlite:///{mirror}")
    default.cache_clear()
    warned = publish(channel="canary")
    said = capfd.readouterr().out
    with pytest.raises(StoreUnavailable, match="stays decided"):
        publish(require_mirrors=True)
    mirror.unlink()
    default.cache_clear()
    answer = publish(try_number=2, require_mirrors=True)

    assert [str(mirror)] == list(warned["mirrors"])
    assert f"The mirror {mirror} is {warned['mirrors'][str(mirror)]} for canary" in said
    assert {str(mirror): "in step"} == answer["mirrors"]
    assert (1, 1) == (answer["published"]["payments"]["revision"], stands(releasing).revision)


@unit
def test_what_may_differ_from_run_to_run_is_a_template() -> None:
    """A DAG may compute all of it."""
    from airflow_provider_runpin.operators.releasing import (
        PromoteConfigOperator,
        PublishConfigOperator,
        RollbackConfigOperator,
    )

    common = {"environment", "channel", "reason"}
    assert {"ref", "repository", "applications", *common} == set(PublishConfigOperator.template_fields)
    assert {"application", "snapshot", "ref", "repository", "tenant", *common} == set(
        PromoteConfigOperator.template_fields
    )
    assert {"application", "to", "tenant", *common} == set(RollbackConfigOperator.template_fields)


@unit
def test_the_page_shows_dags_that_airflow_takes() -> None:
    """Each of its programs is a DAG file, and what is tried is what is promoted."""
    release, back = programs("releasing-from-a-dag.md")
    dag = release["release_payments"]()
    promote = dag.get_task("promote")

    assert ["publish", "trial", "promote"] == [task.task_id for task in dag.topological_sort()]
    assert promote.snapshot == dag.get_task("trial").conf["runpin"]["pins"]["payments"]
    assert ["back"] == back["roll_payments_back"]().task_ids


# In a real Airflow


def ended(airflow: PinnedAirflow, dag_id: str, run_id: str) -> dict[str, tuple[str | None, int]]:
    """Return how each task of a run ended, and at which try."""
    return {task["task_id"]: (task["state"], task["try_number"]) for task in airflow.api.task_instances(dag_id, run_id)}


def release(airflow: PinnedAirflow, origin: Origin, number: int) -> str:
    """Commit a version, let a run publish and promote it, and return its Snapshot."""
    run_id = f"release-{number}"
    origin.commit({"moved/etl.yaml": f"number: {number}\n".encode()}, f"Version {number}")
    airflow.start("moves_channels", run_id, {"repository": str(origin.path)})
    airflow.finish("moves_channels", run_id)
    found: str = airflow.api.xcom("moves_channels", run_id, "promote")["snapshot"]
    return found


@pytest.mark.engine
@pytest.mark.timeout(600)
def test_tasks_that_are_killed_move_a_channel_once(pinned_airflow: PinnedAirflow, tmp_path: Path) -> None:
    """Each dies between its move and Airflow's notice of it, a rollback between its steps too, and is cleared then."""
    airflow, origin, scope = pinned_airflow, Origin(tmp_path / "config.git"), Scope("moved", "prod")
    manifest = b"format = 1\nenvironments = ['prod']\n\n[applications.moved]\ndocuments = ['moved/*.yaml']\n"
    origin.commit({"runpin.toml": manifest})
    airflow.add_dags("moves_channels", "goes_back")
    first, second = (release(airflow, origin, number) for number in (1, 2))
    airflow.start("goes_back", "back")
    airflow.finish("goes_back", "back")
    back = airflow.api.xcom("goes_back", "back", "back")
    tries = ended(airflow, "moves_channels", "release-2") | ended(airflow, "goes_back", "back")
    airflow.api.clear_run("goes_back", "back")
    airflow.finish("goes_back", "back")
    cleared = airflow.api.xcom("goes_back", "back", "back")
    published = airflow.api.xcom("moves_channels", "release-2", "publish")
    stable, canary = (airflow.core.store.moves(scope, channel, 10) for channel in (STABLE, "canary"))

    wanted = {"publish": 2, "promote": 2, "work": 1, "back": 3}
    assert {name: ("success", number) for name, number in wanted.items()} == tries
    assert [[first, second, first], [first, second]] == [
        [str(move.channel.snapshot) for move in reversed(moves)] for moves in (stable, canary)
    ]
    assert (origin.sha("main"), second) == (published["commit"], published["published"]["moved"]["snapshot"])
    assert {"left": second, "to": first, "revision": 3}.items() <= back.items()
    assert back == cleared
    assert SnapshotId.parse(second) in airflow.core.ledger.barred("prod")
    assert [second] == [seen.snapshot for seen in airflow.seen("moves_channels", "release-2")]
    assert stable[0].actor.startswith("airflow:goes_back/back")
    assert stable[0].reason.startswith("rollback: too slow (once ")
