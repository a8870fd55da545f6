"""What every store promises that follows another one: its names and numbers, and never an earlier stand again."""

# ruff: noqa: S101 - this module is a test suite that ships

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Protocol

import pytest

from runpin.errors import StoreCorrupt, UnknownChannel, UnknownSnapshot
from runpin.mirrors import Replica
from runpin.model import Channel, Scope, Snapshot, SnapshotId, digest_of
from runpin.ports import ChannelStore, History, SnapshotStore, Tenancy
from runpin.testing.ledger_contract import at_once
from runpin.testing.store_contract import COMMIT, SCOPE, TENANT, bodies_of, move, publish, unpublished

MOVED = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


class Following(SnapshotStore, ChannelStore, History, Tenancy, Replica, Protocol):
    """What the contract is about: a store, and what brings it to where another one stands."""


def snapshot_of(number: int, sequence: int, scope: Scope = SCOPE) -> Snapshot:
    """Return the snapshot whose one document holds *number*, as another store has listed it."""
    return replace(unpublished(scope, bodies_of({"limits": {"limit": number}})), sequence=sequence)


def channel_at(revision: int, snapshot: Snapshot, name: str = "stable") -> Channel:
    """Return where a channel stands in another store."""
    at = MOVED + timedelta(minutes=revision)
    return Channel(snapshot.scope, name, revision, snapshot.id, snapshot.digest, at)


def adopt(replica: Following, number: int, sequence: int, scope: Scope = SCOPE) -> Snapshot:
    """Store what belongs to a snapshot, list it, and return it."""
    body = bodies_of({"limits": {"limit": number}})["limits"]
    replica.put_objects({digest_of(body): body})
    snapshot = snapshot_of(number, sequence, scope)
    replica.adopt(snapshot, COMMIT, "ci")
    return snapshot


def follow(replica: Following, channel: Channel) -> Channel:
    """Bring a channel to where *channel* says."""
    return replica.follow(channel, actor="ada", reason=f"because {channel.revision}")


