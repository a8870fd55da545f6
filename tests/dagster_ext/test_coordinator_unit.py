"""What the run coordinator proposes, and what runs show before their first step."""

from __future__ import annotations

import dagster as dg
import pytest

from dagster_classes import engine_events, labels, pins_of, publish
from dagster_ext.locations import plain_jobs
from dagster_queue import LABEL, Queueing, carried, execute, has_seen, job_backfill, look_again, submit
from dagster_runpin import tags
from runpin.assembly import Runpin
from runpin.model import Asked


def test_a_run_is_proposed_what_its_job_declares(core: Runpin, queue: dg.DagsterInstance) -> None:
    """The label is there before the first step, and the first step agrees with it."""
    both = submit(queue, {tags.READS: "payments.reports"})
    one = submit(queue)
    ended = execute(queue, one)
    (pin,) = pins_of(core, ended)

    assert {LABEL, "runpin/reports"} == set(labels(both)) == {tags.label(name) for name in carried(both)["pins"]}
    assert (dg.DagsterRunStatus.QUEUED, {LABEL: str(pin.snapshot)}) == (one.status, labels(one))
    assert (Asked.PROPOSAL, [], labels(one)) == (pin.asked, engine_events(queue, one.run_id), labels(ended))
    assert {both.run_id, one.run_id} == set(queue.get_run_ids(dg.RunsFilter(tags={LABEL: str(pin.snapshot)})))


