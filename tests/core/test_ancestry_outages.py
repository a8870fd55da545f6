"""What a run that follows others reads while the ledger or the store is away, and what that is worth afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runpin.ancestry import ALONE, Ancestry
from runpin.errors import ConfigUnavailable, PinConflict
from runpin.model import Asked, Behavior, Pin, RunKey
from runpin.proposing import Proposal
from runpin.rerunning import BackfillPolicy, Event, Rerun
from world import Switch, World, after, carried, run_key


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two backends, nothing published."""
    return World(tmp_path)


@contextmanager
def away(*switches: Switch) -> Iterator[None]:
    """Switch backends off meanwhile."""
    for each in switches:
        each.off = True
    try:
        yield
    finally:
        for each in switches:
            each.off = False


def pin(
    world: World, name: str, ancestry: Ancestry = ALONE, proposal: Proposal | None = None, *, host: str = "a"
) -> Pin:
    """Return what a new process of the run reads."""
    return world.host(host).run(name, proposal, ancestry=ancestry).pin("payments")


def switch(world: World, name: str, *, host: str) -> Pin:
    """Return what a new process of the run, which may upgrade, has after a safe point."""
    run = world.host(host).run(name, behavior=Behavior.AUTO_UPGRADE)
    run.pin("payments")
    return run.safe_point()["payments"]


def test_what_this_host_knows_of_the_parent_is_used_and_confirmed_later(world: World) -> None:
    """Not the label, which names another; marked until the ledger has it, and then every host agrees."""
    first = world.version(1)
    pin(world, "parent")
    label = carried(world.version(2))
    with away(world.ledger_switch, world.store_switch):
        unconfirmed = pin(world, "again", after("parent", "root"), label)
        held = world.recorded("again")
    confirmed = pin(world, "again", after("parent", "root"), label)

    assert (first, Asked.PARENT, False, None) == (
        *(unconfirmed.snapshot, unconfirmed.asked, unconfirmed.confirmed),
        held,
    )
    assert (first, Asked.PARENT, True) == (confirmed.snapshot, confirmed.asked, confirmed.confirmed)
    assert confirmed == pin(world, "again", host="b")


@pytest.mark.parametrize("host", ["a", "b"])
@pytest.mark.parametrize("ancestry", [after("parent", "root"), after("parent", group="g"), after(group="h")])
def test_without_a_note_of_the_nearest_there_is_an_error_worth_a_retry(
    world: World, ancestry: Ancestry, host: str
) -> None:
    """A note of the root or of the group does not count, for the parent may have switched; nor do label and channel."""
    first = world.version(1)
    pin(world, "root")
    pin(world, "member", after(group="g"))
    world.host(host).resolver.find(first)
    with away(world.ledger_switch), pytest.raises(ConfigUnavailable) as caught:
        pin(world, "again", ancestry, carried(first), host=host)

    assert (True, None) == (caught.value.retryable, world.recorded("again"))


def test_what_only_the_ledger_can_tell_is_asked_for_when_it_matters(world: World) -> None:
    """Not of a run that has a pin; and an outage is the same error then as for anything else that needs the ledger."""
    first = world.version(1)
    pin(world, "before")
    world.version(2)
    asked, lookup = list[str](), Switch()

    def search() -> list[RunKey]:
        asked.append("search")
        lookup.check()
        return [run_key("before")]

    again = Ancestry(group=run_key("g"), search=search)
    rerun = Rerun(Event.BACKFILL, backfill=BackfillPolicy.ORIGINAL, number=1)
    run = world.host().run("again", ancestry=again, rerun=rerun)
    for switch_off in (world.ledger_switch, lookup):
        with away(switch_off), pytest.raises(ConfigUnavailable):
            run.pin("payments")
    decided = [run.pin("payments"), world.host("b").run("again", ancestry=again, rerun=rerun).pin("payments")]

    assert [first, first] == [each.snapshot for each in decided]
    assert ["search"] * 2 == asked


def test_the_next_member_of_a_group_knows_what_the_first_one_decided(world: World) -> None:
    """On the same host; on another nobody has heard of it."""
    first = world.version(1)
    pin(world, "r1", after(group="g"))
    label = carried(world.version(2))
    with away(world.ledger_switch):
        second = pin(world, "r2", after(group="g"), label)
        with pytest.raises(ConfigUnavailable):
            pin(world, "r3", after(group="g"), label, host="b")

    assert (first, False) == (second.snapshot, second.confirmed)
    assert [first, first] == [pin(world, name, after(group="g"), label).snapshot for name in ("r2", "r3")]


def test_an_override_needs_nobody(world: World) -> None:
    """It comes before the parent in an outage too, and stays what it is when it is confirmed."""
    world.version(1)
    pin(world, "parent")
    chosen = carried(world.version(2), Asked.OVERRIDE)
    world.host().resolver.find(chosen.pins["payments"])
    with away(world.ledger_switch):
        read = [pin(world, "again", after("parent"), chosen)]
    read.append(pin(world, "again", after("parent"), chosen))

    assert [(chosen.pins["payments"], Asked.OVERRIDE)] * 2 == [(each.snapshot, each.asked) for each in read]


