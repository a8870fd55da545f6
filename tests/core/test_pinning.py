"""The pin protocol, step by step: decide, repeat, switch, fail static."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runpin.errors import (
    ConfigUnavailable,
    PinConflict,
    SnapshotQuarantined,
    UnknownChannel,
    UnknownSnapshot,
)
from runpin.model import Asked, Behavior, Pin, RunKey, Scope, SnapshotId
from runpin.pinning import Pinner
from runpin.proposing import Proposal
from runpin.testing import MemoryLedger
from world import SCOPE, Host, World, run_key


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two backends, nothing published."""
    return World(tmp_path)


def proposed(snapshot: SnapshotId, by: Asked = Asked.PROPOSAL) -> Proposal:
    """Return what a run carries whose snapshot was suggested."""
    return Proposal({snapshot.application: snapshot}, {snapshot.application: by})


def test_the_first_read_pins_where_the_channel_stands(world: World) -> None:
    """Without a proposal the channel decides, and the pin says what was asked."""
    channel = world.publish({"etl": {"batch_size": 1}})
    pin = world.host().run("r1").pin("payments")

    assert (channel.snapshot, 0, channel.revision, Asked.CHANNEL) == (pin.snapshot, pin.epoch, pin.revision, pin.asked)


def test_a_later_process_gets_the_same_pin_after_the_channel_moved(world: World) -> None:
    """Repeat: another process, another host, a later version; the same snapshot."""
    world.publish({"etl": {"batch_size": 1}})
    first = world.host("a").run("r1").pin("payments")
    world.publish({"etl": {"batch_size": 2}})

    assert first == world.host("b").run("r1").pin("payments")


def test_the_proposal_is_the_candidate(world: World) -> None:
    """What was proposed at the start holds, though the channel moved before the first read."""
    proposal = proposed(world.publish({"etl": {"batch_size": 1}}).snapshot)
    world.publish({"etl": {"batch_size": 2}})
    pin = world.host().run("r1", proposal).pin("payments")

    assert (proposal.pins["payments"], Asked.PROPOSAL) == (pin.snapshot, pin.asked)


def test_a_proposal_that_is_quarantined_gives_way_to_the_channel(world: World) -> None:
    """A rollback between the start and the first read reaches the run."""
    bad = world.publish({"etl": {"batch_size": 1}}).snapshot
    good = world.publish({"etl": {"batch_size": 2}}).snapshot
    world.ledger.bar(bad, actor="ada", reason="bad")

    assert good == world.host().run("r1", proposed(bad)).pin("payments").snapshot


def test_a_proposal_that_no_store_knows_gives_way_to_the_channel(world: World) -> None:
    """A label is only a label; what it names must exist to be used."""
    good = world.publish({"etl": {"batch_size": 1}}).snapshot
    gone = SnapshotId("payments", "prod", 99, "0" * 12)

    assert good == world.host().run("r1", proposed(gone)).pin("payments").snapshot


@pytest.mark.parametrize("environment", ["prod", "dev"])
def test_an_override_must_exist(world: World, environment: str) -> None:
    """Who chooses a snapshot by hand hears that it is not there, instead of getting another."""
    world.publish({"etl": {"batch_size": 1}})
    gone = SnapshotId("payments", environment, 99, "0" * 12)

    with pytest.raises(UnknownSnapshot):
        world.host().run("r1", proposed(gone, Asked.OVERRIDE)).pin("payments")


def test_an_override_of_a_quarantined_snapshot_is_refused(world: World) -> None:
    """A snapshot that was barred is not brought back by a parameter."""
    bad = world.publish({"etl": {"batch_size": 1}}).snapshot
    world.publish({"etl": {"batch_size": 2}})
    world.ledger.bar(bad, actor="ada", reason="bad")

    with pytest.raises(SnapshotQuarantined):
        world.host().run("r1", proposed(bad, Asked.OVERRIDE)).pin("payments")


def test_a_tenant_cannot_choose_the_snapshot_of_another(world: World) -> None:
    """The scope of a chosen snapshot is checked against its manifest, not its name."""
    acme = world.publish({"etl": {"batch_size": 1}}, scope=Scope("payments", "prod", "acme")).snapshot

    with pytest.raises(UnknownSnapshot, match=r"not a snapshot of payments\.prod\.globex"):
        world.host().run("r1", proposed(acme, Asked.OVERRIDE), tenant="globex").pin("payments")


