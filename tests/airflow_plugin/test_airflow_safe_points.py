"""Safe points of DAG runs: with Airflow's real classes, and in a real Airflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_classes import in_task, publish, starting
from page_dags import programs
from pinned_airflow import PinnedAirflow
from run_reports import wait_for
from runpin.assembly import Runpin
from runpin.declining import Offer
from runpin.errors import Conflict, InvalidProposal
from runpin.model import Behavior

UPGRADES = "config-behavior:AUTO_UPGRADE"


# With Airflow's classes, without an engine


@dataclass
class Task:
    """A task instance, as far as safe points look at one."""

    states: Mapping[str, str] = field(default_factory=dict)
    id: str = "r1/point"
    task_id: str = "point"
    dag_id: str = "nightly"
    run_id: str = "r1"
    map_index: int | None = -1
    try_number: int = 1
    pushed: dict[str, Any] = field(default_factory=dict)

    def get_task_states(self, *, dag_id: str, run_ids: list[str]) -> dict[str, Any]:
        """Return the states of the run's tasks."""
        assert (self.dag_id, [self.run_id]) == (dag_id, run_ids)
        return {self.run_id: dict(self.states)}

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep a value."""
        self.pushed[key] = value


def passing(*tags: str, task: Task | None = None) -> Any:
    """Return the context of a task in a DAG with these tags."""
    context = in_task(starting())
    context["ti"] = task or Task()
    context["dag"] = SimpleNamespace(tags={"config:payments", *tags})
    return context


def pass_operator(context: Any, **how: Any) -> dict[str, Any]:
    """Pass the safe point that is an operator."""
    from airflow_provider_runpin.operators.safe_points import SafePointOperator

    return SafePointOperator(task_id="point", **how).execute(context)


def read(context: Any, application: str = "payments") -> int:
    """Return what a task of its own reads."""
    from airflow_provider_runpin.context import run_of

    number: int = run_of(context).get_config(f"{application}/etl")["number"]
    return number


def decline(offer: Offer) -> bool:
    """Say no."""
    del offer
    return False


@pytest.fixture
def upgrading(core: Runpin) -> Any:
    """Return the context of a task in a run that may switch, and has read the first version."""
    del core
    context = passing(UPGRADES)
    assert 1 == read(context)
    return context


def test_the_tag_of_the_dag_is_the_behavior(core: Runpin) -> None:
    """None is PINNED, a word that is none an error, and so are two."""
    from airflow_provider_runpin.context import run_of

    assert [Behavior.PINNED, Behavior.AUTO_UPGRADE] == [
        run_of(context, core).behavior for context in (passing(), passing(UPGRADES))
    ]
    for tags in (("config-behavior:UPGRADE",), (UPGRADES, "config-behavior:PINNED")):
        with pytest.raises(InvalidProposal, match="is not a behaviour"):
            run_of(passing(*tags), core)


def test_what_the_dag_declares_switches(core: Runpin, upgrading: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """A task of its own that has read nothing switches it; the run shows that as XCom and in the log."""
    second = publish(core, "payments", 2)
    answer = pass_operator(passing(UPGRADES))
    said = capfd.readouterr().out

    assert {"payments": {"from": answer["switched"]["payments"]["from"], "to": str(second), "epoch": 1}} == answer[
        "switched"
    ]
    assert ({"payments": str(second)}, {}, "AUTO_UPGRADE") == (answer["pins"], answer["declined"], answer["behavior"])
    assert f"to {second}, epoch 1" in said
    assert 2 == read(upgrading)


def test_applications_can_be_named(core: Runpin) -> None:
    """Others that the DAG declares stay."""
    context = passing(UPGRADES)
    assert [1, 1] == [read(context, application) for application in ("payments", "reports")]
    publish(core, "payments", 2)
    publish(core, "reports", 2)
    answer = pass_operator(context, applications=["reports"])

    assert ["reports"] == list(answer["switched"])
    assert [1, 2] == [read(context, application) for application in ("payments", "reports")]


def test_a_pinned_run_keeps_what_it_has(core: Runpin, capfd: pytest.CaptureFixture[str]) -> None:
    """The operator does no harm in it, and says what it would take."""
    context = passing()
    read(context)
    publish(core, "payments", 2)
    answer = pass_operator(context, alone=True)

    assert ({}, "PINNED", 1) == (answer["switched"], answer["behavior"], read(context))
    assert UPGRADES in capfd.readouterr().out


def test_a_run_may_decline_and_shows_it(core: Runpin, upgrading: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """The next try of the task, and other safe points, show the same without being asked."""
    second = publish(core, "payments", 2)
    answers = [pass_operator(upgrading, accept=decline), pass_operator(upgrading, accept=lambda _: True)]

    assert [{"payments": str(second)}] * 2 == [answer["declined"] for answer in answers]
    assert f"this run declined {second}" in capfd.readouterr().out
    assert 1 == read(upgrading)


@pytest.mark.parametrize("index", [-1, None, 3])
def test_tasks_that_run_beside_are_named(
    core: Runpin, upgrading: Any, capfd: pytest.CaptureFixture[str], index: int | None
) -> None:
    """Those that may have read, without the one that switches; who wants to be alone refuses."""
    own = "point" if index in (-1, None) else f"point_{index}"
    states = {own: "running", "load": "running", "wait": "deferred", "next": "scheduled", "done": "success"}
    publish(core, "payments", 2)
    context = passing(UPGRADES, task=Task(states, map_index=index))
    with pytest.raises(Conflict, match="2 of its tasks are running: load, wait"):
        pass_operator(context, alone=True)
    stayed = read(upgrading)
    pass_operator(context)

    assert [1, 2] == [stayed, read(upgrading)]
    assert 2 == capfd.readouterr().out.count("may read two configurations: load, wait")


def test_what_may_differ_from_run_to_run_is_a_template() -> None:
    """A DAG may compute the applications."""
    from airflow_provider_runpin.operators.safe_points import SafePointOperator

    assert ("applications",) == SafePointOperator.template_fields


def test_the_page_shows_programs_that_work(core: Runpin) -> None:
    """A DAG that declares what it does, and an answer to an offer that tells documents apart."""
    tasks, _, declining = programs("safe-points.md")
    dag = tasks["reprice_all"]()
    scope, present = core.scope_of("payments"), publish(core, "payments", 2)
    offers = [
        Offer(scope, present, present, 3, frozenset(changed)) for changed in ({"payments/fees"}, {"payments/etl"})
    ]

    assert {"config:payments", UPGRADES} == set(dag.tags)
    assert ["first", "point", "second"] == [task.task_id for task in dag.topological_sort()]
    assert [True, False] == [declining["point"].accept(offer) for offer in offers]


# In a real Airflow


LOOKS = ("before", "beside", "between", "inside")
RUNS = (("switches", "taking"), ("switches", "declining"), ("stays", "keeping"))


def looks(airflow: PinnedAirflow, dag_id: str, run_id: str) -> dict[str, list[str]]:
    """Return which Snapshots the tasks of a run have seen so far, by what each calls its look."""
    seen = airflow.seen(dag_id, run_id)
    return {where: [line.snapshot for line in seen if line.where == where] for where in LOOKS}


def wait_for_looks(airflow: PinnedAirflow, *where: str, runs: Sequence[tuple[str, str]] = RUNS) -> None:
    """Return when each of *runs* has looked there; a task that the test has to let go on waits as long."""
    wait_for(lambda: all(looks(airflow, *run)[each] for run in runs for each in where), f"no run comes to {where}")


@pytest.mark.engine
@pytest.mark.timeout(600)
def test_runs_switch_at_safe_points_if_they_may(pinned_airflow: PinnedAirflow) -> None:
    """One takes what is new between its tasks and again inside of one, one declines, one is PINNED; all are told."""
    airflow, first = pinned_airflow, pinned_airflow.published.publish("switching")
    airflow.add_dags("switches", "stays")
    for dag_id, run_id in RUNS:
        airflow.start(dag_id, run_id, {"accept": run_id == "taking"})
    wait_for_looks(airflow, "before")
    wait_for_looks(airflow, "beside", runs=RUNS[:2])
    second = airflow.published.publish("switching")
    for _, run_id in RUNS:
        airflow.open_gate(run_id, "published")
    wait_for_looks(airflow, "between")
    for _, run_id in RUNS:
        airflow.open_gate(run_id, "beside")
    for _, run_id in RUNS[1:]:
        airflow.open_gate(run_id, "inside")
    wait_for_looks(airflow, "inside", runs=RUNS[1:])
    third = airflow.published.publish("switching")
    airflow.open_gate("taking", "inside")
    for dag_id, run_id in RUNS:
        airflow.finish(dag_id, run_id)

    taking, declining, keeping = (airflow.api.xcom(*run, "safe_point") for run in RUNS)
    inside = airflow.api.xcom("switches", "taking", "switch_inside", "runpin_safe_point")
    log = "\n".join(str(each.get("event")) for each in airflow.api.task_log("switches", "taking", "safe_point"))
    one, two, three = map(str, (first, second, third))
    stayed = {"before": [one], "between": [one], "inside": [one]}

    assert [
        {"before": [one], "beside": [one, one], "between": [two], "inside": [three]},
        {"beside": [one, one], **stayed},
        {"beside": [], **stayed},
    ] == [looks(airflow, *run) for run in RUNS]
    assert [2, 0, 0] == [airflow.pins(*run)[-1].epoch for run in RUNS]
    assert {"switching": {"from": one, "to": two, "epoch": 1}} == taking["switched"]
    assert {"switching": {"from": two, "to": three, "epoch": 2}} == inside["switched"]
    assert ({}, {"switching": two}) == (declining["switched"], declining["declined"])
    assert ({}, {}, "PINNED") == tuple(keeping[name] for name in ("switched", "declined", "behavior"))
    assert f"switching switched from {one} to {two}, epoch 1" in log
    assert "may read two configurations: beside" in log
