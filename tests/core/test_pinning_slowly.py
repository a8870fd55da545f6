"""A ledger and a store that take their time: who waits for them, and what nobody gives up for being quick."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from runpin.circuit import Circuit
from runpin.clock import SystemClock
from runpin.errors import ConfigUnavailable, PinConflict, StoreCorrupt
from runpin.model import Asked, Behavior, Pin, RunKey, Scope
from runpin.pinning import Pinner
from runpin.resolving import Resolver
from runpin.stores.disk import DiskCache
from world import SCOPE, Host, Switch, World, carried

HURRY = 0.05
PINNED, UPGRADING = Behavior.PINNED, Behavior.AUTO_UPGRADE


class Slow(Switch):
    """A backend that answers late, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.takes = 0.0

    def check(self) -> None:
        """Take the time, then do as a switch does."""
        self.asked += 1
        Event().wait(self.takes)
        super().check()


@dataclass
class SlowWorld(World):
    """A world whose backends are beyond a network."""

    def __post_init__(self) -> None:
        self.slow_ledger, self.slow_store = Slow(), Slow()
        self.ledger_switch, self.store_switch = self.slow_ledger, self.slow_store
        super().__post_init__()

    def host(self, name: str = "a", hurry: float = HURRY) -> Host:
        """Return a new process on the host *name*."""
        cache = DiskCache(self.folder / name, clock=self.clock, durable=False)
        store, ledger = (Circuit(SystemClock(), each, hurry=hurry) for each in ("the store", "the ledger"))
        resolver = Resolver(self.store, self.store, cache, self.clock, circuit=store)
        return Host(cache, resolver, Pinner(self.ledger, self.ledger, resolver, cache, self.clock, circuit=ledger))


@pytest.fixture
def world(tmp_path: Path) -> SlowWorld:
    """Two backends, one version."""
    world = SlowWorld(tmp_path)
    world.version(1)
    return world


@contextmanager
def taking(seconds: float, *backends: Slow) -> Iterator[None]:
    """Let backends answer late meanwhile."""
    for each in backends:
        each.takes = seconds
    try:
        yield
    finally:
        for each in backends:
            each.takes = 0.0


def pin(host: Host, behavior: Behavior = PINNED, name: str = "r1") -> Pin:
    """Return what an attempt of the run has."""
    return host.run(name, behavior=behavior).pin("payments")


def test_a_run_whose_pin_is_known_waits_for_no_ledger(world: SlowWorld) -> None:
    """It has what the ledger would say; one question goes out, however many attempts there are."""
    first = pin(world.host())
    host = world.host()
    before = world.slow_ledger.asked
    with taking(20.0, world.slow_ledger):
        seen = {pin(host) for _ in range(20)}
        asked = world.slow_ledger.asked - before

    assert ({first}, 1) == (seen, asked)


def test_a_run_that_may_switch_waits_for_its_newest_epoch(world: SlowWorld) -> None:
    """It switched on another host, so what this one saw may be old; only a ledger that is away leaves it with that."""
    old = pin(world.host("a"), UPGRADING)
    world.version(2)
    run = world.host("b", hurry=30).run("r1", behavior=UPGRADING)
    run.pin("payments")
    newest = run.safe_point()["payments"]
    with taking(4 * HURRY, world.slow_ledger):
        late = pin(world.host("a"), UPGRADING)
    host = world.host("c")
    world.slow_ledger.off = True

    assert (0, 1, newest) == (old.epoch, newest.epoch, late)
    assert newest == pin(world.host("a"), UPGRADING)
    with pytest.raises(ConfigUnavailable):
        pin(host, UPGRADING)


class Rash(Pinner):
    """The bug: every run takes what the host has seen, if the ledger is not quick."""

    def _on_record(
        self, run: RunKey, scope: Scope, known: Pin | None = None, hurried: Behavior | None = None
    ) -> Pin | None:
        del hurried
        return super()._on_record(run, scope, known, PINNED)


