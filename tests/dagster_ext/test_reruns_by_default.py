"""Reruns where Dagster's own coordinator queues the runs: nothing is proposed, and the first read decides the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from dagster._core.execution.api import create_execution_plan

from dagster_classes import engine_events, failures, labels, open_instance, pins_of, publish
from dagster_queue import JOB, LABEL, execute, job_backfill, submit
from dagster_runpin import PinningRunCoordinator, tags
from runpin.model import Asked, SnapshotId

if TYPE_CHECKING:
    from runpin.assembly import Runpin

LATEST = {tags.RERUN: "latest"}
PART: dict[str, Any] = {"execution_plan": create_execution_plan(JOB, step_keys_to_execute=["reader"])}
RETRY = {tags.RETRY_NUMBER: "1"}


@pytest.fixture
def queue(core: Runpin, tmp_path: Path, blank_dagster: Path, lines: Path) -> Iterator[dg.DagsterInstance]:
    """Return an instance with the coordinator that Dagster has by default."""
    del core, lines
    default = {"module": "dagster", "class": "QueuedRunCoordinator"}
    with open_instance(tmp_path / "queue", blank_dagster, run_coordinator=default) as found:
        assert not isinstance(found.run_coordinator, PinningRunCoordinator)
        yield found


def again(queue: dg.DagsterInstance, first: dg.DagsterRun, given: dict[str, str], **how: Any) -> dg.DagsterRun:
    """Repeat *first*, and return the run when it is over."""
    return execute(queue, submit(queue, given, parent_run_id=first.run_id, root_run_id=first.run_id, **how))


def used(core: Runpin, queue: dg.DagsterInstance, *runs: dg.DagsterRun) -> list[SnapshotId]:
    """Return what each of *runs* has on record and shows, without a word in its log."""
    pins = [pins_of(core, run)[0] for run in runs]

    assert [{LABEL: str(pin.snapshot)} for pin in pins] == [labels(run) for run in runs]
    assert [] == [said for run in runs for said in engine_events(queue, run.run_id)]
    return [pin.snapshot for pin in pins]


def test_reexecutions(core: Runpin, queue: dg.DagsterInstance) -> None:
    """They keep what their parent has, or get the latest, by what is repeated of it; or what a person names."""
    queued = submit(queue)
    parent = execute(queue, queued)
    chosen, newest = publish(core), publish(core)
    kept = [
        again(queue, parent, {}),
        again(queue, parent, LATEST, **PART),
        again(queue, parent, {**LATEST, **RETRY}),
    ]
    fresh = [again(queue, parent, LATEST), again(queue, parent, {**LATEST, tags.PARTIAL: "allow"}, **PART)]
    named = again(queue, parent, {tags.RERUN: "named", tags.OVERRIDE: str(chosen)})
    nameless = again(queue, parent, {tags.RERUN: "named"})
    before = used(core, queue, parent)

    assert {} == labels(queued)
    assert (before * 3, [newest] * 2, [chosen]) == tuple(used(core, queue, *runs) for runs in (kept, fresh, [named]))
    assert [Asked.PARENT] * 3 + [Asked.CHANNEL] * 2 == [pins_of(core, run)[0].asked for run in (*kept, *fresh)]
    assert "RepinRefused" in failures(queue, nameless.run_id)["reader"]


def test_retries_after_a_rollback(core: Runpin, queue: dg.DagsterInstance) -> None:
    """All of a run whose snapshot was barred goes on with the channel's, a part of it waits for a person."""
    parent = execute(queue, submit(queue))
    bad, good = used(core, queue, parent)[0], publish(core)
    core.ledger.bar(bad, actor="ada", reason="test")
    whole, part = again(queue, parent, RETRY), again(queue, parent, RETRY, **PART)

    assert [good] == used(core, queue, whole)
    assert "SnapshotQuarantined" in failures(queue, part.run_id)["reader"]


def test_backfills(core: Runpin, queue: dg.DagsterInstance) -> None:
    """Each is one piece of work; what repeats it is judged by how much it repeats, and one asks for the original."""
    for backfill in (job_backfill("b1", "ab"), job_backfill("b2", "ab"), job_backfill("b3", "b")):
        queue.add_backfill(backfill)
    repeated = {**LATEST, "dagster/parent_backfill_id": "b1", tags.FIRST_BACKFILL: "b1"}
    groups = {
        "first": {tags.BACKFILL: "b1", tags.PARTITION: "b"},
        "whole": {**repeated, tags.BACKFILL: "b2"},
        "part": {**repeated, tags.BACKFILL: "b3"},
        "original": {tags.BACKFILL: "b4", tags.PARTITION: "b", tags.BACKFILL_POLICY: "original"},
    }
    found = {}
    for name, given in groups.items():
        one = execute(queue, submit(queue, given))
        publish(core)
        found[name] = used(core, queue, one, execute(queue, submit(queue, given)))

    assert all(one == other for one, other in found.values())
    assert found["first"] == found["part"] == found["original"] != found["whole"]
