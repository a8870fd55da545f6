"""From a run of Dagster to the words of the core: what happened to it, and what its job wants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.execution.asset_backfill import AssetBackfillData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from dagster_queue import job_backfill
from dagster_runpin import tags
from dagster_runpin.reruns import rerun_of
from runpin.errors import InvalidProposal
from runpin.rerunning import BackfillPolicy, Event, RerunPolicy

if TYPE_CHECKING:
    from dagster._core.definitions.partitions.subset import PartitionsSubset

AS_OF = {tags.BACKFILL_POLICY: "as_of"}
IN_BACKFILL = {**AS_OF, tags.BACKFILL: "b1"}
RETRY = {tags.RETRY_NUMBER: "1"}
AGAIN = {tags.BACKFILL: "b2", "dagster/parent_backfill_id": "b1", tags.FIRST_BACKFILL: "b1"}

PARTS = dg.StaticPartitionsDefinition(["a", "b"])
ALL, SOME = (PARTS.subset_with_partition_keys(keys) for keys in (["a", "b"], ["b"]))


class Instance:
    """Knows the runs and the backfills that it was given."""

    def __init__(self, *runs: dg.DagsterRun, backfills: Iterable[PartitionBackfill] = ()) -> None:
        self._runs = {run.run_id: run for run in runs}
        self._backfills = {backfill.backfill_id: backfill for backfill in backfills}

    def get_run_by_id(self, run_id: str) -> dg.DagsterRun | None:
        """Return the run, as Dagster's instance does."""
        return self._runs.get(run_id)

    def get_backfill(self, backfill_id: str) -> PartitionBackfill | None:
        """Return the backfill, as Dagster's instance does."""
        return self._backfills.get(backfill_id)


def of_assets(name: str, **subsets: PartitionsSubset) -> PartitionBackfill:
    """Return a backfill of the assets with these names."""
    graph_subset: Any = AssetGraphSubset  # its type forgets what may be left out
    target = graph_subset({dg.AssetKey(asset): subset for asset, subset in subsets.items()})
    data: Any = AssetBackfillData.empty(target, 0.0, cast("Any", None))
    return PartitionBackfill(
        name,
        BulkActionStatus.COMPLETED,
        from_failure=False,
        tags={},
        backfill_timestamp=0.0,
        asset_backfill_data=data,
    )


def repeated(first: dict[str, Any], again: dict[str, Any], policy: RerunPolicy = RerunPolicy.KEEP) -> Any:
    """Return what is known of a run that repeats another."""
    parent = dg.DagsterRun("job", run_id="first", **first)
    run = dg.DagsterRun("job", run_id="again", parent_run_id="first", root_run_id="first", **again)
    instance: Any = Instance(parent, run)
    return rerun_of(run, instance, policy)


@pytest.mark.parametrize(
    ("first", "again", "whole"),
    [
        ({}, {}, True),
        ({}, {"step_keys_to_execute": ["b"]}, False),
        ({"step_keys_to_execute": ["b"]}, {"step_keys_to_execute": ["b"]}, True),
        ({"step_keys_to_execute": ["a", "b"]}, {"step_keys_to_execute": ["b"]}, False),
        ({"asset_selection": {dg.AssetKey("a")}}, {"asset_selection": {dg.AssetKey("a"), dg.AssetKey("b")}}, True),
        ({}, {"asset_selection": {dg.AssetKey("a")}}, False),
        ({"resolved_op_selection": {"a", "b"}}, {"resolved_op_selection": {"a"}}, False),
    ],
)
def test_what_is_all_of_a_run(first: dict[str, Any], again: dict[str, Any], *, whole: bool) -> None:
    """All that the first of its group did, whatever it was asked for; each selection counts."""
    assert whole == repeated(first, again, RerunPolicy.LATEST).whole


@pytest.mark.parametrize(
    ("backfills", "whole"),
    [
        ([job_backfill("b1", "ab"), job_backfill("b2", "ab")], True),
        ([job_backfill("b1", "ab"), job_backfill("b2", "b")], False),
        ([job_backfill("b1", "ab"), job_backfill("b2", "ab", from_failure=True)], False),
        ([of_assets("b1", one=ALL, two=SOME), of_assets("b2", one=ALL, two=SOME)], True),
        ([of_assets("b1", one=ALL, two=SOME), of_assets("b2", one=SOME, two=SOME)], False),
        ([of_assets("b1", one=ALL, two=SOME), of_assets("b2", one=ALL)], False),
        ([of_assets("b2", one=ALL)], False),
        ([], False),
    ],
)
def test_what_is_all_of_a_backfill(backfills: list[PartitionBackfill], *, whole: bool) -> None:
    """All that the first of its group was asked for; what Dagster has forgotten counts as a part."""
    run, instance = dg.DagsterRun("job", tags=AGAIN), Instance(backfills=backfills)

    assert whole == rerun_of(run, cast("Any", instance), RerunPolicy.LATEST).whole


def test_a_part_of_a_backfill_that_names_its_snapshot() -> None:
    """Its runs are new, so none of them ends up with two: what somebody named is not refused."""
    run = dg.DagsterRun("job", tags={**AGAIN, tags.BACKFILL_POLICY: "named"})
    instance: Any = Instance(backfills=[job_backfill("b1", "ab"), job_backfill("b2", "b", from_failure=True)])
    rerun = rerun_of(run, instance, RerunPolicy.KEEP)

    assert (Event.BACKFILL, True) == (rerun.event, rerun.whole)


@pytest.mark.parametrize(
    ("first", "again", "event", "backfill"),
    [
        ({}, {}, Event.REEXECUTE, BackfillPolicy.LATEST),
        ({}, RETRY, Event.RUN_RETRY, BackfillPolicy.LATEST),
        (AS_OF, AS_OF, Event.REEXECUTE, BackfillPolicy.LATEST),
        (IN_BACKFILL, AS_OF, Event.BACKFILL, BackfillPolicy.AS_OF),
        (IN_BACKFILL, {**IN_BACKFILL, **RETRY}, Event.BACKFILL, BackfillPolicy.AS_OF),
        (IN_BACKFILL, {**AS_OF, tags.RERUN: "latest"}, Event.REEXECUTE, BackfillPolicy.AS_OF),
        (IN_BACKFILL, {**AS_OF, tags.OVERRIDE: "one"}, Event.REEXECUTE, BackfillPolicy.AS_OF),
    ],
)
def test_what_happened(first: dict[str, str], again: dict[str, str], event: Event, backfill: BackfillPolicy) -> None:
    """A person, the daemon, or a backfill, also one that is over by now, so that Dagster dropped its tag."""
    found = repeated({"tags": first}, {"tags": again})

    assert (event, backfill) == (found.event, found.backfill)


def test_the_job_wins_over_the_deployment() -> None:
    """Where it says nothing, the deployment's word counts."""
    words = [repeated({}, {"tags": said}, RerunPolicy.NAMED).policy for said in ({tags.RERUN: "latest"}, {})]

    assert [RerunPolicy.LATEST, RerunPolicy.NAMED] == words


@pytest.mark.parametrize("tag", [tags.RERUN, tags.BACKFILL_POLICY, tags.PARTIAL])
def test_a_word_without_a_meaning(tag: str) -> None:
    """It is repeated in the error, in part."""
    with pytest.raises(InvalidProposal, match="'sometimes'"):
        repeated({}, {"tags": {tag: "sometimes"}})
