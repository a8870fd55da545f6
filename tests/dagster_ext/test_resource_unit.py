"""The resource in real runs whose steps are processes: one snapshot, whatever is published meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

import runpin
from dagster_classes import engine_events, labels, pins_of, publish, run_job
from dagster_ext.locations import fanned_jobs
from dagster_runpin import RunpinResource
from dagster_sightings import Seen, gate, sightings
from runpin.errors import NoRun
from runpin.model import Asked, Scope, SnapshotId

if TYPE_CHECKING:
    from runpin.assembly import Runpin

STEPS = {"root_0", "root_1", "fan", "mapped[n0]", "mapped[n1]", "mapped[n2]", "collect"}


def of(run: dg.DagsterRun, lines: Path, *how: str) -> list[Seen]:
    """Return what the steps of *run* have seen, in these ways."""
    return [seen for seen in sightings(lines) if seen.run_id == run.run_id and seen.how in how]


def all_saw(snapshot: SnapshotId, core: Runpin, looks: Sequence[Seen]) -> None:
    """Check that each look found the document of *snapshot*."""
    found = core.store.find(snapshot)
    number = core.resolver.document(found, "etl")["number"]

    assert [(str(snapshot), number)] * len(looks) == [(seen.snapshot, seen.number) for seen in looks]


def test_one_snapshot_in_a_run_and_its_reexecution(core: Runpin, instance: dg.DagsterInstance, lines: Path) -> None:
    """Parallel steps, a fan-out, a retry and a re-execution agree while each publishes; naive code does not."""
    first = run_job(fanned_jobs.fanned_job, instance)
    gate("collect").touch()
    again = dg.ReexecutionOptions.from_failure(first.run_id, instance)
    second = run_job(fanned_jobs.fanned_job, instance, reexecution_options=again)
    (pin,), (followed,) = pins_of(core, first), pins_of(core, second)
    pinned = [seen for run in (first, second) for seen in of(run, lines, "pinned", "module")]
    naive = [seen for run in (first, second) for seen in of(run, lines, "naive")]

    assert (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS) == (first.status, second.status)
    assert {(step, 0) for step in STEPS} | {("mapped[n1]", 1)} == {
        (s.step, s.attempt) for s in of(first, lines, "pinned")
    }
    assert ["collect"] == [seen.step for seen in of(second, lines, "pinned")]
    assert len(pinned) == 2 * len({(seen.run_id, seen.pid) for seen in pinned}) == 2 * (len(STEPS) + 2)
    all_saw(pin.snapshot, core, pinned)
    assert (pin.snapshot, Asked.CHANNEL, Asked.PARENT) == (followed.snapshot, pin.asked, followed.asked)
    assert [{"runpin/payments": str(pin.snapshot)}] * 2 == [labels(first), labels(second)]
    with pytest.raises(AssertionError):
        all_saw(pin.snapshot, core, naive)


def test_a_switch_is_seen_by_the_next_process(core: Runpin, instance: dg.DagsterInstance, lines: Path) -> None:
    """Dagster still tells it the old label; a re-execution gets what its parent switched to, though that is old too."""
    first = run_job(fanned_jobs.upgrading_job, instance, tags={"runpin/payments": "stale"})
    gate("late").touch()
    again = dg.ReexecutionOptions.from_failure(first.run_id, instance)
    second = run_job(fanned_jobs.upgrading_job, instance, reexecution_options=again)
    begun, switched = pins_of(core, first)
    (followed,) = pins_of(core, second)
    shown = {"runpin/payments": str(switched.snapshot), "runpin/payments.before": str(begun.snapshot)}
    said = engine_events(instance, first.run_id)

    assert begun.snapshot != switched.snapshot == followed.snapshot != publish(core)
    assert (0, 1, Asked.SAFE_POINT, 0) == (begun.epoch, switched.epoch, switched.asked, followed.epoch)
    all_saw(begun.snapshot, core, of(first, lines, "before"))
    all_saw(switched.snapshot, core, [*of(first, lines, "after", "late"), *of(second, lines, "late")])
    assert "stale" == of(first, lines, "told at the start")[0].snapshot
    assert (shown, shown["runpin/payments"]) == (labels(first), labels(second)["runpin/payments"])
    assert [f"switched payments from {begun.snapshot} to {switched.snapshot}"] == [
        message.removeprefix("runpin: ").partition(" at ")[0] for message in said[1:]
    ]


def test_a_pinned_job_does_not_switch(core: Runpin, instance: dg.DagsterInstance, lines: Path) -> None:
    """A safe point does nothing to a job that does not declare AUTO_UPGRADE."""
    run = run_job(fanned_jobs.keeping_job, instance)
    (pin,) = pins_of(core, run)

    all_saw(pin.snapshot, core, of(run, lines, "before", "after", "late"))
    assert ({"runpin/payments": str(pin.snapshot)}, []) == (labels(run), engine_events(instance, run.run_id))


def test_configuration_outside_of_a_step_is_an_error() -> None:
    """The error names the way in Dagster."""
    with pytest.raises(NoRun) as outside:
        runpin.get_config("payments/etl")

    assert "RunpinResource" in str(outside.value)


def test_a_direct_call_is_an_error(core: Runpin) -> None:
    """An asset that a test calls by hand has no run, and the error says what to use instead."""
    del core

    @dg.asset
    def report(runpin: RunpinResource) -> int:
        return int(runpin.config("payments/etl")["number"])

    with pytest.raises(NoRun, match="fixed_config"):
        report(runpin=RunpinResource())


def test_a_sensor_may_have_the_resource(core: Runpin, instance: dg.DagsterInstance) -> None:
    """It has no run; it may use the core, and a read of pinned configuration is an error."""
    said: list[str] = []

    @dg.sensor(target="*")
    def looking(runpin: RunpinResource) -> dg.SkipReason:
        said.append(str(runpin.core.resolver.channel(scope).channel.snapshot))
        try:
            runpin.config("payments/etl")
        except NoRun as error:
            return dg.SkipReason(error.what)
        return dg.SkipReason("it was read")

    scope = Scope("payments", "prod")
    with dg.build_sensor_context(instance=instance, resources={"runpin": RunpinResource()}) as context:
        answer = looking(context)

    assert isinstance(answer, dg.SkipReason)
    assert "made outside of" in str(answer.skip_message)
    assert [str(core.resolver.channel(scope).channel.snapshot)] == said
