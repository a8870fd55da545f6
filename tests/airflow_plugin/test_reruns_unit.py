"""What the provider makes of cleared, backfilled and asset-triggered runs, with Airflow's classes and no engine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_classes import in_task, publish, starting
from runpin.assembly import Runpin
from runpin.errors import InvalidProposal
from runpin.model import Pin, RunKey
from runpin.proposing import Proposal
from runpin.rerunning import BackfillPolicy, Event, Rerun, RerunPolicy

pytestmark = pytest.mark.usefixtures("airflow_home")


def rerun(*tags: str, number: int = 0, default: RerunPolicy = RerunPolicy.KEEP, **carried: Any) -> Rerun:
    """Return what becomes of a run that was cleared *number* times, of a DAG with *tags*."""
    from airflow_provider_runpin.reruns import rerun_of

    run = starting()
    run.clear_number = number
    context = {**in_task(run), "dag": SimpleNamespace(tags=set(tags))}
    return rerun_of(context, Proposal(**carried), default)  # type: ignore[arg-type]  # what is read of a context


def test_a_tag_wins_over_the_setting() -> None:
    """A DAG that says nothing goes by its deployment."""
    found = [rerun(default=RerunPolicy.NAMED).policy, rerun("config-rerun:latest", default=RerunPolicy.NAMED).policy]

    assert [RerunPolicy.NAMED, RerunPolicy.LATEST] == found


@pytest.mark.parametrize("tag", ["config-rerun:newest", "config-backfill:as-of", "config-partial:yes"])
def test_a_word_without_a_meaning_is_refused(tag: str) -> None:
    """The error names the words that there are."""
    with pytest.raises(InvalidProposal, match="declare"):
        rerun(tag)


def test_a_clear_is_whole_only_if_the_listener_said_so_of_this_one() -> None:
    """No word, the word about an earlier clear, and the word that it is a part count as a part."""
    marks = [None, (1, True), (2, False), (2, True)]
    found = [rerun(number=2, rerun=mark) for mark in marks]

    assert [False, False, False, True] == [each.whole for each in found]
    assert {(Event.CLEAR, 2)} == {(each.event, each.number) for each in found}


def test_a_backfill_says_its_policy_in_its_conf_or_its_dag_does() -> None:
    """Its own word counts first."""
    found = [
        rerun("config-backfill:as_of", group="backfill:1"),
        rerun("config-backfill:as_of", group="backfill:1", backfill="original"),
    ]

    assert [BackfillPolicy.AS_OF, BackfillPolicy.ORIGINAL] == [each.backfill for each in found]
    assert {Event.BACKFILL} == {each.event for each in found}


def test_what_ran_before_is_looked_up_when_the_run_is_decided(core: Runpin) -> None:
    """A ledger that does not answer holds up no task before its first read."""
    from airflow_provider_runpin.reruns import ancestry_of

    before, run = (RunKey("airflow", core.settings.deployment, "nightly", "r1", each) for each in ("a", "b"))
    core.run(before).pin("payments")
    asked = list[str]()

    def pins_of_run(run_id: str, job: str) -> tuple[Pin, ...]:
        asked.append(run_id)
        return core.ledger.pins_of_run(run_id, job)

    noting: Any = SimpleNamespace(ledger=SimpleNamespace(pins_of_run=pins_of_run))
    original = Rerun(Event.BACKFILL, backfill=BackfillPolicy.ORIGINAL, number=1)
    found = ancestry_of(run, Proposal(group="backfill:1"), original, noting)
    early = list(asked)

    assert found.search is not None
    assert [before] == list(found.search())
    assert ([], ["r1"]) == (early, asked)


def test_the_runs_that_made_the_assets_are_linked(core: Runpin) -> None:
    """Each with its newest pin, once, however many assets it made; a run that read nothing adds nothing."""
    from airflow_provider_runpin.context import run_of
    from airflow_provider_runpin.reruns import links

    made = run_of(in_task(starting(run_id="made")), core).pin("payments")
    publish(core, "payments", 2)
    sources = [("made", "nightly"), ("made", "nightly"), ("silent", "nightly"), (None, None)]
    events = [SimpleNamespace(source_run_id=run, source_dag_id=dag) for run, dag in sources]
    context: Any = {"dag_run": SimpleNamespace(consumed_asset_events=events)}

    assert (made,) == links(context, core)
