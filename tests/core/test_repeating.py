"""Cleared runs: each clear is decided once, by the first task that reads, and all tasks of it agree."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from runpin.errors import ConfigUnavailable, RepinRefused, SnapshotQuarantined, UnknownChannel
from runpin.model import Asked, Behavior, Pin, SnapshotId
from runpin.overrides import Override, OverrideKind
from runpin.reactions import Reaction
from runpin.repeating import Cleared, Repeats
from runpin.rerunning import FIRST, BackfillPolicy, Event, Rerun, RerunPolicy
from runpin.testing import MemoryLedger, MemoryReactions
from world import SCOPE, World, after, carried, run_key


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two backends, nothing published."""
    return World(tmp_path)


def cleared(number: int, policy: RerunPolicy = RerunPolicy.LATEST, *, whole: bool = True) -> Rerun:
    """Return what an engine says of a run that was cleared *number* times."""
    return Rerun(Event.CLEAR, policy, number=number, whole=whole)


def read(world: World, rerun: Rerun = FIRST, host: str = "a", name: str = "r1") -> Pin:
    """Read in a new process on *host*."""
    return world.host(host).run(name, rerun=rerun).pin("payments")


def on(first: datetime, last: datetime | None = None) -> Callable[[], tuple[datetime, datetime]]:
    """Return what an engine says of the dates of a run; most have one."""
    return lambda: (first, last or first)


def name(
    world: World, snapshot: SnapshotId, kind: OverrideKind = OverrideKind.PINNED, *, partial: bool = False
) -> Override:
    """Let Ada name what the run shall use next."""
    run = run_key("r1")
    pin, newest = world.ledger.get(run, SCOPE), world.overrides.newest(run, SCOPE)
    assert pin is not None
    return world.overrides.record(
        Override(
            run,
            SCOPE,
            1 if newest is None else newest.number + 1,
            snapshot,
            world.store.find(snapshot).digest,
            pin.snapshot,
            pin.digest,
            kind,
            "ada",
            "to repair March",
            world.clock.now(),
            partial,
        )
    )


def test_a_rerun_keeps_its_snapshot(world: World) -> None:
    """The default, however often the run is cleared, and no epoch is opened."""
    first = world.version(1)
    read(world)
    world.version(2)
    pins = [read(world, cleared(number, RerunPolicy.KEEP)) for number in (1, 2)]

    assert [(first, 0)] * 2 == [(pin.snapshot, pin.epoch) for pin in pins]


def test_a_rerun_gets_the_latest_where_the_job_wants_that(world: World) -> None:
    """A new epoch, once: a channel that moves while the cleared run is under way does not reach it."""
    world.version(1)
    read(world)
    second = world.version(2)
    one = read(world, cleared(1))
    world.version(3)
    others = [read(world, cleared(1), host) for host in "ab"]

    assert (second, 1, Asked.CHANNEL) == (one.snapshot, one.epoch, one.asked)
    assert [one, one] == others


def test_the_next_clear_is_decided_anew(world: World) -> None:
    """And an attempt of the clear before, which is still running, changes nothing any more."""
    world.version(1)
    read(world)
    world.version(2)
    read(world, cleared(1))
    third = world.version(3)
    again = read(world, cleared(2), "b")
    world.version(4)

    assert (third, 2) == (again.snapshot, again.epoch)
    assert again == read(world, cleared(1), "c")


