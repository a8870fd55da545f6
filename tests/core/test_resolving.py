"""Memory, disk, store: where bytes come from, and what is said about their age."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from runpin.errors import StoreCorrupt, StoreUnavailable, UnknownChannel
from runpin.model import STABLE, Channel, Digest, Scope
from runpin.resolving import Resolver
from world import SCOPE, World


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

    assert [2, 2] == [resolver.channel(SCOPE).channel.revision for _ in range(2)]


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
