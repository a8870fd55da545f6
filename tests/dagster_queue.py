"""An instance with our run coordinator in the process of a test, and runs that are submitted to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import dagster as dg  # noqa: TID253 - only tests of the adapter import this
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill  # noqa: TID253 - only tests of the adapter import this
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin  # noqa: TID253 - see above

from dagster_classes import open_instance
from dagster_ext.locations import plain_jobs
from dagster_runpin import tags
from runpin.assembly import Runpin

LABEL = tags.label("payments")
JOB = plain_jobs.reading_job()
ORIGIN = dg.reconstructable(plain_jobs.reading_job).get_python_origin()
COORDINATOR = {"module": "dagster_runpin", "class": "PinningRunCoordinator"}

LONG = 60.0
"""Seconds that no test waits for, unless something is wrong."""

Queueing = Callable[..., AbstractContextManager[dg.DagsterInstance]]


@pytest.fixture
def queueing(tmp_path: Path, blank_dagster: Path, settings: Path, lines: Path) -> Queueing:
    """Return what gives an instance with the coordinator that `dagster.yaml` describes."""
    del settings, lines

    def queueing(**config: Any) -> AbstractContextManager[dg.DagsterInstance]:
        return open_instance(tmp_path / "queue", blank_dagster, run_coordinator={**COORDINATOR, "config": config})

    return queueing


@pytest.fixture
def queue(core: Runpin, queueing: Queueing) -> Iterator[dg.DagsterInstance]:
    """Return an instance whose coordinator has seen `payments` and `reports`."""
    del core
    with queueing() as found:
        has_seen(found.run_coordinator)
        yield found


def has_seen(coordinator: Any) -> None:
    """Wait until a coordinator has seen the channels: it waits a second by itself, and a busy machine takes longer."""
    assert coordinator._core.watch.wait_for_view(LONG)  # noqa: SLF001 - engines never wait for it


def submit(instance: dg.DagsterInstance, given: Mapping[str, str] | None = None, **how: Any) -> dg.DagsterRun:
    """Submit a run as the web server and the daemon do, and return it as it is queued."""
    return into(instance.run_coordinator, created(instance, given, **how))


def created(instance: dg.DagsterInstance, given: Mapping[str, str] | None = None, **how: Any) -> dg.DagsterRun:
    """Return a run that nobody has submitted yet."""
    location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "jobs")
    how |= {"remote_job_origin": RemoteJobOrigin(location, JOB.name), "job_code_origin": ORIGIN}
    run: dg.DagsterRun = instance.create_run_for_job(JOB, tags={tags.READS: "payments", **(given or {})}, **how)
    return run


def into(coordinator: dg.RunCoordinator, run: dg.DagsterRun) -> dg.DagsterRun:
    """Submit *run* to *coordinator*."""
    workspace: Any = None  # only the run launcher asks for it
    queued: dg.DagsterRun = coordinator.submit_run(dg.SubmitRunContext(run, workspace))
    return queued


def execute(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    """Execute a queued run here and now, and return it as it is afterwards."""
    from dagster._core.execution.api import execute_run

    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    starting = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_STARTING.value, job_name=found.job_name)
    instance.report_dagster_event(starting, run_id=found.run_id)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    execute_run(dg.reconstructable(plain_jobs.reading_job), found, instance)
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    return ended


def job_backfill(name: str, partitions: str, *, from_failure: bool = False) -> PartitionBackfill:
    """Return a backfill of a job, each of whose partitions is a letter."""
    return PartitionBackfill(
        name,
        BulkActionStatus.COMPLETED,
        from_failure=from_failure,
        tags={},
        backfill_timestamp=0.0,
        partition_names=list(partitions),
    )


def taken(step: Callable[[], object]) -> float:
    """Return how many seconds *step* takes."""
    begun = time.monotonic()
    step()
    return time.monotonic() - begun


def ours(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what runpin has logged."""
    names = ("runpin", "dagster_runpin")
    return [record.getMessage() for record in caplog.records if record.name.partition(".")[0] in names]


def carried(run: dg.DagsterRun) -> dict[str, Any]:
    """Return the proposal that a run carries."""
    return cast("dict[str, Any]", json.loads(run.tags[tags.CARRIED]))


def look_again(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Wait until the coordinator has seen where the channels stand now."""
    deadline = time.monotonic() + LONG
    stands = {c.scope.application: str(c.snapshot) for c in core.store.channels("prod", None)}
    while carried(submit(instance, {tags.READS: "payments.reports"}))["pins"] != stands:
        assert time.monotonic() < deadline
