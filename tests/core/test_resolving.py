"""Memory, disk, store: where bytes come from, and what is said about their age."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from runpin.errors import StoreCorrupt, StoreUnavailable, UnknownChannel
from runpin.model import STABLE, Channel, Digest, Scope, SnapshotId
from runpin.resolving import Resolution, Resolver
from world import SCOPE, Host, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One published version."""
    world = World(tmp_path)
    world.publish({"etl": {"batch_size": 1}})
    return world


def test_a_channel_is_answered_by_the_store(world: World) -> None:
    """A store that answers is never second-guessed."""
    found = world.host().resolver.channel(SCOPE)

    assert (1, False) == (found.channel.revision, found.stale)


def test_without_the_store_the_hosts_own_note_answers_with_its_age(world: World) -> None:
    """A stale answer says that it is one."""
    world.host().resolver.channel(SCOPE)
    world.store_switch.off = True
    world.clock.advance(90)
    found = world.host().resolver.channel(SCOPE)

    assert (1, True, timedelta(seconds=90)) == (found.channel.revision, found.stale, found.age)
    assert "switched off" == found.reason


def test_without_the_store_and_without_a_note_it_is_unavailable(world: World) -> None:
    """A host that never saw the channel does not make one up."""
    world.store_switch.off = True

    with pytest.raises(StoreUnavailable, match="never saw"):
        world.host().resolver.channel(SCOPE)


def test_an_unknown_channel_is_not_an_outage(world: World) -> None:
    """Nothing published is another answer than no answer."""
    with pytest.raises(UnknownChannel):
        world.host().resolver.channel(Scope("reports", "prod"))


class Lagging:
    """A replica that is behind: it answers with what it is told to."""

    def __init__(self, answers: list[Channel]) -> None:
        self.answers = answers

    def channel(self, scope: Scope, name: str) -> Channel:
        """Return the next answer."""
        del scope, name
        return self.answers.pop(0)

    def channels(self, environment: str, tenant: str | None) -> list[Channel]:
        """Return nothing; not used here."""
        del environment, tenant
        return []

    def move(self, *_: object, **__: object) -> Channel:
        """Refuse; not used here."""
        raise NotImplementedError


def test_the_revision_one_process_sees_never_goes_back(world: World) -> None:
    """A replica that is behind does not undo what was seen."""
    first = world.store.channel(SCOPE, STABLE)
    second = world.publish({"etl": {"batch_size": 2}})
    host = world.host()
    resolver = Resolver(world.store, Lagging([second, first]), host.cache, world.clock)

    fresh, old = resolver.channel(SCOPE), resolver.channel(SCOPE)

    assert [2, 2] == [fresh.channel.revision, old.channel.revision]
    assert "the store says so" == fresh.reason
    assert "the store is behind: it says revision 1, and 2 was seen" == old.reason


def test_a_document_comes_from_the_disk_of_a_host_that_read_it(world: World) -> None:
    """The second process on a host needs no store."""
    channel = world.store.channel(SCOPE, STABLE)
    resolver = world.host().resolver
    resolver.warm(resolver.snapshot(channel.digest, 1))
    world.store_switch.off = True
    other = world.host().resolver

    assert 1 == other.document(other.snapshot(channel.digest, 1), "etl")["batch_size"]


def test_a_store_that_hands_out_other_bytes_is_caught(world: World) -> None:
    """Content is checked against its name before anybody reads it."""
    channel = world.store.channel(SCOPE, STABLE)
    snapshot = world.host().resolver.snapshot(channel.digest, 1)
    world.store._objects[snapshot.documents["etl"]] = b'{"batch_size":1000000}'  # noqa: SLF001 - damage on purpose

    with pytest.raises(StoreCorrupt):
        world.host().resolver.document(snapshot, "etl")