def test_an_override_is_inherited_in_an_outage_too(world: World) -> None:
    """What this host knows of the parent includes that somebody chose it."""
    chosen = carried(world.version(1), Asked.OVERRIDE)
    pin(world, "parent", proposal=chosen)
    with away(world.ledger_switch):
        unconfirmed = pin(world, "again", after("parent"))

    assert [Asked.OVERRIDE] * 2 == [unconfirmed.asked, pin(world, "again", after("parent")).asked]


def test_its_own_pin_is_enough(world: World) -> None:
    """A run that this host knows reads on, whatever it knows of others."""
    first = world.version(1)
    pin(world, "again")
    world.version(2)
    pin(world, "parent")
    with away(world.ledger_switch):
        own = pin(world, "again", after("parent"))

    assert (first, True) == (own.snapshot, own.confirmed)


def test_what_this_host_knows_as_barred_is_not_followed(world: World) -> None:
    """Whoever is asked later explains it."""
    bad = world.version(1)
    pin(world, "parent")
    world.host().resolver.note_barred("prod", [bad])
    with away(world.ledger_switch), pytest.raises(ConfigUnavailable):
        pin(world, "again", after("parent"))


def test_a_store_that_is_away_keeps_nobody_from_following(world: World) -> None:
    """The ledger knows the parent's pin and the group's; only a group that nobody decided has to wait."""
    first = world.version(1)
    pin(world, "parent")
    pin(world, "r1", after(group="g"))
    with away(world.store_switch):
        found = [pin(world, "r2", ancestry, host="b") for ancestry in (after("parent"), after(group="g"))]
        with pytest.raises(ConfigUnavailable):
            pin(world, "r3", after(group="h"), host="b")

    assert [(first, True)] * 2 == [(each.snapshot, each.confirmed) for each in found]
    assert world.recorded("h") is None


def test_a_parent_that_had_switched_elsewhere_is_a_conflict(world: World) -> None:
    """What this host knew was old. The run says so and records nothing, instead of a second configuration."""
    world.version(1)
    pin(world, "parent", host="a")
    second = world.version(2)
    switch(world, "parent", host="b")
    with away(world.ledger_switch):
        assert second != pin(world, "again", after("parent"), host="a").snapshot

    for _ in range(2):
        with pytest.raises(PinConflict, match=f"parent, which it follows, uses {second}"):
            pin(world, "again", after("parent"), host="a")
    assert world.recorded("again") is None
    assert second == pin(world, "another", after("parent"), host="a").snapshot


def test_what_was_followed_in_an_outage_and_is_barred_by_now_is_a_conflict(world: World) -> None:
    """As with a label that was read in an outage."""
    bad = world.version(1)
    pin(world, "parent")
    with away(world.ledger_switch):
        pin(world, "again", after("parent"))
    world.version(2)
    world.ledger.bar(bad, actor="ada", reason="bad")

    with pytest.raises(PinConflict, match="barred"):
        pin(world, "again", after("parent"))


def test_what_the_parent_read_in_an_outage_is_followed(world: World) -> None:
    """It failed before it could confirm it; this host knows, and puts it on record for both."""
    first = world.version(1)
    with away(world.ledger_switch):
        world.host().resolver.find(first)
        pin(world, "parent", proposal=carried(first))
    newest = world.version(2)
    again = pin(world, "again", after("parent"), carried(newest))

    assert (first, True, first) == (again.snapshot, again.confirmed, world.recorded("parent"))
    assert first == pin(world, "parent", host="b").snapshot


@pytest.mark.parametrize("chosen", [True, False])
def test_what_the_parent_read_in_an_outage_has_to_agree_with_the_root(world: World, chosen: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    """Unless somebody chose it: then it never followed the root."""
    first = world.version(1)
    pin(world, "root", host="a")
    second = world.version(2)
    switch(world, "root", host="b")
    with away(world.ledger_switch):
        pin(world, "parent", after("root"), carried(first, Asked.OVERRIDE) if chosen else None)
    if chosen:
        assert first == pin(world, "again", after("parent", "root")).snapshot
        return
    with pytest.raises(PinConflict, match=f"root, which it follows, uses {second}"):
        pin(world, "again", after("parent", "root"))

    assert [None, None] == [world.recorded(name) for name in ("again", "parent")]


@pytest.mark.parametrize("ancestry", [ALONE, after("parent")])
def test_an_unconfirmed_run_does_not_switch(world: World, ancestry: Ancestry) -> None:
    """The ledger is back before the safe point, but has no first epoch to go on from; the next process makes one."""
    first = world.version(1)
    pin(world, "parent")
    label = carried(first)
    with away(world.ledger_switch):
        run = world.host().run("r1", label, Behavior.AUTO_UPGRADE, ancestry=ancestry)
        run.pin("payments")
    second = world.version(2)
    stayed = run.safe_point()["payments"]
    later = world.host().run("r1", label, Behavior.AUTO_UPGRADE, ancestry=ancestry)
    later.pin("payments")
    moved = later.safe_point()["payments"]

    assert (first, 0, False) == (stayed.snapshot, stayed.epoch, stayed.confirmed)
    assert (second, 1, True) == (moved.snapshot, moved.epoch, moved.confirmed)
