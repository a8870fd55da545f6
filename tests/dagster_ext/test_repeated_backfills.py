"""How often Dagster's records of backfills are read, which is slow where a backfill has many partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from dagster_classes import labels, publish
from dagster_queue import LABEL, job_backfill, look_again, submit
from dagster_runpin import tags
from dagster_runpin.backfills import MOST_REMEMBERED, RepeatedBackfills
from dagster_runpin.reruns import rerun_of
from runpin.rerunning import RerunPolicy

if TYPE_CHECKING:
    from dagster._core.execution.backfill import PartitionBackfill

    from runpin.assembly import Runpin

FOLLOWS = {"dagster/parent_backfill_id": "b1", tags.FIRST_BACKFILL: "b1"}
AGAIN = {tags.BACKFILL: "b2", **FOLLOWS}
RETRY: dict[str, Any] = {"parent_run_id": "first", "root_run_id": "first"}


class Instance:
    """Has every backfill, no run, and writes down which backfills are asked for."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.loads: list[str] = []

    def get_backfill(self, backfill_id: str) -> PartitionBackfill:
        """Return the backfill, as Dagster's instance does."""
        self.loads.append(backfill_id)
        if self.away:
            raise ConnectionError(backfill_id)
        return job_backfill(backfill_id, "ab")

    def get_run_by_id(self, run_id: str) -> None:
        """Return nothing, as Dagster's instance does of a run that was deleted."""


@pytest.mark.parametrize(
    ("given", "how", "policy", "loads"),
    [
        ({}, {}, RerunPolicy.KEEP, []),
        ({}, {}, RerunPolicy.NAMED, []),
        ({}, RETRY, RerunPolicy.KEEP, []),
        ({tags.PARTIAL: "allow"}, {}, RerunPolicy.LATEST, []),
        ({tags.BACKFILL_POLICY: "as_of"}, {}, RerunPolicy.LATEST, []),
        ({}, {}, RerunPolicy.LATEST, ["b2", "b1"]),
        ({tags.RERUN: "latest"}, {}, RerunPolicy.KEEP, ["b2", "b1"]),
        # Under every policy it gets another snapshot when its own is barred, unless it is a part.
        ({tags.RETRY_NUMBER: "1"}, RETRY, RerunPolicy.KEEP, ["b2", "b1"]),
    ],
)
def test_records_are_read_where_they_change_something(
    given: dict[str, str], how: dict[str, Any], policy: RerunPolicy, loads: list[str]
) -> None:
    """A run that keeps its snapshot whatever it is a part of asks for none."""
    instance: Any = Instance()
    rerun_of(dg.DagsterRun("job", tags={**AGAIN, **given}, **how), instance, policy)

    assert loads == instance.loads


def test_the_runs_of_a_backfill_read_its_record_once() -> None:
    """The first one does for all; another backfill that repeats the same is another question."""
    instance: Any = Instance()
    backfills = RepeatedBackfills()
    runs = [dg.DagsterRun("job", tags={**AGAIN, tags.BACKFILL: name}) for name in ("b2", "b2", "b3", "b2", "b3")]
    found = [rerun_of(run, instance, RerunPolicy.LATEST, backfills).whole for run in runs]

    assert ([True] * 5, ["b2", "b1", "b3", "b1"]) == (found, instance.loads)


def test_a_daemon_that_runs_for_years_forgets() -> None:
    """The oldest answer goes first, and is found again when somebody asks."""
    instance: Any = Instance()
    backfills = RepeatedBackfills()
    names = [f"again{number}" for number in range(MOST_REMEMBERED + 1)]
    for name in [*names, names[-1], names[0]]:
        assert backfills.is_all(dg.DagsterRun("job", tags={**FOLLOWS, tags.BACKFILL: name}), instance)

    assert [*names, names[0]] == [name for name in instance.loads if name != "b1"]


def test_a_failure_is_not_remembered() -> None:
    """The next run asks anew."""
    instance: Any = Instance(away=True)
    backfills, run = RepeatedBackfills(), dg.DagsterRun("job", tags=AGAIN)
    with pytest.raises(ConnectionError):
        backfills.is_all(run, instance)
    instance.away = False

    assert backfills.is_all(run, instance)


def test_the_coordinator_asks_once_for_each_backfill(core: Runpin, queue: dg.DagsterInstance) -> None:
    """A record that says something else by now would be noticed if it were read again."""
    for backfill in (job_backfill("b1", "ab"), job_backfill("b2", "ab")):
        queue.add_backfill(backfill)
    wanted = {**AGAIN, tags.RERUN: "latest"}
    first = submit(queue, {tags.BACKFILL: "b1"})
    publish(core)
    look_again(core, queue)
    before = submit(queue, wanted)
    queue.update_backfill(job_backfill("b2", "b"))
    after = submit(queue, wanted)

    assert labels(first)[LABEL] != labels(before)[LABEL] == labels(after)[LABEL]