def test_memory_holds_a_bounded_number_of_documents(world: World) -> None:
    """A long-lived process that reads many documents does not grow for ever."""
    names = {f"d{number}": {"n": number} for number in range(300)}
    channel = world.publish(names)
    resolver = world.host().resolver
    snapshot = resolver.snapshot(channel.digest, 2)
    for name in names:
        resolver.document(snapshot, name)

    held: dict[Digest, object] = dict(resolver._documents)  # noqa: SLF001 - the bound is not public
    assert 256 == len(held)


BAKE = timedelta(minutes=5)


def stand(world: World, seconds: float, host: Host | None = None) -> Resolver:
    """Let a host see the channel, and see it again after *seconds*; return what asked the second time."""
    (host or world.host()).resolver.channel(SCOPE)
    world.clock.advance(seconds)
    again = world.host().resolver
    again.channel(SCOPE)
    return again


def read_all(world: World) -> None:
    """Bring what the channel names onto the host's disk."""
    resolver = world.host().resolver
    found = resolver.present(SCOPE)
    resolver.warm(resolver.snapshot(found.digest, found.snapshot.sequence))


def away(world: World, *barred: SnapshotId) -> Resolution:
    """Return what a new process knows of the channel without the store; *barred* is what the host knows as barred."""
    resolver = world.host().resolver
    if barred:
        resolver.note_barred("prod", barred)
    world.store_switch.off = True
    try:
        return resolver.channel(SCOPE)
    finally:
        world.store_switch.off = False


def test_the_age_counts_from_the_last_time_the_host_saw_it(world: World) -> None:
    """Not from the first: a channel that stands for weeks is not weeks old."""
    resolver = world.host().resolver
    for _ in range(10):
        resolver.channel(SCOPE)
        world.clock.advance(60)

    assert timedelta(seconds=60) == away(world).age


def test_what_stood_for_its_bake_answers_when_the_newest_is_barred(world: World) -> None:
    """A bad snapshot that came last is not what a host goes on from, and the answer says so."""
    read_all(world)
    stand(world, BAKE.total_seconds())
    good = world.host().resolver.channel(SCOPE).channel
    bad = world.version(2)
    read_all(world)
    before, found = away(world), away(world, bad)

    assert (bad, 2, True) == (before.channel.snapshot, before.channel.revision, before.stale)
    assert (good, True) == (found.channel, found.stale)
    assert f"switched off; {bad} is barred from new pins, so this is the LastKnownGood, revision 1" == found.reason


def test_what_stood_for_its_bake_answers_when_the_newest_is_not_whole(world: World) -> None:
    """A document of the newest was never read here, so nobody could go on from it."""
    read_all(world)
    stand(world, BAKE.total_seconds())
    newest = world.version(2)
    world.host().resolver.channel(SCOPE)
    found = away(world)

    assert 1 == found.channel.revision
    assert f"switched off; {newest} is not whole on this host's disk, so this is the LastKnownGood, revision 1" == (
        found.reason
    )


def test_a_damaged_document_on_the_disk_counts_as_none(world: World) -> None:
    """Neither the newest nor the one that proved good is offered if a byte of it is wrong."""
    read_all(world)
    stand(world, BAKE.total_seconds())
    world.version(2)
    read_all(world)
    snapshot = world.host().resolver.snapshot(world.store.channel(SCOPE, STABLE).digest, 2)
    body = snapshot.documents["etl"]
    (world.folder / "a/v1/objects" / body[:2] / body).write_bytes(b"damaged")
    found = away(world)

    assert (1, True) == (found.channel.revision, "LastKnownGood" in found.reason)


@pytest.mark.parametrize(("seconds", "reads", "barred"), [(299, True, False), (300, False, False), (300, True, True)])
def test_what_did_not_prove_good_is_not_offered(world: World, seconds: float, *, reads: bool, barred: bool) -> None:
    """It has to stand for the whole bake, be whole on this disk, and not be barred meanwhile."""
    first = world.store.channel(SCOPE, STABLE).snapshot
    if reads:
        read_all(world)
    if barred:
        world.host().resolver.note_barred("prod", [first])
    stand(world, seconds)
    if barred:
        world.host().resolver.note_barred("prod", [])
    bad = world.version(2)
    world.host().resolver.channel(SCOPE)
    found = away(world, bad)

    assert (2, True) == (found.channel.revision, found.stale)
    assert f"switched off; {bad} is barred from new pins, and nothing older proved good" == found.reason


