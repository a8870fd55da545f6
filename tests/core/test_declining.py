"""Saying no at a safe point: who is asked, what is remembered, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest

from runpin.declining import Declined, Offer
from runpin.errors import StoreUnavailable
from runpin.model import Behavior, Pin
from runpin.pinning import Pinner
from runpin.reactions import Reaction, ReactionKey
from runpin.reading import PinnedRun
from runpin.resolving import Resolver
from runpin.stores.disk import DiskCache
from runpin.testing import MemoryReactions
from world import World, run_key


class Dying(MemoryReactions):
    """A record whose caller is gone after it has begun an entry, once."""

    dies = False

    def end(self, reaction: Reaction, outcome: str) -> Reaction:
        """Record how it ended, unless nobody is there to ask for it."""
        if self.dies:
            self.dies = False
            raise KeyboardInterrupt
        return super().end(reaction, outcome)


class Silent(MemoryReactions):
    """A record that does not answer."""

    def newest(self, key: ReactionKey) -> Reaction | None:
        """Fail."""
        raise StoreUnavailable(f"nobody knows of {key}")


class Asked:
    """Answers every offer in the same way, and remembers what it was asked."""

    def __init__(self, *, answer: bool) -> None:
        self._answer = answer
        self.offers: list[Offer] = []

    def __call__(self, offer: Offer) -> bool:
        """Answer."""
        self.offers.append(offer)
        return self._answer


class Runs:
    """One run after the other, each as a process of its own, which share one record."""

    def __init__(self, folder: Path, reactions: MemoryReactions | None = None) -> None:
        self.world = World(folder)
        self.reactions = reactions or MemoryReactions()

    def process(self, run_id: str = "r1", host: str = "a", behavior: Behavior = Behavior.AUTO_UPGRADE) -> PinnedRun:
        """Return the run as a new process sees it, which has read."""
        world = self.world
        cache = DiskCache(world.folder / host, clock=world.clock, durable=False)
        resolver = Resolver(world.store, world.store, cache, world.clock)
        declined = Declined(lambda: self.reactions, world.clock)
        pinner = Pinner(world.ledger, world.ledger, resolver, cache, world.clock, declined=declined)
        run = PinnedRun(run_key(run_id), pinner=pinner, resolver=resolver, environment="prod", behavior=behavior)
        run.pin("payments")
        return run

    def number(self, pin: Pin) -> int:
        """Return which version a pin names."""
        return pin.snapshot.sequence


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Return runs of an application that has one version."""
    made = Runs(tmp_path)
    made.world.version(1)
    return made


def test_a_run_is_told_what_would_change(runs: Runs) -> None:
    """Present and target, the channel's revision, and the documents that differ, come or go."""
    runs.world.publish({"etl": {"batch_size": 1}, "fees": {"a": 1}, "same": {"a": 1}})
    run = runs.process()
    standing = runs.world.publish({"etl": {"batch_size": 2}, "rates": {"a": 1}, "same": {"a": 1}})
    before, asked = run.pins["payments"].snapshot, Asked(answer=True)
    after = run.safe_point(asked)["payments"]
    (offer,) = asked.offers

    assert (before, standing.snapshot, standing.revision) == (offer.present, offer.target, offer.revision)
    assert frozenset({"payments/etl", "payments/fees", "payments/rates"}) == offer.changed
    assert (standing.snapshot, 1) == (after.snapshot, after.epoch)


def test_a_run_that_declines_stays_and_says_so(runs: Runs) -> None:
    """Its configuration is what it was."""
    run, target = runs.process(), runs.world.version(2)
    after = run.safe_point(Asked(answer=False))

    assert (1, 0) == (runs.number(after["payments"]), after["payments"].epoch)
    assert {"payments": target} == run.declined
    assert 1 == run.get_config("payments/etl")["batch_size"]


@pytest.mark.parametrize("host", ["a", "b"])
def test_a_declined_target_is_not_offered_again(runs: Runs, host: str) -> None:
    """Not in another process, nor on another host; and a task that asks nothing does not take it either."""
    first, target, asked = runs.process(), runs.world.version(2), Asked(answer=True)
    first.safe_point(Asked(answer=False))
    later = runs.process(host=host)
    stayed = [later.safe_point(asked)["payments"], later.safe_point()["payments"]]

    assert [] == asked.offers
    assert {(1, 0)} == {(runs.number(pin), pin.epoch) for pin in stayed}
    assert {"payments": target} == later.declined


def test_when_the_channel_moves_on_the_run_is_asked_again(runs: Runs) -> None:
    """Also when it comes back to what was declined."""
    run = runs.process()
    runs.world.version(2)
    run.safe_point(Asked(answer=False))
    runs.world.version(3)
    third, again = Asked(answer=False), Asked(answer=True)
    run.safe_point(third)
    runs.world.version(2)
    after = run.safe_point(again)["payments"]

    assert [3, 2] == [asked.offers[0].target.sequence for asked in (third, again)]
    assert (2, 1, {}) == (runs.number(after), after.epoch, run.declined)


def test_other_runs_decide_for_themselves(runs: Runs) -> None:
    """What one run declines is offered to the next."""
    first, second, target = runs.process("r1"), runs.process("r2"), runs.world.version(2)
    first.safe_point(Asked(answer=False))

    assert target == second.safe_point(Asked(answer=True))["payments"].snapshot


def test_nobody_is_asked_where_nothing_would_change(runs: Runs) -> None:
    """A run that keeps its Snapshot, and one whose channel did not move."""
    asked = Asked(answer=True)
    runs.process().safe_point(asked)
    pinned = runs.process("r2", behavior=Behavior.PINNED)
    runs.world.version(2)
    pinned.safe_point(asked)

    assert [] == asked.offers


def test_a_process_that_died_over_its_answer_has_declined(tmp_path: Path) -> None:
    """What it had begun to write down counts, and the next answer is written down after it."""
    record = Dying()
    runs = Runs(tmp_path, record)
    runs.world.version(1)
    run = runs.process()
    runs.world.version(2)
    record.dies = True
    with pytest.raises(KeyboardInterrupt):
        run.safe_point(Asked(answer=False))
    second, third, later = Asked(answer=True), Asked(answer=False), Asked(answer=True)
    runs.process().safe_point(second)
    runs.world.version(3)
    runs.process().safe_point(third)
    runs.process().safe_point(later)

    assert ([], 1, []) == (second.offers, len(third.offers), later.offers)


def test_without_an_answer_from_the_record_a_run_stays(tmp_path: Path) -> None:
    """It may have declined on another host."""
    runs = Runs(tmp_path, Silent())
    runs.world.version(1)
    run, asked = runs.process(), Asked(answer=True)
    runs.world.version(2)

    assert 0 == run.safe_point(asked)["payments"].epoch
    assert [] == asked.offers


def test_without_a_record_a_run_is_asked_each_time(tmp_path: Path) -> None:
    """As in a test that wires a run of its own."""
    world = World(tmp_path)
    world.version(1)
    run, asked = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE), Asked(answer=False)
    run.pin("payments")
    world.version(2)
    for _ in range(2):
        run.safe_point(asked)

    assert 2 == len(asked.offers)