def test_nothing_published_is_a_typed_error(world: World) -> None:
    """A run of an application that nobody published does not get an empty configuration."""
    with pytest.raises(UnknownChannel):
        world.host().run("r1").pin("payments")


def test_a_channel_that_points_at_a_barred_snapshot_says_how_to_move_it(world: World) -> None:
    """A quarantine without a move leaves new runs nothing to pin; the error names the command."""
    bad = world.publish({"etl": {"batch_size": 1}}).snapshot
    world.ledger.bar(bad, actor="ada", reason="bad")

    with pytest.raises(SnapshotQuarantined, match="runpin rollback payments"):
        world.host().run("r1").pin("payments")


def test_a_safe_point_moves_only_a_run_that_may_move(world: World) -> None:
    """AUTO_UPGRADE switches to epoch 1, PINNED stays, and both answers hold in later processes."""
    world.publish({"etl": {"batch_size": 1}})
    moving, staying = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE), world.host().run("r2")
    assert [1, 1] == [run.get_config("payments/etl")["batch_size"] for run in (moving, staying)]
    world.publish({"etl": {"batch_size": 2}})
    epochs = [run.safe_point()["payments"].epoch for run in (moving, staying)]

    assert [1, 0] == epochs
    assert [2, 1] == [run.get_config("payments/etl")["batch_size"] for run in (moving, staying)]
    assert [1, 0] == [world.host("b").run(name).pin("payments").epoch for name in ("r1", "r2")]


def test_without_a_safe_point_even_an_upgrading_run_stays(world: World) -> None:
    """Permission to move is not a move."""
    world.publish({"etl": {"batch_size": 1}})
    run = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE)
    run.pin("payments")
    world.publish({"etl": {"batch_size": 2}})

    assert 1 == run.get_config("payments/etl")["batch_size"]


def test_two_processes_that_switch_at_once_agree(world: World) -> None:
    """The second finds the first one's epoch instead of opening another."""
    world.publish({"etl": {"batch_size": 1}})
    one, two = (world.host(name).run("r1", behavior=Behavior.AUTO_UPGRADE) for name in "ab")
    assert one.pin("payments") == two.pin("payments")
    world.publish({"etl": {"batch_size": 2}})

    assert one.safe_point() == two.safe_point()


def test_a_switch_never_goes_back_to_an_older_revision(world: World) -> None:
    """Two switches one after the other follow the channel's revisions upwards."""
    world.publish({"etl": {"batch_size": 1}})
    run = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE)
    run.pin("payments")
    world.publish({"etl": {"batch_size": 2}})
    revisions = [run.safe_point()["payments"].revision for _ in range(3)]

    assert [2, 2, 2] == revisions


class Overtaken(MemoryLedger):
    """A ledger whose answer is under way for so long that somebody switches meanwhile."""

    def __init__(self, ledger: MemoryLedger, switch: Callable[[], object]) -> None:
        super().__init__()
        self.__dict__.update(ledger.__dict__)
        self._switch_over = switch

    def get(self, run: RunKey, scope: Scope) -> Pin | None:
        """Answer what was so a moment ago."""
        held = super().get(run, scope)
        self._switch_over()
        return held


def test_a_slow_reader_does_not_undo_what_its_host_knows(world: World) -> None:
    """In an outage a later process goes on from the newest epoch that any process of the host saw."""
    world.version(1)
    world.host("b").run("r1").pin("payments")
    second = world.version(2)

    def switch() -> object:
        quick = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE)
        quick.pin("payments")
        return quick.safe_point()

    host, ledger = world.host(), Overtaken(world.ledger, switch)
    slow = Pinner(ledger, world.ledger, host.resolver, host.cache, world.clock)
    Host(host.cache, host.resolver, slow).run("r1").pin("payments")
    world.ledger_switch.off = world.store_switch.off = True

    assert second == world.host().run("r1").pin("payments").snapshot


def test_with_everything_off_a_known_run_reads_on(world: World) -> None:
    """Fail static: the host's own notes hold the pin and the bytes."""
    world.publish({"etl": {"batch_size": 1}})
    assert 1 == world.host().run("r1").get_config("payments/etl")["batch_size"]
    world.ledger_switch.off = world.store_switch.off = True

    assert 1 == world.host().run("r1").get_config("payments/etl")["batch_size"]


