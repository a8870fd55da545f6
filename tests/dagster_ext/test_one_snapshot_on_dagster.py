"""
Every step of a run, and every run of a piece of work, sees one Snapshot, while a version goes live each 0.3 seconds.

With our run coordinator and with Dagster's own: only the label before the first step needs ours.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dagster_stage import DagsterEngines
from pinned_dagster import DEFAULT, LABEL, PINNING, PinnedDagster, pinned_dagster
from runpin.model import Asked

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

# A job of assets declares nothing, so the coordinator is told what all of them read.
DECLARING = {**PINNING, "config": {**PINNING["config"], "runpin": {"applications": "payments"}}}
COORDINATORS = {"pinning": DECLARING, "default": DEFAULT}


@pytest.fixture(scope="module", params=COORDINATORS)
def dagster(
    request: pytest.FixtureRequest, dagster_engines: DagsterEngines, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PinnedDagster]:
    """Return the engine with this coordinator, while the configuration changes."""
    folder, coordinator = tmp_path_factory.mktemp("pinned"), COORDINATORS[request.param]
    with pinned_dagster(dagster_engines, folder, coordinator) as pinned, pinned.changing():
        yield pinned


def test_a_run_and_its_reexecutions(dagster: PinnedDagster) -> None:
    """
    What is executed again keeps the snapshot, from its failure or from the start, with the tags or without.

    Unless whoever asks names another, or wants the latest; what is made of that one keeps the other.
    """
    api = dagster.api
    failed = dagster.finish(api.launch("failing"), "FAILURE")
    # After its pin, which would be this one if the coordinator looked just now; and what is live is another one soon.
    chosen, _ = dagster.publish(), dagster.publish()
    asked = [
        api.reexecute(failed.id, from_failure=True),
        api.reexecute(failed.id, parents_tags=False),
        api.reexecute(failed.id, from_failure=True, tags={"runpin.rerun": "latest"}),
        api.reexecute(failed.id, tags={"runpin.override": str(chosen)}),
        api.reexecute(failed.id, tags={"runpin.rerun": "latest"}),
    ]
    partly, whole, cautious, moved, latest = [dagster.finish(run) for run in asked]
    asked = [
        api.reexecute(partly.id, parents_tags=False),
        api.reexecute(moved.id, parents_tags=False),
        api.launch("reading"),
    ]
    third, after, newest = [dagster.finish(run) for run in asked]
    pin = dagster.one_snapshot(failed, partly, whole, cautious, third)

    assert [{"last"}, {"left", "right", "last"}] == [set(run.steps) for run in (partly, whole)]
    assert chosen == dagster.one_snapshot(moved, after).snapshot
    # What wants the latest takes what is live when it reads, whatever was proposed to it before.
    fresh = dagster.one_snapshot(latest, bypassing=True).snapshot
    assert len({chosen, pin.snapshot, fresh, dagster.one_snapshot(newest).snapshot}) == 4
    assert [Asked.PARENT] * 4 == [dagster.pin(run).asked for run in (partly, whole, cautious, third)]
    assert [Asked.OVERRIDE] * 2 == [dagster.pin(run).asked for run in (moved, after)]


def test_a_backfill(dagster: PinnedDagster) -> None:
    """Four partitions of two assets are four runs, and one piece of work; two suffice without our coordinator."""
    begun, parts = len(dagster.published), "abcd" if dagster.proposing else "ab"
    done = dagster.backfill(["parted", "parted_on"], list(parts))
    pin = dagster.one_snapshot(*done.runs)
    made = [dagster.api.materialization(name, part) for name in ("parted", "parted_on") for part in parts]

    assert (len(parts), 2 * len(parts)) == (len(done.runs), len(dagster.seen(*done.runs)))
    assert len(dagster.published) - begun > 4
    assert {str(pin.snapshot)} == {each.metadata[LABEL] for each in made}


def test_runs_are_found_by_their_snapshot(dagster: PinnedDagster) -> None:
    """The label finds the runs that the ledger names for each snapshot, all of them and no other."""
    tagged, pinned = dagster.found_by_tag()

    assert pinned == tagged
    assert len(pinned) > 2
