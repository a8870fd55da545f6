"""A channel is pointed at a published Snapshot only if the rules of today let it pass, or somebody says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config_files import COMMIT, MANIFEST, repository
from runpin.checking import Rules
from runpin.errors import (
    Conflict,
    ManifestError,
    RevisionConflict,
    SnapshotQuarantined,
    UnknownSnapshot,
    ValidationFailed,
)
from runpin.model import Scope, SnapshotId
from runpin.promoting import Promotion, promote, promote_unchecked
from world import SCOPE, World

FILES = {
    "runpin.toml": MANIFEST + 'schemas = { etl = "s/etl.json" }\n',
    "payments/etl.json": {"size": 1},
    "s/etl.json": {"properties": {"size": {"maximum": 5}}},
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Empty backends."""
    return World(tmp_path)


def rules(**files: Any) -> Rules:
    """Return the rules of today; other files by keyword."""
    return Rules(repository({**FILES, **files}), COMMIT)


def asked(snapshot: SnapshotId, revision: int = 0, channel: str = "canary", reason: str = "") -> Promotion:
    """Return the wish to point a channel at *snapshot*."""
    return Promotion(SCOPE, channel, snapshot, revision, "ada", reason)


def test_what_the_rules_accept_is_promoted(world: World) -> None:
    """The channel moves, and what does not deny is told."""
    snapshot = world.publish({"etl": {"size": 1}, "old": {"a": 1}}).snapshot
    done = promote(asked(snapshot, reason="try it"), world.store, rules())

    assert (snapshot, 1) == (done.channel.snapshot, done.channel.revision)
    assert ["warning"] == [each.severity for each in done.findings]
    assert ["try it"] == [each.reason for each in world.store.moves(SCOPE, "canary", 9)]


def test_a_schema_that_became_stricter_stops_it(world: World) -> None:
    """The findings are told, and the channel stands where it stood."""
    snapshot = world.publish({"etl": {"size": 7}}).snapshot
    with pytest.raises(ValidationFailed, match="must be at most 5") as caught:
        promote(asked(snapshot), world.store, rules())

    assert "nothing was moved" in str(caught.value.fix)
    assert () == world.store.moves(SCOPE, "canary", 9)


def test_gates_compare_with_what_the_channel_would_leave(world: World) -> None:
    """A list that the present Snapshot fills must not be emptied; on a new channel it is what `stable` fills."""
    emptied = world.publish({"etl": {"tables": []}}).snapshot
    world.publish({"etl": {"tables": ["orders"]}})
    with pytest.raises(ValidationFailed, match="gate/empty"):
        promote(asked(emptied, 2, "stable"), world.store, rules())
    with pytest.raises(ValidationFailed, match="gate/empty"):
        promote(asked(emptied), world.store, rules())


def test_gates_know_who_may_still_read(world: World) -> None:
    """A key that runs may still ask for is missed by a promotion, as it is by a publication."""
    files = {"runpin.toml": f'{MANIFEST}[gates]\nremoved = "deny"\n'}
    without = world.publish({"etl": {"size": 1}}).snapshot
    world.publish({"etl": {"size": 1, "days": 2}})
    with pytest.raises(ValidationFailed, match="gate/removed"):
        promote(asked(without, 2, "stable"), world.store, rules(**files), lambda _: (3, COMMIT.at))

    assert (
        3
        == promote(asked(without, 2, "stable"), world.store, rules(**files), lambda _: (0, COMMIT.at)).channel.revision
    )


def test_a_channel_that_moved_is_left_alone(world: World) -> None:
    """What was compared has to be what is left, so that a revision that passed is told before anything is judged."""
    first = world.publish({"etl": {"size": 1}}).snapshot
    world.publish({"etl": {"size": 2}})
    with pytest.raises(RevisionConflict, match="not at revision 1 any more"):
        promote(asked(first, 1, "stable"), world.store, rules(**{"runpin.toml": "no manifest"}))
    with pytest.raises(RevisionConflict, match="not at revision 7"):
        promote(asked(first, 7), world.store, rules())


def test_rules_that_cannot_be_read_promote_nothing(world: World) -> None:
    """A broken manifest is no permission."""
    snapshot = world.publish({"etl": {"size": 1}}).snapshot
    with pytest.raises(ManifestError):
        promote(asked(snapshot), world.store, rules(**{"runpin.toml": "format = 2\n"}))

    assert () == world.store.moves(SCOPE, "canary", 9)


def test_without_rules_it_takes_a_reason_that_history_keeps(world: World) -> None:
    """Whoever reads the history sees that nobody judged this move."""
    snapshot = world.publish({"etl": {"size": 7}}).snapshot
    with pytest.raises(Conflict, match="needs a reason"):
        promote_unchecked(asked(snapshot, reason=" "), world.store)
    moved = promote_unchecked(asked(snapshot, reason="Git is away"), world.store)

    assert (snapshot, 1) == (moved.snapshot, moved.revision)
    assert ["unchecked: Git is away"] == [each.reason for each in world.store.moves(SCOPE, "canary", 9)]


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "unchecked"])
def test_what_is_barred_or_of_another_scope_is_never_promoted(world: World, *, checked: bool) -> None:
    """No reason opens that door."""

    def move(snapshot: SnapshotId) -> object:
        wish = asked(snapshot, reason="now")
        return promote(wish, world.store, rules()) if checked else promote_unchecked(wish, world.store)

    barred = world.publish({"etl": {"size": 1}}).snapshot
    world.ledger.bar(barred, actor="ada", reason="test")
    other = world.publish({"etl": {"size": 1}}, scope=Scope("payments", "prod", "acme")).snapshot

    with pytest.raises(SnapshotQuarantined):
        move(barred)
    with pytest.raises(UnknownSnapshot):
        move(other)
    assert () == world.store.moves(SCOPE, "canary", 9)