@pytest.mark.parametrize("where", ["settings", "dagster.yaml"])
def test_a_job_that_declares_nothing_gets_what_is_set(
    core: Runpin, queueing: Queueing, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """In the settings, or in dagster.yaml."""
    del core
    if where == "settings":
        monkeypatch.setenv("RUNPIN_APPLICATIONS", "payments,reports")
    own = {} if where == "settings" else {"runpin": {"applications": "payments,reports"}}
    with queueing(**own) as instance:
        has_seen(instance.run_coordinator)
        run = submit(instance, {tags.READS: ""})
        wins = submit(instance, {tags.READS: "reports"})

    assert ({LABEL, "runpin/reports"}, {"runpin/reports"}) == (set(labels(run)), set(labels(wins)))


def test_nothing_declared_is_nothing_proposed(queue: dg.DagsterInstance) -> None:
    """A run that does not know of runpin keeps the tags it has."""
    run = submit(queue, {tags.READS: "", "team": "ada"})
    unknown = submit(queue, {tags.READS: "no_such_application"})

    assert {tags.READS: "", "team": "ada"} == {k: v for k, v in run.tags.items() if not k.startswith("dagster/")}
    assert {} == labels(unknown)


def test_an_override_is_shown(core: Runpin, queue: dg.DagsterInstance) -> None:
    """And followed: the proposal stays what the channel says, the instruction stays the person's."""
    chosen = publish(core)
    publish(core)
    look_again(core, queue)
    run = submit(queue, {tags.OVERRIDE: str(chosen)})
    (pin,) = pins_of(core, execute(queue, run))

    assert ({LABEL: str(chosen)}, chosen, Asked.OVERRIDE) == (labels(run), pin.snapshot, pin.asked)
    assert {"payments": str(chosen)} != carried(run)["pins"]


def test_a_spoofed_label_is_corrected_at_once(queue: dg.DagsterInstance) -> None:
    """The proposal takes its place before anybody looks."""
    run = submit(queue, {LABEL: "payments.prod.v9.aaaaaaaaaaaa"})

    assert labels(submit(queue)) == labels(run)


def test_a_copied_proposal_is_not_taken_over(core: Runpin, queue: dg.DagsterInstance) -> None:
    """Somebody who launches a run with another one's tags gets a run of today."""
    old = submit(queue)
    newest = publish(core)
    look_again(core, queue)
    copy = submit(queue, old.tags)

    assert (str(newest), copy.run_id) == (carried(copy)["pins"]["payments"], carried(copy)["run"])
    assert {LABEL: str(newest)} == labels(copy)


@pytest.mark.parametrize("parents_tags", [True, False])
def test_a_reexecution_shows_what_its_parent_uses(
    core: Runpin, queue: dg.DagsterInstance, *, parents_tags: bool
) -> None:
    """Before its first step, whether or not Dagster copies the tags, and whatever its parent was proposed first."""
    chosen = publish(core)
    publish(core)
    look_again(core, queue)
    parent = execute(queue, submit(queue, {tags.OVERRIDE: str(chosen)}))
    publish(core)
    look_again(core, queue)
    given = parent.tags if parents_tags else {}
    again = submit(queue, given, parent_run_id=parent.run_id, root_run_id=parent.run_id)
    ended = execute(queue, again)
    (pin,) = pins_of(core, ended)

    assert (chosen, {LABEL: str(chosen)}, {LABEL: str(chosen)}) == (pin.snapshot, labels(again), labels(ended))
    assert [] == engine_events(queue, again.run_id)


def test_an_override_of_a_reexecution_is_shown(core: Runpin, queue: dg.DagsterInstance) -> None:
    """It wins over the parent from the start."""
    chosen = publish(core)
    publish(core)
    look_again(core, queue)
    parent = execute(queue, submit(queue))
    given = {**parent.tags, tags.OVERRIDE: str(chosen)}
    again = submit(queue, given, parent_run_id=parent.run_id, root_run_id=parent.run_id)
    (pin,) = pins_of(core, execute(queue, again))

    assert ({LABEL: str(chosen)}, chosen) == (labels(again), pin.snapshot)


def test_runs_of_a_backfill_show_the_same(core: Runpin, queue: dg.DagsterInstance) -> None:
    """Also those that are submitted after the channel moved, and those of a backfill that repeats it."""
    backfill = {tags.BACKFILL: "b1"}
    first = submit(queue, backfill)
    publish(core)
    look_again(core, queue)
    second = submit(queue, backfill)
    repeated = submit(queue, {tags.BACKFILL: "b2", "dagster/parent_backfill_id": "b1"})
    other = submit(queue, {tags.BACKFILL: "b3"})
    runs = [execute(queue, run) for run in (second, first, repeated)]

    assert labels(first) == labels(second) == labels(repeated) != labels(other)
    assert [labels(first)[LABEL]] * 3 == [str(pins_of(core, run)[0].snapshot) for run in runs]
    assert [] == [said for run in runs for said in engine_events(queue, run.run_id)]


def test_a_backfill_that_is_repeated(core: Runpin, queue: dg.DagsterInstance) -> None:
    """Under `latest` all of it gets the newest, one for all its runs, and a part of it what the first one has."""
    for backfill in (job_backfill("b1", "ab"), job_backfill("b2", "ab"), job_backfill("b3", "b")):
        queue.add_backfill(backfill)
    wanted = {tags.RERUN: "latest", "dagster/parent_backfill_id": "b1", tags.FIRST_BACKFILL: "b1"}
    first = submit(queue, {tags.BACKFILL: "b1"})
    publish(core)
    look_again(core, queue)
    whole = submit(queue, {**wanted, tags.BACKFILL: "b2"})
    publish(core)
    look_again(core, queue)
    runs = [
        first,
        submit(queue, {**wanted, tags.BACKFILL: "b3"}),
        whole,
        submit(queue, {**wanted, tags.BACKFILL: "b2"}),
    ]
    used = [str(pins_of(core, execute(queue, run))[0].snapshot) for run in runs]

    assert [labels(run)[LABEL] for run in runs] == used
    assert used[0] == used[1] != used[2] == used[3]
    assert [] == [said for run in runs for said in engine_events(queue, run.run_id)]


def test_a_snapshot_barred_while_the_run_waits_is_not_used(core: Runpin, queue: dg.DagsterInstance) -> None:
    """The first read finds another one, and corrects the label."""
    older = core.store.channels("prod", None)[0].snapshot
    assert older.application == "payments"
    newest = publish(core)
    look_again(core, queue)
    run = submit(queue)
    core.ledger.bar(newest, actor="ada", reason="test")
    scope = plain_jobs.scope()
    core.store.move(scope, "stable", older, expected_revision=2, actor="ada", reason="test")
    ended = execute(queue, run)
    (pin,) = pins_of(core, ended)

    assert ({LABEL: str(newest)}, older, {LABEL: str(older)}) == (labels(run), pin.snapshot, labels(ended))
    assert 1 == len(engine_events(queue, run.run_id))
