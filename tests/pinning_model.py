"""
A model of runs that read on two hosts while versions are published, rolled back, and backends are away.

Hypothesis drives it. It keeps what each run was seen to read, and looks into the ledger's double for the record.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule

from runpin.ancestry import ALONE, Ancestry
from runpin.errors import ConfigUnavailable, PinConflict, SnapshotQuarantined, StoreUnavailable
from runpin.model import STABLE, Asked, Behavior, Pin, RunKey, SnapshotId
from runpin.pinning import Pinner
from runpin.proposing import Proposal
from world import SCOPE, Host, World, run_key

QUICK = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
# For seeded bugs: that there is an example matters, and not how short it can be made.
THOROUGH = settings(QUICK, max_examples=400, report_multiple_bugs=False, phases=[Phase.generate])


MEMORY = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - in a folder of its own
"""Where the caches of thousands of stories do not wait for a disk that others keep busy."""


class Runs(RuleBasedStateMachine):
    """The model: for each run, what it was seen to read; a change needs a higher epoch in the ledger."""

    runs = Bundle("runs")
    pinner: type[Pinner] = Pinner
    # Few runs, so that one of them is met often enough for its story to go on.
    most_runs = 3

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.world = World(Path(self.folder.name))
        self.published: list[SnapshotId] = []
        self.proposals: dict[str, Proposal] = {}
        self.ancestry: dict[str, Ancestry] = {}
        self.seen: dict[str, Pin] = {}
        self.unconfirmed: dict[tuple[str, str], Pin] = {}

    def teardown(self) -> None:
        """Remove the hosts' disks."""
        self.folder.cleanup()

    def host(self, name: str) -> Host:
        """Return a fresh process on the host."""
        host = self.world.host(name)
        pinner = self.pinner(self.world.ledger, self.world.ledger, host.resolver, host.cache, self.world.clock)
        return Host(host.cache, host.resolver, pinner)

    @initialize()
    def first(self) -> None:
        """There is always something published."""
        self.publish()

    @rule()
    def publish(self) -> None:
        """A new version goes live."""
        if not (self.world.store_switch.off or self.world.ledger_switch.off):
            self.published.append(self.world.version(len(self.published)))

    @rule()
    def roll_back(self) -> None:
        """The newest version is left and barred; an older one goes live again."""
        if self.world.store_switch.off or self.world.ledger_switch.off:
            return
        present = self.world.store.channel(SCOPE, STABLE)
        older = [each for each in self.published if each not in {present.snapshot, *self.world.ledger.barred("prod")}]
        if not older:
            return
        self.world.store.move(
            SCOPE, STABLE, older[-1], expected_revision=present.revision, actor="ada", reason="rollback"
        )
        self.world.ledger.bar(present.snapshot, actor="ada", reason="bad")

    @precondition(lambda self: len(self.proposals) < self.most_runs)
    @rule(target=runs, proposed=st.booleans())
    def start(self, proposed: bool) -> str:  # noqa: FBT001 - Hypothesis passes it by name
        """A run starts, with or without a proposal of what is newest."""
        return self.begin(Asked.PROPOSAL if proposed else None, ALONE)

    @rule(away=st.sampled_from(["none", "none", "ledger", "ledger", "store", "both"]))
    def outage(self, away: str) -> None:
        """Backends go away or come back."""
        self.world.store_switch.off = away in {"store", "both"}
        self.world.ledger_switch.off = away in {"ledger", "both"}

    @rule(name=runs, host=st.sampled_from("ab"))
    def read(self, name: str, host: str) -> None:
        """A process of the run reads; it gets the run's snapshot, or a typed error."""
        self.process(name, host, Behavior.PINNED)

    @rule(name=runs, host=st.sampled_from("ab"))
    def safe_point(self, name: str, host: str) -> None:
        """A process of an upgrading run declares a safe point."""
        self.process(name, host, Behavior.AUTO_UPGRADE)

    def begin(self, by: Asked | None, ancestry: Ancestry) -> str:
        """Begin a run that carries what is newest, if somebody wrote it, and return its name."""
        name = f"r{len(self.proposals)}"
        pins = {} if by is None else {"payments": self.published[-1]}
        self.proposals[name] = Proposal(pins, dict.fromkeys(pins, by) if by else {})
        self.ancestry[name] = ancestry
        return name

    def process(self, name: str, host: str, behavior: Behavior) -> None:
        """Let a process of the run read, and pass a safe point."""
        run = self.host(host).run(name, self.proposals[name], behavior, ancestry=self.ancestry[name])
        try:
            self.observe(name, host, run.pin("payments"))
            for pin in run.safe_point().values():
                self.observe(name, host, pin)
        except (ConfigUnavailable, StoreUnavailable):
            assert self.world.ledger_switch.off or self.world.store_switch.off
        except SnapshotQuarantined:
            self.refused(name)
        except PinConflict:
            return

    def observe(self, name: str, host: str, pin: Pin) -> None:
        """Compare with what the run read before."""
        if not pin.confirmed:
            # Nobody could be asked: the label is used, says so, and holds on this host until the ledger agrees.
            held = self.unconfirmed.get((name, host))
            assert pin.snapshot == (held.snapshot if held else self.assumed(name, host)), f"{name} guessed"
            self.unconfirmed.setdefault((name, host), pin)
            return
        earlier = self.unconfirmed.pop((name, host), pin)
        assert pin.digest == earlier.digest, f"{name} read {earlier.snapshot} in the outage, then {pin.snapshot}"
        before = self.seen.get(name, pin)
        if pin.digest != before.digest:
            recorded = [each.digest for each in self.epochs(run_key(name))]
            assert pin.digest in recorded, f"{name} changed from {before.snapshot} to {pin.snapshot} without a record"
            assert pin.epoch != before.epoch, f"{name} has two snapshots in epoch {pin.epoch}"
        if pin.epoch >= before.epoch:
            self.seen[name] = pin

    def assumed(self, name: str, host: str) -> SnapshotId | None:
        """Return what the run may use on the host while nobody can be asked."""
        del host
        return self.proposals[name].pins.get("payments")

    def refused(self, name: str) -> None:
        """Judge that the run was refused because of a quarantine: here nobody chooses, so nobody is."""
        raise AssertionError(f"{name} was refused")

    def epochs(self, run: RunKey) -> list[Pin]:
        """Return every epoch on record."""
        return self.world.ledger._pins.get((run, SCOPE), [])  # noqa: SLF001 - the model looks into the double
