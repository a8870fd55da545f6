"""Cleared runs whose snapshot was named before, or whose next one is barred: the same answer at every try."""

from __future__ import annotations

from pathlib import Path

import pytest

from runpin.errors import SnapshotQuarantined
from runpin.model import Asked, Behavior, Pin, SnapshotId
from runpin.overrides import OverrideKind
from runpin.overriding import Overriding, Wish
from runpin.rerunning import FIRST, Event, Rerun, RerunPolicy
from world import SCOPE, World, run_key


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two backends, nothing published."""
    return World(tmp_path)


def cleared(number: int, policy: RerunPolicy = RerunPolicy.KEEP) -> Rerun:
    """Return what an engine says of a run that was cleared *number* times."""
    return Rerun(Event.CLEAR, policy, number=number)


def read(world: World, rerun: Rerun = FIRST) -> Pin:
    """Read in a new process."""
    return world.host().run("r1", rerun=rerun).pin("payments")


class NoRuns:
    """Finds no run by its id; nothing here looks for one."""

    def pins_of_run(self, run_id: str, job: str | None = None) -> tuple[Pin, ...]:  # noqa: ARG002 - the port's names
        """Return nothing."""
        return ()


def name(world: World, snapshot: SnapshotId, kind: OverrideKind) -> None:
    """Let Ada name what the run shall use next."""
    pin = world.ledger.get(run_key("r1"), SCOPE)
    assert pin is not None
    overriding = Overriding(NoRuns(), world.store, world.ledger, world.overrides, world.clock)
    overriding.name_for(Wish(pin, snapshot, kind, "ada", "to repair March"))


def test_what_the_run_has_may_be_named_to_stay(world: World) -> None:
    """Then neither a rerun nor a safe point moves it, though its job wants the latest."""
    first = world.version(1)
    read(world)
    name(world, first, OverrideKind.PINNED)
    read(world, cleared(1, RerunPolicy.LATEST))
    world.version(2)
    run = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE, rerun=cleared(2, RerunPolicy.LATEST))

    assert first == run.pin("payments").snapshot == run.safe_point()["payments"].snapshot


def test_once_after_once_goes_back_to_what_was_before_both(world: World) -> None:
    """What was for one rerun comes back in no other one."""
    first, second, third = (world.version(number) for number in (1, 2, 3))
    read(world)
    seen = []
    for number, snapshot in enumerate((first, second), 1):
        name(world, snapshot, OverrideKind.ONCE)
        seen.append(read(world, cleared(number)).snapshot)

    assert [first, second, third] == [*seen, read(world, cleared(3)).snapshot]


@pytest.mark.parametrize("place", [0, 1], ids=["another", "what_it_had"])
def test_once_goes_back_to_what_was_named_to_stay(world: World, place: int) -> None:
    """That stays then, though the run's job wants the latest; a second wish for one rerun changes nothing about it."""
    versions = [world.version(number) for number in (1, 2, 3)]
    world.store.move(SCOPE, "stable", versions[1], expected_revision=3, actor="ada", reason="back")
    read(world)
    kept = versions.pop(place)
    name(world, kept, OverrideKind.PINNED)
    read(world, cleared(1))
    seen = []
    for number, snapshot in enumerate(versions, 2):
        name(world, snapshot, OverrideKind.ONCE)
        seen.append(read(world, cleared(number)).snapshot)
    world.version(4)
    after = [read(world, cleared(number, RerunPolicy.LATEST)) for number in (4, 5)]

    assert versions == seen
    assert [(kept, Asked.OVERRIDE)] * 2 == [(pin.snapshot, pin.asked) for pin in after]


def test_once_does_not_stay_because_what_was_before_is_barred(world: World) -> None:
    """Every try is refused, until a person names another one."""
    first, second = world.version(1), world.version(2)
    read(world)
    name(world, first, OverrideKind.ONCE)
    read(world, cleared(1))
    world.ledger.bar(second, actor="eve", reason="bad")
    for _ in range(2):
        with pytest.raises(SnapshotQuarantined, match="rerun 2"):
            read(world, cleared(2))
    name(world, first, OverrideKind.PINNED)

    assert first == read(world, cleared(2)).snapshot


def test_what_the_channel_names_and_is_barred_is_refused_at_every_try(world: World) -> None:
    """The second try does not silently go on with what the run had."""
    world.version(1)
    read(world)
    second = world.version(2)
    world.ledger.bar(second, actor="eve", reason="bad")
    for _ in range(2):
        with pytest.raises(SnapshotQuarantined, match="rerun 1"):
            read(world, cleared(1, RerunPolicy.LATEST))
    world.ledger.lift(second, actor="eve", reason="good")

    assert second == read(world, cleared(1, RerunPolicy.LATEST)).snapshot
