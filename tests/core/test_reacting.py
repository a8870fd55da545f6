"""What follows from a channel's moves: each change once, whoever is killed, barred or away."""

from __future__ import annotations

from pathlib import Path

import pytest

from reacting_world import KEY, InterruptedReactions, KilledError, die, lose_the_answer, reactor_on
from runpin.errors import StoreUnavailable, UnknownChannel
from runpin.model import Channel, SnapshotId
from runpin.reacting import BARRED, FIRST_SIGHT, Reactor
from runpin.reactions import Reaction, ReactionKey
from runpin.testing.ledger_contract import AT, digest_number, snapshot_id
from world import SCOPE, Switch, World

Documents = dict[str, object]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One published version."""
    world = World(tmp_path)
    world.publish({"etl": 1})
    return world


@pytest.fixture
def switch() -> Switch:
    """Switch the record off and on."""
    return Switch()


@pytest.fixture
def reactions(switch: Switch) -> InterruptedReactions:
    """Return an empty record."""
    return InterruptedReactions(switch)


@pytest.fixture
def reactor(world: World, reactions: InterruptedReactions) -> Reactor:
    """Return the reactor of a process that has seen the first version."""
    reactor = reactor_on(world, reactions)
    reactor.look(KEY)
    return reactor


def due(reactor: Reactor) -> Reaction:
    """Return what is due, which has to be something."""
    found = reactor.look(KEY).due

    assert found is not None
    return found


def roll_back(world: World, snapshot: SnapshotId) -> Channel:
    """Move the channel to a version that was published before."""
    present = world.store.channel(SCOPE, "stable").revision
    return world.store.move(SCOPE, "stable", snapshot, expected_revision=present, actor="ada", reason="rollback")


def test_the_first_sight_launches_nothing(world: World, reactions: InterruptedReactions) -> None:
    """A sensor that is new does not start everything at once; it is on record what later moves are counted from."""
    look = reactor_on(world, reactions).look(KEY)
    again = reactor_on(world, reactions, "b").look(KEY)

    assert (None, None) == (look.due, again.due)
    assert look.why == f"revision 1: {look.standing.snapshot}, seen. {FIRST_SIGHT}"
    assert [FIRST_SIGHT] == [each.outcome for each in reactions.recorded(KEY)]


def test_the_first_sight_may_be_a_change(world: World, reactions: InterruptedReactions) -> None:
    """Then all documents are new."""
    reactor = reactor_on(world, reactions)
    found = reactor.look(KEY, react_to_first=True).due

    assert found is not None
    assert (1, None) == (found.revision, found.since)
    assert {"payments/etl"} == reactor.changed(found)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_whoever_dies_at_first_sight_launches_nothing_later(
    world: World, reactions: InterruptedReactions, moment: str
) -> None:
    """The next one finds it open, or not there, and ends it; a move meanwhile is counted from it, if it was there."""
    setattr(reactions, moment, die)
    with pytest.raises(KilledError):
        reactor_on(world, reactions).look(KEY)
    if moment == "after":
        world.publish({"etl": 2})
    reactor = reactor_on(world, reactions)

    assert reactor.look(KEY).due is None
    assert [FIRST_SIGHT] == [each.outcome for each in reactions.recorded(KEY)]
    assert (None if moment == "before" else 2) == getattr(reactor.look(KEY).due, "revision", None)


def test_a_move_is_due_until_it_is_ended(world: World, reactor: Reactor) -> None:
    """Every look says the same, in every process; after the end none does."""
    assert reactor.look(KEY).due is None
    moved = world.publish({"etl": 2})
    first, second = due(reactor), due(reactor)
    ended = reactor.end(first, "run 1")

    assert first == second
    assert (moved.revision, moved.snapshot, moved.digest) == (first.revision, first.snapshot, first.digest)
    assert reactor.look(KEY).due is None
    assert "seen. run 1" in reactor.look(KEY).why
    assert ended == reactor.end(first, "run 2")


def test_another_process_finds_the_same_due(world: World, reactor: Reactor, reactions: InterruptedReactions) -> None:
    """Whoever was killed after the look is followed by somebody who launches under the same label."""
    world.publish({"etl": 2})

    assert due(reactor) == due(reactor_on(world, reactions, "b"))


def test_moves_between_two_looks_are_one_change(world: World, reactor: Reactor) -> None:
    """The newest counts, and what any of them changed has changed."""
    world.publish({"etl": 1, "extra": 1})
    world.publish({"etl": 2, "extra": 1})
    found = due(reactor)
    reactor.end(found, "run 1")

    assert found.revision == 3
    assert {"payments/etl", "payments/extra"} == reactor.changed(found)
    assert reactor.look(KEY).due is None


def test_a_rollback_is_due_again(world: World, reactor: Reactor) -> None:
    """The snapshot was seen before, the move to it was not."""
    first = world.store.channel(SCOPE, "stable").snapshot
    world.publish({"etl": 2})
    new = due(reactor)
    reactor.end(new, "run 1")
    roll_back(world, first)
    back = due(reactor)

    assert (3, first, new.snapshot) == (back.revision, back.snapshot, back.since)
    assert reactor.changed(new) == reactor.changed(back) == {"payments/etl"}
    assert new.label != back.label


def test_an_open_reaction_comes_before_newer_moves(world: World, reactor: Reactor) -> None:
    """The newer one is counted from it."""
    world.publish({"etl": 2})
    first = due(reactor)
    world.publish({"etl": 3})

    assert first == due(reactor)
    reactor.end(first, "run 1")

    assert (3, first.snapshot) == (due(reactor).revision, due(reactor).since)


def test_who_comes_late_begins_nothing_older(world: World, reactor: Reactor, reactions: InterruptedReactions) -> None:
    """Between its look at the channel and its record, another process has finished a newer move."""
    world.publish({"etl": 2})
    other = reactor_on(world, reactions, "b")

    def meanwhile() -> None:
        world.publish({"etl": 3})
        other.end(due(other), "run of the other")

    reactions.before = meanwhile

    assert reactor.look(KEY).due is None
    assert [1, 3] == [each.revision for each in reactions.recorded(KEY)]


def test_who_comes_late_finishes_what_is_open(world: World, reactor: Reactor, reactions: InterruptedReactions) -> None:
    """Two reactions of one key are never open together."""
    world.publish({"etl": 2})
    other = reactor_on(world, reactions, "b")

    def meanwhile() -> None:
        world.publish({"etl": 3})
        due(other)

    reactions.before = meanwhile

    assert 3 == due(reactor).revision
    assert due(other) == due(reactor)


def test_a_replica_that_is_behind_makes_nothing_due(
    world: World, reactor: Reactor, reactions: InterruptedReactions
) -> None:
    """A revision below one that is on record is old news."""
    ahead = Reaction(KEY, 9, snapshot_id(9), digest_number(9), None, AT)
    reactions.end(reactions.begin(ahead), "run 1")
    world.publish({"etl": 2})

    assert reactor.look(KEY).due is None
    assert ahead.snapshot == getattr(reactions.newest(KEY), "snapshot", None)


def test_a_barred_snapshot_is_waited_out(world: World, reactor: Reactor, reactions: InterruptedReactions) -> None:
    """Nothing is begun while it is barred; it is due when that is lifted."""
    bad = world.publish({"etl": 2}).snapshot
    world.ledger.bar(bad, actor="ada", reason="broken")
    look = reactor.look(KEY)
    begun = reactions.newest(KEY)
    world.ledger.lift(bad, actor="ada", reason="was not the cause")

    assert look.due is None
    assert look.why == f"{bad} is barred from new pins; waiting for the channel to move"
    assert begun is not None
    assert (1, bad) == (begun.revision, due(reactor).snapshot)


def test_what_is_barred_before_its_end_is_not_due(world: World, reactor: Reactor) -> None:
    """Until it is lifted: then it is due as before."""
    bad = world.publish({"etl": 2}).snapshot
    begun = due(reactor)
    world.ledger.bar(bad, actor="ada", reason="broken")

    assert reactor.look(KEY).due is None
    world.ledger.lift(bad, actor="ada", reason="was not the cause")

    assert begun == due(reactor)


def test_what_a_barred_snapshot_changed_is_reported_with_the_next(
    world: World, reactor: Reactor, reactions: InterruptedReactions
) -> None:
    """It is ended without a launch when the channel moves on; changes it shares with the next one are not lost."""
    first = world.store.channel(SCOPE, "stable").snapshot
    bad = world.publish({"etl": 2, "extra": 1}).snapshot
    due(reactor)
    world.ledger.bar(bad, actor="ada", reason="broken")
    world.publish({"etl": 2, "extra": 2})
    found = due(reactor)

    assert [FIRST_SIGHT, BARRED, None] == [each.outcome for each in reactions.recorded(KEY)]
    assert (3, first) == (found.revision, found.since)
    assert {"payments/etl", "payments/extra"} == reactor.changed(found)


def test_a_first_sight_that_is_barred_is_no_sight(world: World, reactions: InterruptedReactions) -> None:
    """Later moves are counted from the first snapshot that may be used."""
    reactions.after = die
    with pytest.raises(KilledError):
        reactor_on(world, reactions).look(KEY)
    world.ledger.bar(world.store.channel(SCOPE, "stable").snapshot, actor="ada", reason="broken")
    reactor = reactor_on(world, reactions)
    barred = reactor.look(KEY).due
    world.publish({"etl": 2})

    assert (None, None) == (barred, reactor.look(KEY).due)
    assert [BARRED, FIRST_SIGHT] == [each.outcome for each in reactions.recorded(KEY)]


def test_a_channel_that_was_never_published_to_is_unknown(world: World, reactions: InterruptedReactions) -> None:
    """The engine decides whether that is worth an error."""
    with pytest.raises(UnknownChannel):
        reactor_on(world, reactions).look(ReactionKey("test", "default", "job:reprice", SCOPE, "canary"))


@pytest.mark.parametrize("away", ["store", "ledger", "record"])
def test_a_backend_that_is_away_loses_nothing(world: World, reactor: Reactor, switch: Switch, away: str) -> None:
    """A look that cannot know says so; the first one after that finds what moved meanwhile."""
    switches = {"store": world.store_switch, "ledger": world.ledger_switch, "record": switch}
    world.publish({"etl": 2})
    switches[away].off = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            reactor.look(KEY)
    switches[away].off = False

    assert 2 == due(reactor).revision


def test_a_store_that_is_away_is_not_replaced_by_memory(
    world: World, reactor: Reactor, reactions: InterruptedReactions
) -> None:
    """What this host remembers of a channel is good enough for a run, not for saying that nothing moved."""
    world.store_switch.off = True
    with pytest.raises(StoreUnavailable, match="whether the channel moved"):
        reactor.look(KEY)
    with pytest.raises(StoreUnavailable):
        reactor_on(world, reactions, "b").look(KEY)


def test_an_answer_that_is_lost_changes_nothing(
    world: World, reactor: Reactor, reactions: InterruptedReactions
) -> None:
    """Whether it was begun or ended is found out by the next look."""
    world.publish({"etl": 2})
    reactions.after = lose_the_answer
    with pytest.raises(StoreUnavailable):
        reactor.look(KEY)
    begun = due(reactor)
    reactions.after = lose_the_answer
    with pytest.raises(StoreUnavailable):
        reactor.end(begun, "run 1")

    assert reactor.look(KEY).due is None
    assert "run 1" == reactor.end(begun, "run 2").outcome


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"payments/a"}),
        ({"a": 1}, {"a": 1, "b": 1}, {"payments/b"}),
        ({"a": 1, "b": 1}, {"a": 1}, {"payments/b"}),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}, {"payments/a", "payments/b"}),
        ({"a": 1}, {"b": 1}, {"payments/a", "payments/b"}),
    ],
)
def test_changed_documents_are_told(
    tmp_path: Path, reactions: InterruptedReactions, before: Documents, after: Documents, changed: set[str]
) -> None:
    """Those that differ, came or went."""
    world = World(tmp_path)
    world.publish(before)
    reactor = reactor_on(world, reactions)
    reactor.look(KEY)
    world.publish(after)

    assert changed == reactor.changed(due(reactor))


def test_a_move_to_the_same_snapshot_changes_nothing(world: World, reactor: Reactor) -> None:
    """The revision is new and due; the engine may end it without a launch."""
    roll_back(world, world.store.channel(SCOPE, "stable").snapshot)

    assert frozenset() == reactor.changed(due(reactor))


def test_what_changed_cannot_be_told_without_the_store(
    world: World, reactor: Reactor, reactions: InterruptedReactions
) -> None:
    """On a host that never saw the snapshots; the reaction stays due."""
    world.publish({"etl": 2})
    found = due(reactor)
    world.store_switch.off = True
    with pytest.raises(StoreUnavailable):
        reactor_on(world, reactions, "b").changed(found)
    world.store_switch.off = False

    assert {"payments/etl"} == reactor_on(world, reactions, "b").changed(found)