def test_with_the_ledger_off_the_proposal_is_used_and_confirmed_later(world: World) -> None:
    """The pin is marked until the ledger has it; then every host sees it."""
    snapshot = world.publish({"etl": {"batch_size": 1}}).snapshot
    world.ledger_switch.off = True
    unconfirmed = world.host().run("r1", proposed(snapshot)).pin("payments")
    world.ledger_switch.off = False
    world.publish({"etl": {"batch_size": 2}})
    confirmed = world.host().run("r1", proposed(snapshot)).pin("payments")

    assert (False, True) == (unconfirmed.confirmed, confirmed.confirmed)
    assert [snapshot] * 3 == [
        unconfirmed.snapshot,
        confirmed.snapshot,
        world.host("b").run("r1").pin("payments").snapshot,
    ]


def test_with_the_ledger_off_and_no_proposal_there_is_an_error_worth_a_retry(world: World) -> None:
    """Never a guess: the channel alone does not decide a pin."""
    world.publish({"etl": {"batch_size": 1}})
    world.ledger_switch.off = True

    with pytest.raises(ConfigUnavailable) as caught:
        world.host().run("r1").pin("payments")

    assert caught.value.retryable


def test_with_the_ledger_off_a_proposal_known_as_barred_is_not_used(world: World) -> None:
    """What this host last saw of the quarantine holds."""
    snapshot = world.publish({"etl": {"batch_size": 1}}).snapshot
    host = world.host()
    host.resolver.note_barred("prod", [snapshot])
    host.resolver.find(snapshot)
    world.ledger_switch.off = True

    with pytest.raises(ConfigUnavailable):
        host.run("r1", proposed(snapshot)).pin("payments")


def test_a_host_that_decides_anything_hears_what_is_barred(world: World) -> None:
    """A worker looks at the quarantine when it decides a pin, so that it knows when nobody can be asked."""
    bad = world.publish({"etl": {"batch_size": 1}}).snapshot
    world.publish({"etl": {"batch_size": 2}})
    world.ledger.bar(bad, actor="ada", reason="bad")
    world.host().resolver.find(bad)
    world.host().run("another").pin("payments")
    world.ledger_switch.off = True

    with pytest.raises(ConfigUnavailable):
        world.host().run("r1", proposed(bad)).pin("payments")


def test_a_ledger_that_contradicts_what_was_read_is_a_conflict(world: World) -> None:
    """One host read the proposal during the outage, another decided afterwards: the run says so, and does not mix."""
    old = world.publish({"etl": {"batch_size": 1}}).snapshot
    world.ledger_switch.off = True
    assert old == world.host("a").run("r1", proposed(old)).pin("payments").snapshot
    world.ledger_switch.off = False
    new = world.publish({"etl": {"batch_size": 2}}).snapshot
    assert new == world.host("b").run("r1").pin("payments").snapshot

    for _ in range(2):
        with pytest.raises(PinConflict, match=str(new)):
            world.host("a").run("r1", proposed(old)).pin("payments")


def test_what_was_read_during_an_outage_and_is_barred_by_now_is_a_conflict(world: World) -> None:
    """The fence holds, and the rest of the run does not silently use another snapshot."""
    old = world.publish({"etl": {"batch_size": 1}}).snapshot
    world.ledger_switch.off = True
    world.host().run("r1", proposed(old)).pin("payments")
    world.ledger_switch.off = False
    world.publish({"etl": {"batch_size": 2}})
    world.ledger.bar(old, actor="ada", reason="bad")

    with pytest.raises(PinConflict, match="barred"):
        world.host().run("r1", proposed(old)).pin("payments")

    assert world.ledger.get(run_key("r1"), SCOPE) is None


def test_an_answer_that_was_changed_on_the_way_is_asked_for_again(world: World) -> None:
    """An epoch never changes, so an answer that contradicts the one before is doubted once."""
    first = world.publish({"etl": {"batch_size": 1}}).snapshot
    pin = world.host("a").run("r1").pin("payments")
    other = world.publish({"etl": {"batch_size": 2}})
    world.ledger.said.append(replace(pin, snapshot=other.snapshot, digest=other.digest))

    assert first == world.host("a").run("r1").pin("payments").snapshot
    assert [] == world.ledger.said
