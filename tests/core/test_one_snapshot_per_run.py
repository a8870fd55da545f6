"""
P1: a run sees one snapshot, unless a switch is on record; whatever fails, in whatever order.

A read while the ledger is away is marked as unconfirmed. It may differ from what the ledger says, if the label was
barred meanwhile and this host did not hear of it; then no confirmed read follows on that host, but a PinConflict.

Hypothesis drives two hosts, publishing, rollbacks, outages and safe points. Three seeded bugs prove that the property
can fail: pins that live in a process only, an outage that falls back to the channel, and a ledger that is not asked
whether it agrees with what was read during an outage.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from runpin import pinning
from runpin.ancestry import ALONE, Ancestry
from runpin.errors import ConfigUnavailable, PinConflict, StoreUnavailable
from runpin.model import STABLE, Asked, Behavior, Pin, RunKey, Scope, SnapshotId
from runpin.pinning import Pinner
from runpin.proposing import Proposal
from runpin.resolving import Resolver
from world import SCOPE, Host, World, run_key


def _standing(resolver: Resolver, run: RunKey, scope: Scope, channel: str) -> Pin:
    found = resolver.channel(scope, channel).channel
    return Pin(run, scope, found.snapshot, found.digest, found.moved_at)


class Forgetful(Pinner):
    """A seeded bug: every process follows the channel, and nothing is recorded."""

    def pin(
        self, run: RunKey, scope: Scope, proposal: Proposal, channel: str = STABLE, ancestry: Ancestry = ALONE
    ) -> Pin:
        """Return where the channel stands."""
        del proposal, ancestry
        return _standing(self._resolver, run, scope, channel)


class Guessing(Pinner):
    """A seeded bug: without a ledger the channel's last known state is taken, and nothing is remembered."""

    def pin(
        self, run: RunKey, scope: Scope, proposal: Proposal, channel: str = STABLE, ancestry: Ancestry = ALONE
    ) -> Pin:
        """Return the pin, or a guess."""
        try:
            return super().pin(run, scope, proposal, channel, ancestry)
        except ConfigUnavailable:
            return _standing(self._resolver, run, scope, channel)


class Agreeable(Pinner):
    """A seeded bug: what was read during an outage is forgotten when the ledger is back."""

    def _unconfirmed(self, known: Pin | None) -> Pin | None:
        del known
        return None


class Runs(RuleBasedStateMachine):
    """The model: for each run, what it was seen to read; a change needs a higher epoch in the ledger."""

    runs = Bundle("runs")
    pinner: type[Pinner] = Pinner

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.published: list[SnapshotId] = []
        self.proposals: dict[str, Proposal] = {}
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
            self.published.append(self.world.publish({"etl": {"batch_size": len(self.published)}}).snapshot)

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

    # Few runs, so that one of them is met often enough for its story to go on.
    @precondition(lambda self: len(self.proposals) < 3)
    @rule(target=runs, proposed=st.booleans())
    def start(self, proposed: bool) -> str:  # noqa: FBT001 - Hypothesis passes it by name
        """A run starts, with or without a proposal of what is newest."""
        name = f"r{len(self.proposals)}"
        pins = {"payments": self.published[-1]} if proposed else {}
        self.proposals[name] = Proposal(pins, dict.fromkeys(pins, Asked.PROPOSAL))
        return name

    @rule(away=st.sampled_from(["none", "none", "ledger", "ledger", "store", "both"]))
    def outage(self, away: str) -> None:
        """Backends go away or come back."""
        self.world.store_switch.off = away in {"store", "both"}
        self.world.ledger_switch.off = away in {"ledger", "both"}

    @rule(name=runs, host=st.sampled_from("ab"))
    def read(self, name: str, host: str) -> None:
        """A process of the run reads; it gets the run's snapshot, or a typed error."""
        run = self.host(host).run(name, self.proposals[name])
        try:
            pin = run.pin("payments")
        except (ConfigUnavailable, StoreUnavailable):
            assert self.world.ledger_switch.off or self.world.store_switch.off
            return
        except PinConflict:
            return
        self.observe(name, host, pin)

    @rule(name=runs, host=st.sampled_from("ab"))
    def safe_point(self, name: str, host: str) -> None:
        """A process of an upgrading run declares a safe point."""
        run = self.host(host).run(name, self.proposals[name], Behavior.AUTO_UPGRADE)
        try:
            self.observe(name, host, run.pin("payments"))
            self.observe(name, host, run.safe_point()["payments"])
        except (ConfigUnavailable, StoreUnavailable, PinConflict):
            return

    def observe(self, name: str, host: str, pin: Pin) -> None:
        """Compare with what the run read before."""
        if not pin.confirmed:
            # Nobody could be asked: the label is used, says so, and holds on this host until the ledger agrees.
            assert pin.snapshot == self.proposals[name].pins["payments"]
            self.unconfirmed.setdefault((name, host), pin)
            return
        earlier = self.unconfirmed.pop((name, host), pin)
        assert pin.digest == earlier.digest, f"{name} read {earlier.snapshot} in the outage, then {pin.snapshot}"
        before = self.seen.get(name, pin)
        if pin.digest != before.digest:
            recorded = [each.digest for each in self.epochs(name)]
            assert pin.digest in recorded, f"{name} changed from {before.snapshot} to {pin.snapshot} without a record"
            assert pin.epoch != before.epoch, f"{name} has two snapshots in epoch {pin.epoch}"
        if pin.epoch >= before.epoch:
            self.seen[name] = pin

    def epochs(self, name: str) -> list[Pin]:
        """Return every epoch on record."""
        return self.world.ledger._pins.get((run_key(name), SCOPE), [])  # noqa: SLF001 - the model looks into the double


QUICK = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
THOROUGH = settings(QUICK, max_examples=400, report_multiple_bugs=False)


def machine(pinner: type[Pinner]) -> type[Runs]:
    """Return the model for *pinner*."""
    return type(f"Runs{pinner.__name__}", (Runs,), {"pinner": pinner})


def test_a_run_sees_one_snapshot_unless_a_switch_is_on_record() -> None:
    """The protocol keeps P1 through outages, rollbacks and switches."""
    run_state_machine_as_test(machine(Pinner), settings=QUICK)


@pytest.mark.parametrize("bug", [Forgetful, Guessing])
def test_a_broken_protocol_is_caught(bug: type[Pinner]) -> None:
    """Each seeded bug breaks the property within the search."""
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine(bug), settings=THOROUGH)


def rolled_back_in_an_outage(pinner: type[Pinner]) -> None:
    """Tell the model a story that a search meets too seldom: read in an outage, barred, read again."""
    story = machine(pinner)()
    try:
        story.first()
        story.publish()
        run = story.start(proposed=True)
        story.outage("ledger")
        story.read(run, "a")
        story.outage("none")
        story.roll_back()
        story.read(run, "a")
    finally:
        story.teardown()


def test_a_protocol_that_forgets_the_outage_is_caught() -> None:
    """The correct one stays silent in the same story."""
    rolled_back_in_an_outage(Pinner)

    with pytest.raises(AssertionError, match="in the outage"):
        rolled_back_in_an_outage(Agreeable)


def test_the_bugs_replace_what_the_protocol_has() -> None:
    """A renamed method would turn a seeded bug into the correct protocol."""
    assert {"pin", "_unconfirmed"} <= set(vars(pinning.Pinner))
