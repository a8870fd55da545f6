"""A small world, and what shows the facts about it to whoever looks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runpin.circuit import Circuit
from runpin.mirrors import MirrorState
from runpin.model import Asked, Channel, Commit, Origin, Pin, RunKey, Snapshot, SnapshotId
from runpin.showing import Backends, SeenRun, Showing, Story, Traced
from world import SCOPE, SwitchedLedger, World, carried, run_key

MONDAY, TUESDAY = "monday", "tuesday"


class SearchedLedger(SwitchedLedger):
    """The ledger's double, which can be asked by run id as well, and counts how often pages are asked for."""

    pages = 0

    def pins_of_run(self, run_id: str, job: str | None = None) -> tuple[Pin, ...]:
        """Return every pin of the runs that go by *run_id*, when switched on."""
        self._switch.check()
        pins = [pin for held in self._pins.values() for pin in held if pin.run.run_id == run_id]
        return tuple(pin for pin in pins if job in {None, pin.run.job})

    def runs_of(self, snapshot: SnapshotId, *, after: str | None = None, limit: int = 100) -> Any:
        """Return pins, when switched on."""
        self.pages += 1
        return super().runs_of(snapshot, after=after, limit=limit)


@dataclass
class Shown:
    """A world and what shows it on a host of its own."""

    world: World
    traced: list[tuple[Snapshot, Commit]] = field(default_factory=list)
    mirrored: list[MirrorState] = field(default_factory=list)
    mirrors_answer: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.mirrors_answer.set()
        self.ledger = SearchedLedger(self.world.ledger_switch)
        self.world.ledger = self.ledger
        self.world.store._quarantine = self.ledger  # noqa: SLF001 - the double's own
        clock = self.world.clock
        self.backends = Backends(
            store=self.world.store,
            ledger=self.ledger,
            overrides=self.world.overrides,
            resolver=self.world.host("web").resolver,
            store_circuit=Circuit(clock, "the store", local=True),
            ledger_circuit=Circuit(clock, "the ledger", local=True),
            clock=clock,
            environment="prod",
            tenant=None,
            channel="stable",
            deployment="default",
            applications=("payments",),
            trace=self._trace,
            mirrors=self._mirrors,
        )
        self.showing = Showing(self.backends)

    def pin(self, run_id: str, *, job: str = "nightly", deployment: str = "default") -> Pin:
        """Pin a run to what is live."""
        key = RunKey("test", deployment, job, run_id)
        self.world.clock.advance(1)
        live = self.world.store.channel(SCOPE, "stable")
        now = self.world.clock.now()
        return self.ledger.put_if_absent(
            Pin(key, SCOPE, live.snapshot, live.digest, now, revision=live.revision, asked=Asked.PROPOSAL)
        )

    def rollback(self, to: SnapshotId, reason: str = "orders were lost") -> None:
        """Move the channel back to an older snapshot."""
        revision = self.world.store.channel(SCOPE, "stable").revision
        self.world.store.move(SCOPE, "stable", to, expected_revision=revision, actor="eve", reason=reason)

    def _mirrors(self, channels: Sequence[Channel]) -> list[MirrorState]:
        del channels
        assert self.mirrors_answer.wait(30)
        return self.mirrored

    def _trace(self, snapshot: Snapshot, commit: Commit) -> Traced:
        self.traced.append((snapshot, commit))
        return Traced({"etl": {"/batch_size": Origin("payments/etl.yaml", 3)}})


def story(run_id: str, previous: str | None = None, *, proposed: SnapshotId | None = None, **more: Any) -> Story:
    """Return what an engine knows about a run."""
    run = SeenRun(run_key(run_id), carried(proposed) if proposed else SeenRun(run_key(run_id)).proposal)
    return Story(run, None if previous is None else SeenRun(run_key(previous)), **more)
