"""Pins that the ledger has lost: who saw one puts it on record again, and nobody reads a second Snapshot for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runpin.errors import PinConflict, SnapshotQuarantined
from runpin.model import Behavior, Pin
from runpin.reading import PinnedRun
from runpin.rerunning import Event, Rerun, RerunPolicy
from world import SCOPE, World, after, run_key


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two backends, nothing published."""
    return World(tmp_path)


def test_a_pin_that_the_ledger_has_lost_is_put_on_record_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """By the first read on a host that saw it there: the run keeps its snapshot, on every host from then on."""
    first = world.publish({"etl": {"batch_size": 1}}).snapshot
    world.host("a").run("r1").pin("payments")
    world.publish({"etl": {"batch_size": 2}})
    world.ledger.lose("r1")
    again = world.host("a").run("r1").pin("payments")

    assert first == again.snapshot == world.recorded("r1")
    assert "had lost the pin" in caplog.text
    assert first == world.host("b").run("r1").pin("payments").snapshot


def test_a_run_whose_later_pins_were_lost_goes_on_switching(world: World) -> None:
    """From the snapshot that it switched to, and from the epoch that it was at."""
    world.publish({"etl": {"batch_size": 1}})
    switched = [switched_to(world, size) for size in (2, 3, 4)]
    world.ledger.lose("r1")
    world.publish({"etl": {"batch_size": 5}})
    again = upgrading(world).pin("payments")
    further = switched_to(world, 6)

    assert [1, 2, 3] == [each.epoch for each in switched]
    assert (switched[-1].snapshot, 3) == (again.snapshot, again.epoch)
    assert (4, further) == (further.epoch, upgrading(world).pin("payments"))


def test_who_saw_an_earlier_epoch_of_a_lost_pin_agrees_with_a_later_one(world: World) -> None:
    """It finds the run switched, as it was, and no contradiction; also when what puts it back dies on the way."""
    world.publish({"etl": {"batch_size": 1}})
    upgrading(world, "b").pin("payments")
    switched = [switched_to(world, size) for size in (2, 3)][-1]
    world.ledger.lose("r1")
    world.ledger.put_if_absent(replace(switched, epoch=0))

    assert switched == upgrading(world).pin("payments") == upgrading(world, "b").pin("payments")


def test_of_an_epoch_that_cannot_be_nothing_is_put_back(world: World) -> None:
    """A number that was changed on the way leads to no flood of writes."""
    world.publish({"etl": {"batch_size": 1}})
    pin = upgrading(world).pin("payments")
    world.ledger.said.append(replace(pin, epoch=1 << 40))
    upgrading(world).pin("payments")

    assert pin == upgrading(world).pin("payments") == world.ledger.get(run_key("r1"), SCOPE)


def test_a_lost_pin_of_a_run_that_repeats_another_is_put_back_though_that_one_switched(world: World) -> None:
    """It had followed before the other one switched, and keeps that, as it did while it was on record."""
    first = world.publish({"etl": {"batch_size": 1}}).snapshot
    upgrading(world).pin("payments")
    repeating(world).pin("payments")
    switched_to(world, 2)
    world.ledger.lose("r2")

    assert first == repeating(world).pin("payments").snapshot == world.recorded("r2")


def test_a_run_that_repeats_one_whose_pin_was_lost_puts_that_back(world: World) -> None:
    """At the epoch that the other one had switched to, and it uses the same snapshot."""
    world.publish({"etl": {"batch_size": 1}})
    switched = switched_to(world, 2)
    world.publish({"etl": {"batch_size": 3}})
    world.ledger.lose("r1")

    assert switched.snapshot == repeating(world).pin("payments").snapshot
    assert switched == world.ledger.get(run_key("r1"), SCOPE)


@pytest.mark.parametrize("policy", [RerunPolicy.KEEP, RerunPolicy.LATEST])
def test_what_repeats_a_run_whose_lost_pin_is_barred_now_is_refused_or_decided(
    world: World, policy: RerunPolicy
) -> None:
    """As if the pin were on record: it keeps nothing that is barred, and the latest is no trouble."""
    first = world.version(1)
    world.host().run("r1").pin("payments")
    second = world.version(2)
    world.ledger.bar(first, actor="ada", reason="bad")
    world.ledger.lose("r1")
    again = repeating(world, policy)

    if policy is RerunPolicy.LATEST:
        assert second == again.pin("payments").snapshot
    else:
        with pytest.raises(SnapshotQuarantined, match="which this run repeats"):
            again.pin("payments")


def test_a_backfill_whose_pin_was_lost_goes_on_with_it(world: World) -> None:
    """Its next run is on a host that saw it."""
    first = world.version(1)
    pins = [world.host().run("r1", ancestry=after(group="march")).pin("payments")]
    world.version(2)
    world.ledger.lose("march")
    pins.append(world.host().run("r2", ancestry=after(group="march")).pin("payments"))

    assert [first, first] == [pin.snapshot for pin in pins]
    assert first == world.recorded("march")


def repeating(world: World, policy: RerunPolicy = RerunPolicy.KEEP) -> PinnedRun:
    """Return a run that repeats the other one."""
    return world.host().run("r2", ancestry=after("r1"), rerun=Rerun(Event.REEXECUTE, policy))


def upgrading(world: World, host: str = "a") -> PinnedRun:
    """Return a run that may switch, as a new process of the host sees it."""
    return world.host(host).run("r1", behavior=Behavior.AUTO_UPGRADE)


def switched_to(world: World, size: int) -> Pin:
    """Publish a version, and return the pin of a run that reads before and switches after that."""
    run = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE)
    run.pin("payments")
    world.publish({"etl": {"batch_size": size}})
    return run.safe_point()["payments"]


def test_a_run_that_was_decided_anew_elsewhere_is_told(world: World) -> None:
    """Whoever read the lost pin gets an error and not another snapshot; the ledger is not overwritten."""
    world.publish({"etl": {"batch_size": 1}})
    world.host("a").run("r1").pin("payments")
    second = world.publish({"etl": {"batch_size": 2}}).snapshot
    world.ledger.lose("r1")
    assert second == world.host("b").run("r1").pin("payments").snapshot

    with pytest.raises(PinConflict, match="as the ledger said, which has lost that"):
        world.host("a").run("r1").pin("payments")
    assert second == world.recorded("r1")


def test_a_lost_pin_to_what_is_barred_now_is_told(world: World) -> None:
    """It cannot be put on record again, and nothing else takes its place."""
    first = world.publish({"etl": {"batch_size": 1}}).snapshot
    world.host("a").run("r1").pin("payments")
    world.publish({"etl": {"batch_size": 2}})
    world.ledger.bar(first, actor="ada", reason="bad")
    world.ledger.lose("r1")

    with pytest.raises(PinConflict, match="barred from new pins now"):
        world.host("a").run("r1").pin("payments")
