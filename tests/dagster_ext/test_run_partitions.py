"""Runs that make one partition or a range of them, in backfills that want what was live then, or used before."""

from __future__ import annotations

import warnings
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from dagster_classes import failures, pins_of, publish
from dagster_runpin import RunpinResource, tags
from runpin.assembly import Runpin
from runpin.testing import FixedClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpin.model import SnapshotId

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
LETTERS = dg.StaticPartitionsDefinition(["a", "b", "c"])
BOTH = dg.MultiPartitionsDefinition({"day": DAYS, "letter": LETTERS})

with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)  # Dagster says so of every use of a backfill policy
    at_once = dg.BackfillPolicy.single_run()


def reading(name: str, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Return an asset that reads, and of which one run makes as many partitions as it is asked for."""

    @dg.asset(name=name, partitions_def=partitions, backfill_policy=at_once)
    def made(runpin: RunpinResource) -> None:
        runpin.config("payments/etl")

    return made


def ranged(policy: str, first: str, last: str) -> dict[str, str]:
    """Return the tags of a run by which a backfill makes a range."""
    return {
        tags.BACKFILL: f"{policy} {first}",
        tags.BACKFILL_POLICY: policy,
        tags.RANGE_START: first,
        tags.RANGE_END: last,
    }


def run(
    instance: dg.DagsterInstance, name: str, partitions: dg.PartitionsDefinition[str], given: Mapping[str, str]
) -> dg.DagsterRun:
    """Make partitions of an asset, and return the run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        made = reading(name, partitions)
    resources = {"runpin": RunpinResource()}
    result = dg.materialize([made], instance=instance, resources=resources, tags=given, raise_on_error=False)
    found = instance.get_run_by_id(result.run_id)
    assert found is not None
    return found


def published_on(core: Runpin, day: str) -> SnapshotId:
    """Publish a version at noon of that day."""
    with Runpin(core.settings, FixedClock(datetime.fromisoformat(f"{day}T12:00+00:00"))) as then:
        return publish(then)


def test_a_range_goes_by_all_of_its_dates(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Where one snapshot was live at the beginning of each, it is used; else a person has to choose."""
    first, second = published_on(core, "2026-01-02"), published_on(core, "2026-01-04")
    within = [
        run(instance, "days", DAYS, ranged("as_of", "2026-01-03", "2026-01-04")),
        run(instance, "days", DAYS, ranged("as_of", "2026-01-05", "2026-01-06")),
        run(instance, "both", BOTH, ranged("as_of", "2026-01-03|a", "2026-01-04|c")),
    ]
    across = [
        run(instance, "days", DAYS, ranged("as_of", "2026-01-04", "2026-01-05")),
        run(instance, "both", BOTH, ranged("as_of", "2026-01-04|b", "2026-01-05|b")),
    ]
    said = [failures(instance, each.run_id).popitem()[1] for each in across]

    assert [first, second, first] == [pins_of(core, each)[0].snapshot for each in within]
    assert [True] * 2 == [f"moved from {first} to {second}" in each for each in said]
    assert [(), ()] == [pins_of(core, each) for each in across]


def test_a_range_has_no_one_original(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Each of its partitions may have been made with another snapshot, so it is refused; one partition is not."""
    before = run(instance, "letters", LETTERS, {tags.PARTITION: "b"})
    newest = publish(core)
    many = run(instance, "letters", LETTERS, ranged("original", "a", "c"))
    alone = run(instance, "letters", LETTERS, ranged("original", "b", "b"))

    assert "the backfill wants a snapshot to be named" in failures(instance, many.run_id)["letters"]
    assert () == pins_of(core, many)
    assert newest != pins_of(core, before)[0].snapshot == pins_of(core, alone)[0].snapshot


@pytest.mark.parametrize("policy", ["as_of", "original"])
def test_a_range_whose_snapshot_is_named(core: Runpin, instance: dg.DagsterInstance, policy: str) -> None:
    """What a person chooses is used, also where nothing else could have been."""
    chosen = publish(core)
    publish(core)
    named = run(instance, "letters", LETTERS, {**ranged(policy, "a", "c"), tags.OVERRIDE: str(chosen)})

    assert chosen == pins_of(core, named)[0].snapshot
