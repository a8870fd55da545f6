"""A real Airflow exports over OTLP, and whatever it says of a run says which snapshot the run uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from demo.processes import wait_until
from otlp_receiver import OtlpReceiver, ReceivedSpan, environment, listening
from pinned_airflow import PinnedAirflow

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

DAG, TAKER = "observed", "observing"
KINDS = ("scheduled", "detailed")


@dataclass(frozen=True)
class Observed:
    """
    What came in of two runs that use the same snapshot.

    The scheduler itself has made the first one, so that it has a span. The second one, made by the API server, which
    exports nothing here, has Airflow's own spans of the steps of a task.
    """

    receiver: OtlpReceiver
    airflow: PinnedAirflow
    runs: Mapping[str, str]
    snapshot: str
    digest: str

    def spans(self, name: str, kind: str) -> list[ReceivedSpan]:
        """Return the spans *name* in the trace of a run."""
        (first,) = self.receiver.wait_for("worker.reads_nothing", airflow_dag_run_run_id=self.runs[kind])

        def there() -> list[ReceivedSpan]:
            return [span for span in self.receiver.spans(name) if (span.name, span.trace_id) == (name, first.trace_id)]

        # Each process exports for itself, so what another one has done before may be heard of later.
        assert wait_until(lambda: bool(there()), 120.0), name
        return there()

    def log(self, kind: str, task_id: str) -> Mapping[str, Any]:
        """Return what each line of a task's log says the snapshot is, by the line's text."""
        records = self.airflow.api.task_log(DAG, self.runs[kind], task_id)
        return {str(record["event"]): record.get("config_snapshot") for record in records}


@pytest.fixture(scope="module")
def observed(pinned_airflow: PinnedAirflow) -> Iterator[Observed]:
    """Let the scheduler, whose forks run the tasks, export for a while; afterwards it does not any more."""
    # Before the scheduler starts, which then has it to propose: it may take a while to see a first publication.
    pinned_airflow.published.publish()
    # The API server samples none of the runs that it makes, since it exports nothing; so everything is recorded.
    switched_on = {"AIRFLOW__TRACES__OTEL_ON": "True", "AIRFLOW__METRICS__OTEL_ON": "True"}
    with listening() as receiver:
        pinned_airflow.engine.restart(
            "scheduler", environment(receiver) | switched_on | {"OTEL_TRACES_SAMPLER": "always_on"}
        )
        try:
            yield _ran(receiver, pinned_airflow)
        finally:
            pinned_airflow.engine.restart("scheduler")


def _ran(receiver: OtlpReceiver, airflow: PinnedAirflow) -> Observed:
    airflow.add_dags(DAG, TAKER)
    airflow.start(DAG, "detailed", {"airflow/task_span_detail_level": 2})
    airflow.finish(DAG, "detailed")
    # The scheduler makes it when it comes to it, whatever was asked for meanwhile.
    assert wait_until(lambda: len(airflow.api.runs(DAG)) > 1, 120.0, pause=0.2), "a scheduled run"
    (scheduled,) = [run["dag_run_id"] for run in airflow.api.runs(DAG) if run["dag_run_id"] != "detailed"]
    airflow.finish(DAG, scheduled)
    runs = {"scheduled": scheduled, "detailed": "detailed"}
    pins = [airflow.one_snapshot(DAG, run, silent=frozenset({"reads_nothing"})) for run in runs.values()]
    (said,) = {(str(pin.snapshot), pin.digest) for pin in pins}
    return Observed(receiver, airflow, runs, *said)


@pytest.mark.parametrize("kind", KINDS)
def test_the_spans_of_a_task_have_the_pin(observed: Observed, kind: str) -> None:
    """Airflow's own, which began before the pin was known, the user's, and ours, in one trace."""
    for name in ("worker.reads", "user.reads", "runpin.pin"):
        (span,) = observed.spans(name, kind)
        assert (observed.snapshot, observed.digest, "decided", "proposal") == tuple(
            span.attributes.get(f"config.{key}") for key in ("snapshot.id", "digest", "pin.state", "pin.asked")
        ), span


@pytest.mark.parametrize("kind", KINDS)
def test_the_spans_of_a_task_that_reads_nothing_say_what_its_run_carries(observed: Observed, kind: str) -> None:
    """It is marked as proposed, because nothing was asked of the ledger."""
    for name in ("worker.reads_nothing", "user.reads_nothing"):
        (span,) = observed.spans(name, kind)
        assert (observed.snapshot, "proposed") == tuple(
            span.attributes.get(f"config.{key}") for key in ("snapshot.id", "pin.state")
        ), span


def test_the_steps_of_a_task_have_it_too(observed: Observed) -> None:
    """Between the task's span and the user's are those of Airflow's steps."""
    (step,) = observed.spans("task.execute", "detailed")[:1]

    assert observed.snapshot == step.attributes["config.snapshot.payments"]


def test_the_span_of_a_run_has_it(observed: Observed) -> None:
    """The scheduler makes it when the run has ended."""
    (span,) = observed.receiver.wait_for("dag_run.", airflow_dag_run_run_id=observed.runs["scheduled"])

    assert observed.snapshot == span.attributes["config.snapshot.id"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_of_a_tasks_log_has_the_snapshot(observed: Observed, kind: str) -> None:
    """From before the task's code to the end, in Airflow's own JSON, whether or not the task reads."""
    reads, reads_nothing = (observed.log(kind, task_id) for task_id in ("reads", "reads_nothing"))

    assert [observed.snapshot] * 2 == [reads[line] for line in ("before the read", "after the read")]
    assert observed.snapshot == reads_nothing["nothing was read"]


def test_a_run_that_assets_started_says_what_made_them(observed: Observed) -> None:
    """Once, in the log and on the span of the task that decides, and as often as a task asks."""
    airflow, api = observed.airflow, observed.airflow.api
    assert wait_until(lambda: bool(api.runs(TAKER)), 120), "a run"
    run = airflow.finish(TAKER, api.runs(TAKER)[0]["dag_run_id"])["dag_run_id"]
    made = api.xcom(TAKER, run, "follows")
    (span,) = observed.receiver.wait_for("worker.follows", airflow_dag_run_run_id=run, airflow_task_id="follows")
    lines = {task: api.task_log(TAKER, run, task) for task in ("follows", "follows_too")}
    said = {
        task: [str(each["event"]) for each in log if "the assets" in str(each["event"])] for task, log in lines.items()
    }

    assert set(made) <= {f"{observed.snapshot} {DAG}/{each}" for each in observed.runs.values()}
    assert made == sorted(span.attributes["config.links"])
    assert (1, 0) == (len(said["follows"]), len(said["follows_too"]))
    assert [] == [each for each in made if each.partition(" ")[2] not in said["follows"][0]]


def test_our_metrics_come_along_with_airflows(observed: Observed) -> None:
    """The scheduler tells how old its view is, and each task, at its end, what it has pinned."""
    receiver = observed.receiver
    # Tasks export when they end, which is after their run has, and Airflow counts when it comes to it.
    awaited = ("runpin.pins", "runpin.cache.age", "runpin.pin.duration", "airflow.scheduler_heartbeat")
    assert wait_until(lambda: all(map(receiver.points, awaited)), 120)
    pins = receiver.points("runpin.pins", config_snapshot_id=observed.snapshot)

    assert {"proposal"} == {point.attributes["config.pin.asked"] for point in pins}
    assert {1.0} == {point.value for point in pins}
    assert receiver.points("runpin.cache.age", config_environment="prod")