def test_a_bake_begins_anew_with_each_move(world: World) -> None:
    """There and back again is not the same as having stood."""
    read_all(world)
    first = world.store.channel(SCOPE, STABLE)
    stand(world, 200)
    second = world.version(2)
    stand(world, 1)
    moved = world.store.move(SCOPE, STABLE, first.snapshot, expected_revision=2, actor="ada", reason="back")
    stand(world, 200)

    assert world.host().resolver.channel(SCOPE).channel == moved
    third = world.version(3)
    world.host().resolver.channel(SCOPE)
    assert "nothing older proved good" in away(world, third, second).reason


class Hasty(Resolver):
    """The bug: the newest state is taken for a good one as soon as it is seen."""

    def note_channels(self, channels: Iterable[Channel]) -> None:
        """Prove at once."""
        for channel in channels:
            seen = self._notes.see(channel)
            if seen is not None:
                self._prove(seen)


def test_a_bad_snapshot_that_overwrites_the_good_one_is_caught(world: World) -> None:
    """Seeded: without a bake, what is needed on a bad day was replaced by what made it bad."""
    read_all(world)
    stand(world, BAKE.total_seconds())
    bad = world.version(2)
    read_all(world)
    host = world.host()
    Hasty(world.store, world.store, host.cache, world.clock).channel(SCOPE)

    with pytest.raises(AssertionError):
        assert "LastKnownGood" in away(world, bad).reason


class Forgetful:
    """A disk that takes nothing and gives nothing."""

    def get_object(self, digest: Digest) -> bytes | None:
        """Know nothing."""
        del digest
        return None

    def put_object(self, digest: Digest, body: bytes) -> None:
        """Take nothing."""

    def recall(self, kind: str, key: str) -> bytes | None:
        """Know nothing."""
        del kind, key
        return None

    def remember(self, kind: str, key: str, note: bytes) -> None:
        """Take nothing."""


def test_a_full_disk_is_made_up_for_by_memory(world: World) -> None:
    """A process that has seen the channel and what is barred goes on from that."""
    resolver = Resolver(world.store, world.store, Forgetful(), world.clock)
    snapshot = resolver.channel(SCOPE).channel.snapshot
    resolver.note_barred("prod", [snapshot])
    world.store_switch.off = True

    assert (1, True) == (resolver.channel(SCOPE).channel.revision, resolver.channel(SCOPE).stale)
    assert resolver.known_barred(snapshot)


def test_the_stores_own_word_is_never_a_guess(world: World) -> None:
    """Whoever decides by where a channel stands gets an error instead of what was."""
    resolver = world.host().resolver
    resolver.channel(SCOPE)
    world.store_switch.off = True

    with pytest.raises(StoreUnavailable, match="switched off"):
        resolver.present(SCOPE)


@pytest.mark.parametrize("answer", [b"", b"{}", b"<html>Log in</html>", b'{"batch_size":1'])
def test_an_answer_of_other_bytes_is_an_error_and_is_not_kept(world: World, answer: bytes) -> None:
    """Cut, empty, or a page of some proxy: never configuration, and the right one is fetched next time."""
    channel = world.store.channel(SCOPE, STABLE)
    host = world.host()
    snapshot = host.resolver.snapshot(channel.digest, 1)
    digest = snapshot.documents["etl"]
    right = world.store._objects[digest]  # noqa: SLF001 - damage on purpose
    world.store._objects[digest] = answer  # noqa: SLF001 - see above
    with pytest.raises(StoreCorrupt):
        host.resolver.document(snapshot, "etl")
    world.store._objects[digest] = right  # noqa: SLF001 - see above

    assert 1 == host.resolver.document(snapshot, "etl")["batch_size"]