def test_a_part_of_a_run_keeps_what_the_rest_has(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """And the log of the task says so."""
    first = world.version(1)
    read(world)
    world.version(2)

    assert first == read(world, cleared(1, whole=False)).snapshot
    assert "only some of its tasks" in caplog.text or "only a part" in caplog.text


def test_a_part_may_move_where_that_is_accepted(world: World) -> None:
    """The job says so."""
    world.version(1)
    read(world)
    second = world.version(2)

    assert second == read(world, replace(cleared(1, whole=False), partial=True)).snapshot


def test_what_was_named_is_taken_at_the_next_rerun(world: World) -> None:
    """Not by tasks that are under way, and then it stays, whatever the job wants."""
    first, second = world.version(1), world.version(2)
    world.version(3)
    before = read(world)
    name(world, second)
    under_way = read(world, host="b")
    taken = read(world, cleared(1, RerunPolicy.KEEP))
    later = read(world, cleared(2, RerunPolicy.LATEST), "b")
    ended = world.overrides.newest(run_key("r1"), SCOPE)

    assert before == under_way != taken
    assert (second, Asked.OVERRIDE, 1) == (taken.snapshot, taken.asked, taken.epoch)
    assert later == taken
    assert ended is not None
    assert ended.outcome == "taken at rerun 1"
    assert first != taken.snapshot


def test_a_wish_that_comes_during_a_rerun_waits_for_the_next_one(world: World) -> None:
    """The first task of the rerun decided, so that the others have to agree with it."""
    first, second = world.version(1), world.version(2)
    read(world)
    world.store.move(SCOPE, "stable", first, expected_revision=2, actor="ada", reason="back")
    kept = read(world, cleared(1, RerunPolicy.KEEP))
    name(world, first)

    assert second == kept.snapshot == read(world, cleared(1, RerunPolicy.KEEP), "b").snapshot
    assert first == read(world, cleared(2, RerunPolicy.KEEP), "b").snapshot


def test_once_is_for_one_rerun(world: World) -> None:
    """The rerun after it goes back to what the run had."""
    first = world.version(1)
    read(world)
    second = world.version(2)
    name(world, second, OverrideKind.ONCE)
    seen = [read(world, cleared(number, RerunPolicy.KEEP), host).snapshot for number, host in enumerate("abab", 1)]

    assert [second, first, first, first] == seen


def test_a_name_for_a_part_of_a_run_is_refused(world: World) -> None:
    """Unless whoever named it accepts two snapshots in one run; nothing is decided before."""
    world.version(1)
    read(world)
    second = world.version(2)
    name(world, second)
    with pytest.raises(RepinRefused) as refused:
        read(world, cleared(1, whole=False))
    name(world, second, partial=True)

    assert "ada" in refused.value.what
    assert "--partial" in str(refused.value.fix)
    assert second == read(world, cleared(1, whole=False)).snapshot


def test_a_job_that_wants_a_name_gets_none(world: World) -> None:
    """Until somebody gives one."""
    first = world.version(1)
    read(world)
    with pytest.raises(RepinRefused, match="nothing says"):
        read(world, cleared(1, RerunPolicy.NAMED))
    name(world, first)

    assert first == read(world, cleared(1, RerunPolicy.NAMED)).snapshot


def test_what_was_named_and_is_barred_is_not_taken(world: World) -> None:
    """The error names who wanted it; the rerun can be decided again after that."""
    world.version(1)
    read(world)
    second = world.version(2)
    name(world, second)
    world.ledger.bar(second, actor="eve", reason="bad")
    with pytest.raises(SnapshotQuarantined, match="ada named"):
        read(world, cleared(1))
    world.ledger.lift(second, actor="eve", reason="good")

    assert second == read(world, cleared(1)).snapshot


class Bars(MemoryLedger):
    """What a pin is moved to is barred a moment before."""

    def advance(self, pin: Pin) -> Pin:
        """Bar it, and try."""
        self.bar(pin.snapshot, actor="eve", reason="bad")
        return super().advance(pin)


def test_what_is_barred_after_the_decision_stays_refused(world: World) -> None:
    """No retry goes on with what the run had, as if that were decided, until the run is cleared again."""
    first = world.version(1)
    read(world)
    second = world.version(2)
    ledger = Bars()
    ledger.__dict__.update(world.ledger.__dict__)
    with pytest.raises(SnapshotQuarantined, match="barred from new pins meanwhile"):
        Repeats(ledger, world.reactions, world.overrides, world.clock).settle(decides(world, cleared(1), second))
    with pytest.raises(SnapshotQuarantined, match="meanwhile") as again:
        read(world, cleared(1))
    kept = read(world, cleared(2, RerunPolicy.KEEP), "b")

    assert "clear the run again" in str(again.value.fix)
    assert first == kept.snapshot == read(world, cleared(1), "c").snapshot


def test_the_ledger_is_away(world: World) -> None:
    """A run that keeps its pin goes on; one that may have to move waits where the decision was not seen."""
    world.version(1)
    before = read(world)
    world.ledger_switch.off = True

    assert before == read(world, cleared(1, RerunPolicy.KEEP))
    with pytest.raises(ConfigUnavailable):
        read(world, cleared(1))
    world.ledger_switch.off = False
    decided = read(world, cleared(1))
    world.ledger_switch.off = True
    assert decided == read(world, cleared(1))


def test_a_run_that_read_nothing_before_it_was_cleared(world: World) -> None:
    """It is decided like a new one."""
    first = world.version(1)
    pin = read(world, cleared(3))

    assert (first, 0) == (pin.snapshot, pin.epoch)


def test_a_run_that_read_nothing_needs_no_name(world: World) -> None:
    """Its first read is no rerun, whatever its job wants of those."""
    first = world.version(1)

    assert (
        first
        == read(world, cleared(1, RerunPolicy.NAMED)).snapshot
        == read(world, cleared(1, RerunPolicy.NAMED), "b").snapshot
    )


def test_a_backfill_over_a_run_waits_for_the_ledger(world: World) -> None:
    """What the run had before is not what its backfill uses."""
    world.version(1)
    read(world)
    world.ledger_switch.off = True
    with pytest.raises(ConfigUnavailable):
        world.host().run("r1", ancestry=after(group="g"), rerun=Rerun(Event.BACKFILL, number=1)).pin("payments")


def test_a_run_that_may_switch_goes_on_switching_after_a_rerun(world: World) -> None:
    """Its epochs go on growing."""
    world.version(1)
    read(world)
    world.version(2)
    run = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE, rerun=cleared(1))
    again = run.pin("payments")
    third = world.version(3)
    switched = run.safe_point()["payments"]

    assert (1, third, 2) == (again.epoch, switched.snapshot, switched.epoch)
    assert switched == read(world, cleared(1), "b")


