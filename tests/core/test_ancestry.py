"""Which snapshot a run gets that repeats other runs, or belongs to a group: with the ledger there, and without."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest

from runpin.ancestry import ALONE, Ancestry
from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.errors import SnapshotQuarantined
from runpin.ledgers.sql import SqlLedger
from runpin.model import STABLE, Asked, Behavior, Channel, Pin, Scope
from runpin.pinning import Pinner
from runpin.proposing import Proposal
from runpin.questions import Question
from runpin.resolving import Resolver
from world import SCOPE, World, after, carried, run_key


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two backends, nothing published."""
    return World(tmp_path)


def pin(
    world: World, name: str, ancestry: Ancestry = ALONE, proposal: Proposal | None = None, *, host: str = "a"
) -> Pin:
    """Return what a new process of the run reads."""
    return world.host(host).run(name, proposal, ancestry=ancestry).pin("payments")


def switch(world: World, name: str, ancestry: Ancestry = ALONE, *, host: str = "a") -> Pin:
    """Return what a new process of the run, which may upgrade, has after a safe point."""
    run = world.host(host).run(name, behavior=Behavior.AUTO_UPGRADE, ancestry=ancestry)
    run.pin("payments")
    return run.safe_point()["payments"]


@pytest.mark.parametrize(("ancestry", "true"), [(ALONE, False), (after("p"), True), (after(group="g"), True)])
def test_an_ancestry_is_true_if_there_is_anybody_to_follow(ancestry: Ancestry, true: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    """Most runs are alone."""
    assert true is bool(ancestry)


def test_a_re_execution_has_what_its_parent_has(world: World) -> None:
    """Neither its label nor the channel counts; the pin says that it came from another run, and is its own first."""
    first = world.version(1)
    parent = pin(world, "parent")
    newest = world.version(2)
    again = pin(world, "again", after("parent"), carried(newest), host="b")

    assert (first, 0, Asked.PARENT, True) == (again.snapshot, again.epoch, again.asked, again.confirmed)
    assert (parent.digest, STABLE, parent.revision) == (again.digest, again.channel, again.revision)
    assert again == pin(world, "again", after("parent"))


def test_its_own_pin_comes_before_everything(world: World) -> None:
    """What a run has read once does not depend on whom it turns out to repeat."""
    first = world.version(1)
    pin(world, "again")
    second = world.version(2)
    pin(world, "parent")

    assert [second, first] == [pin(world, name, after("parent", group="g")).snapshot for name in ("parent", "again")]
    assert world.recorded("g") is None


def test_an_override_comes_before_the_parent(world: World) -> None:
    """Who repeats a run with another snapshot on purpose gets it."""
    first = world.version(1)
    world.version(2)
    pin(world, "parent")
    again = pin(world, "again", after("parent"), carried(first, Asked.OVERRIDE))

    assert (first, Asked.OVERRIDE) == (again.snapshot, again.asked)


def test_a_parent_that_read_nothing_is_passed_over(world: World) -> None:
    """It failed before its first read; the root did not."""
    first = world.version(1)
    pin(world, "root")
    newest = world.version(2)

    assert first == pin(world, "again", after("parent", "root"), carried(newest)).snapshot
    assert world.recorded("parent") is None


def test_a_re_execution_has_what_its_parent_switched_to(world: World) -> None:
    """Neither the first snapshot of the parent, nor the one of the root, nor the latest."""
    world.version(1)
    pin(world, "root")
    pin(world, "parent", after("root"))
    second = world.version(2)
    assert second == switch(world, "parent", after("root")).snapshot
    world.version(3)
    again = pin(world, "again", after("parent", "root"), host="b")

    assert (second, 0, Asked.PARENT) == (again.snapshot, again.epoch, again.asked)


def test_a_re_execution_that_may_upgrade_goes_on_from_there(world: World) -> None:
    """It knows the revision that its parent had, so a safe point moves it forward only."""
    world.version(1)
    pin(world, "parent")
    unmoved = switch(world, "again", after("parent"))
    second = world.version(2)
    moved = switch(world, "again", after("parent"))

    assert (0, 1, second) == (unmoved.epoch, moved.epoch, moved.snapshot)


def test_a_chain_of_three_agrees_and_an_override_goes_along(world: World) -> None:
    """Sticky is sticky: nobody who follows switches at a safe point, and each pin says why."""
    first = world.version(1)
    world.version(2)
    pin(world, "one", proposal=carried(first, Asked.OVERRIDE))
    pin(world, "two", after("one"))
    pin(world, "three", after("two", "one"), host="b")
    world.version(3)
    pins = [switch(world, name, after("one")) for name in ("one", "two", "three")]

    assert [(first, Asked.OVERRIDE, 0)] * 3 == [(each.snapshot, each.asked, each.epoch) for each in pins]


def test_if_nobody_has_a_pin_the_run_decides_for_itself(world: World) -> None:
    """Its label first; and the channel if that was barred."""
    first, second = world.version(1), world.version(2)
    third = world.version(3)
    world.ledger.bar(first, actor="ada", reason="bad")
    found = [
        pin(world, name, after("parent", "root"), carried(label)).snapshot
        for name, label in (("r1", second), ("r2", first))
    ]

    assert [second, third] == found


def test_whoever_comes_first_decides_for_the_group(world: World) -> None:
    """By its label if it has one; what the others carry does not count, and the channel may move."""
    first, second = world.version(1), world.version(2)
    pins = [pin(world, "r1", after(group="g"), carried(first))]
    third = world.version(3)
    pins += [pin(world, "r2", after(group="g"), carried(second), host="b"), pin(world, "r3", after(group="g"))]

    assert [(first, Asked.PARENT)] * 3 == [(each.snapshot, each.asked) for each in pins]
    assert (first, third) == (world.recorded("g"), pin(world, "r4", after(group="h")).snapshot)


def test_a_label_that_is_barred_decides_for_no_group(world: World) -> None:
    """The group gets what the channel names."""
    first, second = world.version(1), world.version(2)
    world.ledger.bar(first, actor="ada", reason="bad")

    assert second == pin(world, "r1", after(group="g"), carried(first)).snapshot == world.recorded("g")


def test_a_member_with_an_override_decides_for_itself_only(world: World) -> None:
    """Its choice is none of the others' business."""
    first, second = world.version(1), world.version(2)

    assert first == pin(world, "r1", after(group="g"), carried(first, Asked.OVERRIDE)).snapshot
    assert world.recorded("g") is None
    assert second == pin(world, "r2", after(group="g")).snapshot


def test_a_run_that_it_repeats_comes_before_its_group(world: World) -> None:
    """A backfill of what failed may hold runs with a story of their own."""
    first = world.version(1)
    pin(world, "parent")
    second = world.version(2)

    assert first == pin(world, "r1", after("parent", group="g")).snapshot
    assert second == pin(world, "r2", after("unread", group="g")).snapshot == world.recorded("g")


class Meeting(Resolver):
    """Looks at the channel, then waits until somebody else has looked too."""

    looked: Event
    both: Barrier

    def present(self, scope: Scope, name: str = STABLE, *, patient: bool = True) -> Channel:
        """Return where the channel stood."""
        found = super().present(scope, name, patient=patient)
        self.looked.set()
        self.both.wait(30)
        return found


def test_two_members_that_decide_at_once_get_one_snapshot(world: World, tmp_path: Path) -> None:
    """Each has seen the channel at another version, on SQLite, each in its own connection; the ledger decides."""
    both = Barrier(2)
    looked = [Event(), Event()]

    def first_read(number: int) -> Pin:
        host = world.host(str(number))
        resolver = Meeting(world.store, world.store, host.cache, world.clock)
        resolver.looked, resolver.both = looked[number], both
        with Database.open(f"sqlite:///{tmp_path}/runpin.db", clock=SystemClock()) as database:
            ledger = SqlLedger(database)
            pinner = Pinner(ledger, ledger, resolver, host.cache, world.clock)
            return pinner.pin(Question(run_key(f"r{number}"), SCOPE, ancestry=after(group="g")))

    with ThreadPoolExecutor(2) as pool:
        seen = {world.version(1)}
        one = pool.submit(first_read, 0)
        assert looked[0].wait(30)
        seen.add(world.version(2))
        two = pool.submit(first_read, 1)
        decided = {one.result(60).snapshot, two.result(60).snapshot}

    assert (2, 1, True) == (len(seen), len(decided), decided < seen)


@pytest.mark.parametrize(
    ("earlier", "ancestry", "why"),
    [("parent", after("parent"), "parent, which this run repeats"), ("r1", after(group="g"), "g, which .* belongs to")],
)
def test_what_is_followed_and_barred_by_now_is_explained(
    world: World, earlier: str, ancestry: Ancestry, why: str
) -> None:
    """Never another snapshot in silence; an Override helps, and so does lifting the bar."""
    bad = world.version(1)
    pin(world, earlier, after(group="g"))
    good = world.version(2)
    world.ledger.bar(bad, actor="ada", reason="bad")

    with pytest.raises(SnapshotQuarantined, match=f"{why}, uses {bad}") as caught:
        pin(world, "again", ancestry, carried(good))
    assert ("Override" in str(caught.value.fix), None) == (True, world.recorded("again"))
    assert bad == pin(world, earlier, after(group="g")).snapshot
    assert good == pin(world, "chosen", ancestry, carried(good, Asked.OVERRIDE)).snapshot
    world.ledger.lift(bad, actor="ada", reason="good after all")
    assert bad == pin(world, "again", ancestry, carried(good)).snapshot
