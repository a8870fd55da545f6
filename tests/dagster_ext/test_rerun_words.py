"""From a run of Dagster to the words of the core: what happened to it, and what its job wants."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from dagster_runpin import tags
from dagster_runpin.reruns import rerun_of
from runpin.errors import InvalidProposal
from runpin.rerunning import BackfillPolicy, Event, RerunPolicy

AS_OF = {tags.BACKFILL_POLICY: "as_of"}
IN_BACKFILL = {**AS_OF, tags.BACKFILL: "b1"}
RETRY = {tags.RETRY_NUMBER: "1"}


class Instance:
    """Knows the runs that it was given."""

    def __init__(self, *runs: dg.DagsterRun) -> None:
        self._runs = {run.run_id: run for run in runs}

    def get_run_by_id(self, run_id: str) -> dg.DagsterRun | None:
        """Return the run, as Dagster's instance does."""
        return self._runs.get(run_id)


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
    assert whole == repeated(first, again).whole


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