@pytest.mark.parametrize("kind", OverrideKind)
def test_what_was_named_is_taken_at_a_safe_point(world: World, kind: OverrideKind) -> None:
    """In place of what the channel names, and by a run whose first snapshot was chosen, too."""
    first, second = world.version(1), world.version(2)
    world.version(3)
    run = world.host().run("r1", carried(first, Asked.OVERRIDE), behavior=Behavior.AUTO_UPGRADE)
    run.pin("payments")
    name(world, second, kind)
    taken, still = (run.safe_point()["payments"] for _ in range(2))
    ended = world.overrides.newest(run_key("r1"), SCOPE)

    assert (second, 1, Asked.OVERRIDE) == (taken.snapshot, taken.epoch, taken.asked)
    assert taken == still == read(world, host="b")
    assert ended is not None
    assert ended.outcome == "taken at a safe point, epoch 1"


def test_a_backfill_uses_one_snapshot_of_its_own(world: World) -> None:
    """Over runs that exist, too, and whatever they had."""
    world.version(1)
    read(world, name="r1")
    second = world.version(2)
    over = Rerun(Event.BACKFILL, number=1)
    one = world.host().run("r1", ancestry=after(group="backfill"), rerun=over).pin("payments")
    world.version(3)
    rest = [
        world.host("b").run(run, ancestry=after(group="backfill"), rerun=rerun).pin("payments")
        for run, rerun in (("r1", over), ("r2", Rerun(Event.BACKFILL)))
    ]

    assert [second] * 3 == [pin.snapshot for pin in (one, *rest)]


def test_a_backfill_of_what_was_live(world: World) -> None:
    """Each run by its own date; before the first move there is nothing."""
    first = world.version(1)
    then = world.clock.now()
    world.clock.advance(3600)
    second = world.version(2)
    now = world.clock.now()
    rerun, together = Rerun(Event.BACKFILL, backfill=BackfillPolicy.AS_OF), after(group="g")
    seen = [
        world.host().run(f"r{number}", ancestry=together, rerun=replace(rerun, dates=on(moment))).pin("payments")
        for number, moment in enumerate((then, now - timedelta(seconds=1), now))
    ]
    with pytest.raises(UnknownChannel, match="did not exist"):
        read(world, replace(rerun, dates=on(then - timedelta(days=1))), name="early")
    with pytest.raises(RepinRefused, match="has none"):
        read(world, rerun, name="timeless")

    assert [first, first, second] == [pin.snapshot for pin in seen]


def test_one_run_for_several_dates(world: World) -> None:
    """It uses what was live at all of them; where that is not one snapshot it is refused, unless somebody names one."""
    first = world.version(1)
    begun = world.clock.now()
    world.clock.advance(60)
    world.version(2)
    world.clock.advance(60)
    world.version(1)
    back = world.clock.now()
    rerun = Rerun(Event.BACKFILL, backfill=BackfillPolicy.AS_OF)
    hour, again, both = (replace(rerun, dates=on(*dates)) for dates in ((begun, begun), (back, back), (begun, back)))
    same = [read(world, each, name=name) for name, each in (("hour", hour), ("again", again))]
    with pytest.raises(RepinRefused, match="between those that this run makes"):
        read(world, both, name="both")
    named = world.host().run("named", carried(first, Asked.OVERRIDE), rerun=both).pin("payments")

    assert {world.store.find(first).digest} == {pin.digest for pin in (*same, named)}


