"""What is told of a run that assets have started: what the runs used that made them, by the task that decides."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider  # noqa: TID253 - the SDK of a host

from airflow_classes import in_task, publish, starting
from runpin.assembly import Runpin
from runpin.observing import seen, switch

if TYPE_CHECKING:
    from airflow_provider_runpin.telemetry import TelemetryListener

Process = Any
"""Lets a task of the run run as in a process of its own, and returns the attributes of its span."""


@pytest.fixture
def process(core: Runpin) -> Iterator[Process]:
    """Give each task a span, and let the process forget afterwards."""
    from airflow_provider_runpin.context import run_of
    from airflow_provider_runpin.telemetry import TelemetryListener

    telemetry, provider = TelemetryListener(), TracerProvider()

    def task(events: list[Any], reads: str = "payments") -> dict[str, Any]:
        context = in_task(starting(run_id="taker"))
        context["dag_run"].consumed_asset_events.extend(events)
        # Airflow keeps the first start of a task that it resumes, and many may have started before one reads.
        started = {"start_date": core.clock.now() - timedelta(hours=1), "get_template_context": lambda: context}
        instance = SimpleNamespace(dag_id="nightly", run_id="taker", **started)
        seen.clear()
        with provider.get_tracer("test").start_as_current_span("task") as span:
            _run(telemetry, instance, lambda: run_of(context, core).pin(reads))
        return dict(span.attributes or {})  # type: ignore[attr-defined]

    yield task
    provider.shutdown()
    seen.clear()


def _run(telemetry: TelemetryListener, instance: Any, work: Any) -> None:
    telemetry.on_task_instance_running(instance)
    work()
    telemetry.on_task_instance_success(instance)


@pytest.fixture
def made(core: Runpin) -> list[Any]:
    """Two events of one run that has read, and one of a run that has not; what is live has moved on since."""
    from airflow_provider_runpin.context import run_of

    run_of(in_task(starting(run_id="made")), core).pin("payments")
    publish(core, "payments", 2)
    return [SimpleNamespace(source_run_id=run, source_dag_id="nightly") for run in ("made", "made", "silent")]


def test_the_task_that_decides_tells_where_the_assets_came_from(
    process: Process, made: list[Any], core: Runpin, caplog: pytest.LogCaptureFixture
) -> None:
    """
    In its log and on its span, with the Snapshot that the other run used.

    Nobody says it again: no task that had begun before the decision, and not the same one when it is resumed.
    """
    caplog.set_level(logging.INFO, "airflow_provider_runpin.telemetry")
    (pin,) = core.ledger.pins_of_run("made", "nightly")
    first, *others = [process(made) for _ in range(4)]

    assert (f"{pin.snapshot} nightly/made",) == first["config.links"]
    assert [] == [said for said in others if "config.links" in said]
    assert [f"the assets that started this run were made with {pin.snapshot} by nightly/made"] == caplog.messages
    (own,) = core.ledger.pins_of_run("taker", "nightly")
    assert own.snapshot != pin.snapshot


def test_a_run_that_no_asset_started_has_nothing_to_tell(process: Process) -> None:
    """As most runs."""
    assert {} == process([])


def test_telemetry_that_is_off_links_nothing(process: Process, made: list[Any]) -> None:
    """The task reads as ever."""
    switch(on=False)
    try:
        assert {} == process(made)
    finally:
        switch(on=True)


def test_events_of_another_form_do_not_keep_the_run(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    """Where the assets came from is left out then."""
    assert {} == process([SimpleNamespace()])
    assert [] == [record for record in caplog.records if record.levelno > logging.INFO]