def test_a_run_that_misses_its_newest_epoch_is_caught(world: SlowWorld) -> None:
    """Seeded: a slow ledger is taken for one that is away."""
    pin(world.host("a"), UPGRADING)
    world.version(2)
    run = world.host("b", hurry=30).run("r1", behavior=UPGRADING)
    run.pin("payments")
    newest = run.safe_point()["payments"]
    host = world.host("a")
    rash = Rash(
        world.ledger, world.ledger, host.resolver, host.cache, world.clock, circuit=Circuit(SystemClock(), hurry=HURRY)
    )
    with taking(20 * HURRY, world.slow_ledger), pytest.raises(AssertionError):
        assert newest == pin(Host(host.cache, host.resolver, rash), UPGRADING)


def test_what_is_not_confirmed_is_confirmed_by_a_slow_ledger_too(world: SlowWorld) -> None:
    """Being quick is no reason to leave a run unrecorded."""
    label = carried(world.version(2))
    world.slow_ledger.off = True
    unconfirmed = world.host().run("r1", label).pin("payments")
    world.slow_ledger.off = False
    with taking(2 * HURRY, world.slow_ledger):
        confirmed = world.host().run("r1", label).pin("payments")

    assert (False, True) == (unconfirmed.confirmed, confirmed.confirmed)
    assert world.recorded("r1") == confirmed.snapshot


def test_a_slow_ledger_that_says_otherwise_is_heard(world: SlowWorld) -> None:
    """Two snapshots in one run are an error, however long it takes to find out."""
    label = carried(world.version(2))
    world.slow_ledger.off = True
    world.host("a").run("r1", label).pin("payments")
    world.slow_ledger.off = False
    world.version(3)
    pin(world.host("b"))
    with taking(2 * HURRY, world.slow_ledger), pytest.raises(PinConflict):
        world.host("a").run("r1", label).pin("payments")


def test_a_ledger_that_lies_stops_no_run_whose_pin_is_known(world: SlowWorld, caplog: pytest.LogCaptureFixture) -> None:
    """What is on record cannot change, so nonsense from the ledger is no reason to stop; the log says so."""
    first = pin(world.host())

    class Lying(Slow):
        def check(self) -> None:
            raise StoreCorrupt("the record is damaged")

    world.ledger._switch = Lying()  # noqa: SLF001 - it lies from here on
    again = pin(world.host())

    assert first == again
    assert "for: the record is damaged" in caplog.text
    with pytest.raises(StoreCorrupt):
        pin(world.host(), name="r2")
    with pytest.raises(StoreCorrupt):
        pin(world.host("b"))


def test_a_store_that_lies_is_answered_for_by_the_host(world: SlowWorld) -> None:
    """Where a channel stood is told as STALE; whoever decides by it hears of the damage."""
    seen = world.host().resolver.channel(SCOPE).channel

    class Lying(Slow):
        def check(self) -> None:
            raise StoreCorrupt("the record is damaged")

    world.store._switch = Lying()  # noqa: SLF001 - it lies from here on
    found = world.host().resolver.channel(SCOPE)

    assert (seen, True, "the record is damaged") == (found.channel, found.stale, found.reason)
    with pytest.raises(StoreCorrupt):
        world.host().resolver.present(SCOPE)
    with pytest.raises(StoreCorrupt):
        world.host("b").resolver.channel(SCOPE)


def test_a_new_run_waits_for_both(world: SlowWorld) -> None:
    """Where the channel stood is never what decides."""
    host = world.host()
    host.resolver.channel(SCOPE)
    newest = world.version(2)
    with taking(2 * HURRY, world.slow_ledger, world.slow_store):
        decided = pin(host)

    assert (newest, Asked.CHANNEL, True) == (decided.snapshot, decided.asked, decided.confirmed)


def test_a_safe_point_waits_for_a_slow_store_and_not_for_one_that_is_away(world: SlowWorld) -> None:
    """The switch happens late, or not at all."""
    host = world.host()
    run = host.run("r1", behavior=UPGRADING)
    run.pin("payments")
    newest = world.version(2)
    with taking(2 * HURRY, world.slow_store):
        switched = run.safe_point()["payments"]
    world.version(3)
    world.slow_store.off = True
    with taking(0.5, world.slow_store):
        stayed = [run.safe_point()["payments"] for _ in range(3)]

    assert (newest, 1) == (switched.snapshot, switched.epoch)
    assert [switched] * 3 == stayed
    assert world.recorded("r1") == newest