class ReplicaContract:
    """The tests; a subclass gives `replica`, an empty one for each test, which nothing was barred from."""

    @pytest.fixture
    def replica(self) -> Following:
        """Return an empty store."""
        raise NotImplementedError

    def test_a_snapshot_keeps_its_number(self, replica: Following) -> None:
        """Whatever came before it there, and in whatever order they come here."""
        listed = [adopt(replica, number, sequence) for number, sequence in ((1, 5), (2, 2), (3, 9))]

        assert listed == [replica.find(each.id) for each in listed]
        assert listed == [replica.find(SnapshotId.parse(str(each.id))) for each in listed]
        for unheard in (1, 4, 10):
            with pytest.raises(UnknownSnapshot):
                replica.find(replace(listed[0].id, sequence=unheard))

    def test_to_adopt_once_more_changes_nothing(self, replica: Following) -> None:
        """Not the number, and not the history, which names the commit and who published it."""
        first, second = adopt(replica, 1, 3), adopt(replica, 2, 4)
        adopt(replica, 1, 3)
        lines = replica.publications(SCOPE, 10)

        assert [second.id, first.id] == [line.snapshot for line in lines]
        assert {(COMMIT, "ci")} == {(line.commit, line.actor) for line in lines}

    def test_what_is_listed_is_complete(self, replica: Following) -> None:
        """Before its objects are stored a snapshot is refused, and nobody sees it."""
        snapshot = snapshot_of(1, 3)

        with pytest.raises(StoreCorrupt):
            replica.adopt(snapshot, COMMIT, "ci")
        with pytest.raises(UnknownSnapshot):
            replica.find(snapshot.id)
        assert replica.publications(SCOPE, 10) == ()

    def test_a_number_is_never_given_twice(self, replica: Following) -> None:
        """Neither to another content, nor to another tenant, nor one content two of them."""
        first = adopt(replica, 1, 3)
        adopt(replica, 2, 4)

        for content, sequence, scope in ((7, 3, SCOPE), (8, 3, TENANT), (1, 5, SCOPE)):
            with pytest.raises(StoreCorrupt):
                adopt(replica, content, sequence, scope)
        assert first == replica.find(first.id)

    def test_many_adopt_at_once(self, replica: Following) -> None:
        """Each snapshot has its own number and one line of history, however many bring it."""
        listed = at_once(8, lambda number: adopt(replica, number // 2, number // 2 + 3))

        assert listed == [replica.find(each.id) for each in listed]
        assert sorted(each.snapshot.sequence for each in replica.publications(SCOPE, 20)) == [3, 4, 5, 6]

    def test_a_channel_keeps_its_revision(self, replica: Following) -> None:
        """And the moment at which it was moved; who and why are in the history, with what was left here."""
        first, second = adopt(replica, 1, 3), adopt(replica, 2, 4)
        with pytest.raises(UnknownChannel):
            replica.channel(SCOPE, "stable")
        stood = [follow(replica, channel_at(4, first)), follow(replica, channel_at(9, second))]
        lines = replica.moves(SCOPE, "stable", 10)

        assert [channel_at(4, first), channel_at(9, second)] == stood == [line.channel for line in reversed(lines)]
        assert (stood[1], stood[1]) == (replica.channel(SCOPE, "stable"), *replica.channels("prod", None))
        assert [("ada", "because 9", first.id), ("ada", "because 4", None)] == [
            (line.actor, line.reason, line.previous) for line in lines
        ]
        assert lines[:1] == replica.moves(SCOPE, "stable", 1)

    def test_a_channel_never_goes_back(self, replica: Following) -> None:
        """Who is late changes nothing, and is told where it stands."""
        first, second = adopt(replica, 1, 3), adopt(replica, 2, 4)
        newest = follow(replica, channel_at(9, second))

        assert [newest] * 3 == [follow(replica, channel_at(revision, first)) for revision in (1, 4, 8)]
        assert newest == follow(replica, channel_at(9, second)) == replica.channel(SCOPE, "stable")
        assert [line.channel.revision for line in replica.moves(SCOPE, "stable", 10)] == [9]

    def test_of_many_that_follow_the_newest_stays(self, replica: Following) -> None:
        """In whatever order they come, the history goes forwards only."""
        listed = [adopt(replica, number, number + 1) for number in range(4)]
        order = Random(5).sample(range(8), 8)  # noqa: S311 - an order that can be repeated
        at_once(8, lambda number: follow(replica, channel_at(order[number] + 1, listed[order[number] % 4])))
        revisions = [line.channel.revision for line in replica.moves(SCOPE, "stable", 20)]

        assert channel_at(8, listed[3]) == replica.channel(SCOPE, "stable")
        assert sorted(set(revisions), reverse=True) == revisions

    def test_a_revision_that_names_something_else_is_an_error(self, replica: Following) -> None:
        """Then somebody moves the channel here, too."""
        first, second = adopt(replica, 1, 3), adopt(replica, 2, 4)
        standing = follow(replica, channel_at(4, first))

        with pytest.raises(StoreCorrupt):
            follow(replica, channel_at(4, second))
        assert standing == replica.channel(SCOPE, "stable")

    def test_a_channel_names_only_what_was_adopted(self, replica: Following) -> None:
        """For its own scope; nobody sees a channel that leads nowhere."""
        adopt(replica, 1, 3)
        foreign = adopt(replica, 2, 4, TENANT)

        for wrong in (channel_at(1, snapshot_of(5, 8)), replace(channel_at(1, foreign), scope=SCOPE)):
            with pytest.raises(UnknownSnapshot):
                follow(replica, wrong)
        with pytest.raises(UnknownChannel):
            replica.channel(SCOPE, "stable")

    def test_it_can_go_on_by_itself(self, replica: Following) -> None:
        """On the day on which it is made the store that decides, numbers and revisions go on from where it stands."""
        first = adopt(replica, 1, 3)
        second = adopt(replica, 2, 7)
        follow(replica, channel_at(4, first))
        follow(replica, channel_at(9, second))
        own = publish(replica, 3)
        moved = move(replica, own, 9)
        back = move(replica, first, 10)

        assert (own.sequence, moved.revision, back.revision) == (8, 10, 11)
        assert [publish(replica, 2).sequence, publish(replica, 1).sequence] == [7, 3]
        assert [line.channel.revision for line in replica.moves(SCOPE, "stable", 10)] == [11, 10, 9, 4]
        assert [line.previous for line in replica.moves(SCOPE, "stable", 2)] == [own.id, second.id]
