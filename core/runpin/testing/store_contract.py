"""What every store promises: content by digest, snapshots that are complete, channels moved by compare-and-set."""

# ruff: noqa: S101 - this module is a test suite that ships

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

import pytest

from runpin.canonical import canonical, snapshot_of
from runpin.errors import RevisionConflict, SnapshotQuarantined, StoreCorrupt, UnknownChannel, UnknownSnapshot
from runpin.model import Channel, Commit, Digest, Scope, Snapshot, SnapshotId, digest_of
from runpin.ports import ChannelStore, History, Quarantine, SnapshotStore, Tenancy
from runpin.testing.ledger_contract import at_once

SCOPE = Scope("payments", "prod")
TENANT = Scope("payments", "prod", "acme")
COMMIT = Commit(
    "c" * 40,
    "https://git.example.org/config",
    "main",
    "Ada <ada@example.org>",
    "Raise the limit\n\nBecause.",
    datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))),
)


class Store(SnapshotStore, ChannelStore, History, Tenancy, Protocol):
    """What the contract is about: snapshots, channels, and what happened to them."""


def bodies_of(documents: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the canonical body of each document."""
    return {name: canonical(value) for name, value in documents.items()}


def unpublished(scope: Scope, bodies: Mapping[str, bytes]) -> Snapshot:
    """Return the snapshot of *bodies*, which no store knows yet."""
    return snapshot_of(scope, {name: digest_of(body) for name, body in bodies.items()})


def publish(store: Store, limit: int, scope: Scope = SCOPE, commit: Commit = COMMIT) -> Snapshot:
    """Store and list a snapshot whose one document holds *limit*."""
    bodies = bodies_of({"limits": {"limit": limit}})
    store.put_objects({digest_of(body): body for body in bodies.values()})
    return store.commit(unpublished(scope, bodies), commit, "ci")


def move(store: Store, to: Snapshot, expected: int, name: str = "stable") -> Channel:
    """Move a channel of the snapshot's scope to it."""
    return store.move(to.scope, name, to.id, expected_revision=expected, actor="ada", reason="because")


class StoreContract:
    """The tests; a subclass gives `store`, an empty one for each test, and the `quarantine` it looks at."""

    @pytest.fixture
    def quarantine(self) -> Quarantine:
        """Return the quarantine that the store asks before it moves a channel."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, quarantine: Quarantine) -> Store:
        """Return an empty store."""
        raise NotImplementedError

    def test_objects_come_back_by_digest(self, store: Store) -> None:
        """Writing one again changes nothing, and nothing is a size too small."""
        objects = {digest_of(body): body for body in (b"", b"{}", bytes(range(256)) * 1024)}
        store.put_objects(objects)
        store.put_objects({})
        store.put_objects(objects)

        assert objects == {digest: store.get_object(digest) for digest in objects}

    def test_an_unknown_object_is_an_error(self, store: Store) -> None:
        """Never an empty body."""
        with pytest.raises(UnknownSnapshot):
            store.get_object(digest_of(b"never stored"))

    def test_an_object_under_a_wrong_name_is_refused(self, store: Store) -> None:
        """A store does not keep what its readers would have to refuse."""
        with pytest.raises(StoreCorrupt):
            store.put_objects({digest_of(b"one"): b"another"})
        with pytest.raises(UnknownSnapshot):
            store.get_object(digest_of(b"one"))

    def test_a_listed_snapshot_is_found_whole(self, store: Store) -> None:
        """Its manifest is an object as well, and its documents are those that were listed."""
        listed = publish(store, 1)
        found = store.find(listed.id)

        assert (listed, 1) == (found, found.sequence)
        assert listed.manifest == store.get_object(listed.digest)
        assert store.get_object(found.documents["limits"]) == b'{"limit":1}'

    def test_a_snapshot_without_its_objects_is_refused(self, store: Store) -> None:
        """What is listed is complete, at every moment."""
        bodies = bodies_of({f"d{number}": number for number in range(700)})
        store.put_objects({digest_of(body): body for name, body in bodies.items() if name != "d699"})

        with pytest.raises(StoreCorrupt):
            store.commit(unpublished(SCOPE, bodies), COMMIT, "ci")
        assert store.publications(SCOPE, 10) == ()
        store.put_objects({digest_of(bodies["d699"]): bodies["d699"]})
        assert store.commit(unpublished(SCOPE, bodies), COMMIT, "ci").sequence == 1

    def test_a_forged_manifest_is_refused(self, store: Store) -> None:
        """A snapshot is named by its own hash."""
        store.put_objects({digest_of(b"1"): b"1"})
        forged = replace(unpublished(SCOPE, {"a": b"1"}), manifest=b"{}")

        with pytest.raises(StoreCorrupt):
            store.commit(forged, COMMIT, "ci")

    def test_the_same_content_is_listed_once(self, store: Store) -> None:
        """A second commit of it keeps the sequence and adds a line of history; the same commit adds none."""
        first, other = publish(store, 1), publish(store, 2)
        again = publish(store, 1)
        repeated = publish(store, 1)
        by_another_commit = publish(store, 1, commit=replace(COMMIT, sha="d" * 40))

        assert [first.sequence, other.sequence] == [1, 2]
        assert [first.id] * 3 == [again.id, repeated.id, by_another_commit.id]
        assert [line.snapshot.sequence for line in store.publications(SCOPE, 10)] == [1, 1, 2, 1]

    def test_the_sequence_is_shared_by_tenants(self, store: Store) -> None:
        """It grows per application and environment, so a number names one snapshot."""
        scopes = [SCOPE, TENANT, Scope("billing", "prod"), Scope("payments", "test"), TENANT]
        listed = [publish(store, number, scope) for number, scope in enumerate(scopes)]

        assert [each.sequence for each in listed] == [1, 2, 1, 1, 3]
        assert scopes == [store.find(each.id).scope for each in listed]

    def test_publishers_at_once_get_numbers_of_their_own(self, store: Store) -> None:
        """No number is given twice, and the same content gets one number whoever is first."""
        listed = at_once(8, lambda number: publish(store, number // 2))

        assert sorted({each.sequence for each in listed if each.sequence}) == [1, 2, 3, 4]
        assert {(store.find(each.id).sequence, each.digest) for each in listed} == {
            (each.sequence, each.digest) for each in listed
        }

    def test_an_unknown_snapshot_is_an_error(self, store: Store) -> None:
        """A number with another digest is another snapshot."""
        listed = publish(store, 1)

        for unknown in (replace(listed.id, sequence=2), replace(listed.id, short="0" * 12)):
            with pytest.raises(UnknownSnapshot):
                store.find(unknown)

    def test_a_channel_moves_by_compare_and_set(self, store: Store) -> None:
        """Its revision counts the moves from 1; an expectation that is not met changes nothing."""
        first, second = publish(store, 1), publish(store, 2)
        with pytest.raises(UnknownChannel):
            store.channel(SCOPE, "stable")
        with pytest.raises(RevisionConflict):
            move(store, first, expected=1)
        moved = [move(store, first, 0), move(store, second, 1), move(store, first, 2)]
        for expected in (0, 1, 2, 4):
            with pytest.raises(RevisionConflict):
                move(store, second, expected)

        assert [channel.revision for channel in moved] == [1, 2, 3]
        assert moved[2] == store.channel(SCOPE, "stable")
        assert (first.id, first.digest) == (moved[2].snapshot, moved[2].digest)
        assert moved[2].moved_at.utcoffset() is not None

    @pytest.mark.parametrize("expected", [0, 1])
    def test_of_many_movers_one_wins(self, store: Store, expected: int) -> None:
        """A publisher that was delayed never overwrites a newer one."""
        snapshots = [publish(store, number) for number in range(8)]
        if expected:
            move(store, snapshots[0], 0)

        def attempt(number: int) -> Channel | None:
            try:
                return move(store, snapshots[number], expected)
            except RevisionConflict:
                return None

        winners = [channel for channel in at_once(8, attempt) if channel is not None]

        assert [store.channel(SCOPE, "stable")] == winners
        assert expected + 1 == len(store.moves(SCOPE, "stable", 100))

    def test_a_channel_names_only_snapshots_of_its_scope(self, store: Store) -> None:
        """Neither another tenant's, nor one that nobody published, nor one of another digest."""
        own, foreign = publish(store, 1), publish(store, 1, TENANT)

        for wrong in (foreign.id, replace(own.id, sequence=9), replace(own.id, short="0" * 12)):
            with pytest.raises(UnknownSnapshot):
                store.move(SCOPE, "stable", wrong, expected_revision=0, actor="ada", reason="because")

    def test_a_channel_never_moves_to_a_barred_snapshot(self, store: Store, quarantine: Quarantine) -> None:
        """Until the quarantine is lifted."""
        good, bad = publish(store, 1), publish(store, 2)
        move(store, good, 0)
        quarantine.bar(bad.id, actor="ada", reason="broken")

        with pytest.raises(SnapshotQuarantined):
            move(store, bad, 1)
        assert good.id == store.channel(SCOPE, "stable").snapshot
        quarantine.lift(bad.id, actor="ada", reason="was not the cause")
        assert move(store, bad, 1).revision == 2

    def test_the_channels_of_a_place_are_listed(self, store: Store) -> None:
        """Of one environment and tenant, sorted by application and name."""
        billing, payments = publish(store, 1, Scope("billing", "prod")), publish(store, 1)
        tenant, test = publish(store, 1, TENANT), publish(store, 1, Scope("payments", "test"))
        for snapshot in (payments, tenant, billing, test):
            move(store, snapshot, 0)
        canary = move(store, payments, 0, "canary")

        assert [
            (billing.scope, "stable"),
            (SCOPE, "canary"),
            (SCOPE, "stable"),
        ] == [(each.scope, each.name) for each in store.channels("prod", None)]
        assert canary == store.channels("prod", None)[1]
        assert [each.scope for each in store.channels("prod", "acme")] == [TENANT]
        assert store.channels("prod", "unknown") == ()
        assert [tuple(store.tenants(each)) for each in ("prod", "test", "dev")] == [(None, "acme"), (None,), ()]

    def test_history_tells_publications_newest_first(self, store: Store) -> None:
        """With the commit as it was given, whatever characters it holds."""
        strange = replace(COMMIT, sha="e" * 40, author="\ud800 \\u0000", message="nul \0 ä", reproducible=False)
        first, second = publish(store, 1), publish(store, 2, commit=strange)
        publish(store, 3, TENANT)
        lines = store.publications(SCOPE, 10)

        assert [
            (second.id, second.digest, strange),
            (first.id, first.digest, COMMIT),
        ] == [(line.snapshot, line.digest, line.commit) for line in lines]
        assert {(SCOPE, "ci")} == {(line.scope, line.actor) for line in lines}
        assert lines[:1] == store.publications(SCOPE, 1)

    def test_history_tells_moves_newest_first(self, store: Store) -> None:
        """Each says where the channel came from, who moved it and why; one on the spot is a move like any other."""
        first, second = publish(store, 1), publish(store, 2)
        moved = [move(store, first, 0), move(store, second, 1), move(store, second, 2)]
        move(store, first, 0, "canary")
        lines = store.moves(SCOPE, "stable", 10)

        came_from = [(moved[2], second.id), (moved[1], first.id), (moved[0], None)]
        assert came_from == [(line.channel, line.previous) for line in lines]
        assert {("ada", "because")} == {(line.actor, line.reason) for line in lines}
        assert lines[:1] == store.moves(SCOPE, "stable", 1)

    def test_an_id_names_its_snapshot_for_ever(self, store: Store) -> None:
        """The text form leads back to the same content."""
        listed = publish(store, 1)

        assert Digest(listed.digest) == store.find(SnapshotId.parse(str(listed.id))).digest