def test_a_backfill_of_what_each_partition_used(world: World) -> None:
    """The run of before, in its own name or in another one; where there was none, as the others."""
    first = world.version(1)
    read(world, name="r1")
    second = world.version(2)
    rerun = Rerun(Event.BACKFILL, backfill=BackfillPolicy.ORIGINAL, number=1)
    own = world.host().run("r1", ancestry=after(group="g"), rerun=rerun).pin("payments")
    other, new = (
        world.host().run(run, ancestry=after(*runs, group="g"), rerun=replace(rerun, number=0)).pin("payments")
        for run, runs in (("again", ("r1",)), ("new", ()))
    )

    assert [first, first, second] == [pin.snapshot for pin in (own, other, new)]


def test_an_automatic_retry_leaves_what_is_barred(world: World) -> None:
    """The whole run goes to where the channel stands now; a part of it has to wait for a person."""
    first = world.version(1)
    read(world, name="parent")
    second = world.version(2)
    world.ledger.bar(first, actor="ada", reason="bad")
    whole = Rerun(Event.RUN_RETRY)
    with pytest.raises(SnapshotQuarantined):
        world.host().run("part", ancestry=after("parent"), rerun=replace(whole, whole=False)).pin("payments")

    assert second == world.host().run("whole", ancestry=after("parent"), rerun=whole).pin("payments").snapshot


def test_reexecution_from_scratch_gets_the_latest_where_the_job_wants_that(world: World) -> None:
    """And from failure it does not; what was proposed is no reason to do otherwise."""
    first = world.version(1)
    read(world, name="parent")
    second = world.version(2)
    latest = Rerun(Event.REEXECUTE, RerunPolicy.LATEST)
    whole, part = (
        world.host().run(run, carried(first), ancestry=after("parent"), rerun=rerun).pin("payments")
        for run, rerun in (("whole", latest), ("part", replace(latest, whole=False)))
    )

    assert [(second, Asked.CHANNEL), (first, Asked.PARENT)] == [(pin.snapshot, pin.asked) for pin in (whole, part)]


def decides(world: World, rerun: Rerun, snapshot: SnapshotId) -> Cleared:
    """Return what a task of the rerun asks that would get *snapshot* where its job wants the latest."""
    pin = world.ledger.get(run_key("r1"), SCOPE)
    assert pin is not None
    wanted = replace(pin, snapshot=snapshot, digest=world.store.find(snapshot).digest)
    return Cleared(run_key("r1"), SCOPE, "stable", rerun, lambda _: False, lambda _: wanted)


def race(world: World, settle: Callable[[Repeats, Cleared], Pin]) -> set[SnapshotId]:
    """Let tasks on eight hosts decide one clear at once, while the channel moves; return what they saw."""
    world.version(1)
    read(world)
    world.version(2)
    start, targets = Barrier(8), [world.version(number) for number in range(3, 11)]

    def task(place: int) -> SnapshotId:
        asked = decides(world, cleared(1), targets[place])
        repeats = Repeats(world.ledger, world.reactions, world.overrides, world.clock)
        start.wait(30)
        return settle(repeats, asked).snapshot

    with ThreadPoolExecutor(8) as threads:
        return set(threads.map(task, range(8)))


def test_tasks_that_decide_at_once_agree(world: World) -> None:
    """Each would have taken another snapshot."""
    assert len(race(world, Repeats.settle)) == 1


def test_tasks_that_decide_alone_are_caught(world: World) -> None:
    """A seeded bug: what others wrote is not looked at."""

    def alone(_: Repeats, asked: Cleared) -> Pin:
        return asked.candidate(None)  # type: ignore[arg-type]

    assert len(race(world, alone)) > 1


class Killed(Exception):
    """Stands for the end of a process."""


class Dying(MemoryReactions):
    """Whoever closes a decision dies."""

    def end(self, *_: object) -> Reaction:
        """End the process."""
        raise Killed


class Stuck(MemoryLedger):
    """Whoever moves a pin dies."""

    def advance(self, _: Pin) -> Pin:
        """End the process."""
        raise Killed


@pytest.mark.parametrize("place", ["begun", "moved"])
def test_a_decision_that_was_not_carried_out_is_finished_by_the_next_task(world: World, place: str) -> None:
    """Killed after it was written down, or after the pin moved: what was decided holds, though the channel moved."""
    world.version(1)
    read(world)
    second = world.version(2)
    dying: MemoryReactions = world.reactions if place == "begun" else Dying()
    ledger: MemoryLedger = Stuck() if place == "begun" else world.ledger
    dying.__dict__.update(world.reactions.__dict__)
    ledger.__dict__.update(world.ledger.__dict__)
    with pytest.raises(Killed):
        Repeats(ledger, dying, world.overrides, world.clock).settle(decides(world, cleared(1), second))
    world.version(3)
    after_it = [read(world, cleared(1), host) for host in "ab"]

    assert [(second, 1)] * 2 == [(each.snapshot, each.epoch) for each in after_it]
