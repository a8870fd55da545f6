"""
Pins that the ledger has lost before a clear of their run is decided: the host that saw one puts it back first.

What keeps its Snapshot keeps the one that it had, and what moves does so from there.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from runpin.errors import PinConflict
from runpin.model import Asked, Behavior, Pin, RunKey, Scope, SnapshotId
from runpin.overrides import Override, OverrideKind
from runpin.pinning import Pinner
from runpin.questions import Question
from runpin.rerunning import FIRST, Event, Rerun, RerunPolicy
from world import SCOPE, SwitchedLedger, World, carried, run_key


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two backends, nothing published."""
    return World(tmp_path)


def cleared(policy: RerunPolicy, *, whole: bool = True, number: int = 1) -> Rerun:
    """Return what an engine says of a run that was cleared."""
    return Rerun(Event.CLEAR, policy, number=number, whole=whole)


def read(world: World, rerun: Rerun = FIRST, host: str = "a") -> Pin:
    """Read in a new process on *host*."""
    return world.host(host).run("r1", rerun=rerun).pin("payments")


KEEPS = [
    cleared(RerunPolicy.KEEP),
    cleared(RerunPolicy.KEEP, whole=False),
    cleared(RerunPolicy.LATEST, whole=False),
]
KEPT = pytest.mark.parametrize("rerun", KEEPS, ids=["keep", "part, keep", "part, latest"])


def lose_and_clear(world: World, rerun: Rerun) -> None:
    """A host reads, the channel moves, the ledger loses the pin, and the run is cleared: it keeps what it had."""
    first = world.version(1)
    read(world)
    world.version(2)
    world.ledger.lose("r1")

    assert first == read(world, rerun).snapshot, "the run was decided anew"
    assert first == read(world, rerun, "b").snapshot == world.recorded("r1")


@KEPT
def test_a_lost_pin_is_put_back_before_a_clear_is_decided(
    world: World, rerun: Rerun, caplog: pytest.LogCaptureFixture
) -> None:
    """So that what keeps its snapshot keeps it, though nobody has decided that yet."""
    lose_and_clear(world, rerun)
    assert "had lost the pin" in caplog.text


class Forgetful(Pinner):
    """A seeded bug: what is not on record was never read."""

    def _confirm(self, question: Question, read: Pin) -> Pin:
        return self._decide(question) if read.confirmed else super()._confirm(question, read)


@KEPT
def test_a_clear_that_is_decided_without_the_lost_pin_is_caught(tmp_path: Path, rerun: Rerun) -> None:
    """It would give the run another snapshot than it had."""
    with pytest.raises((AssertionError, PinConflict), match=r"decided anew|which has lost that"):
        lose_and_clear(World(tmp_path, pinner=Forgetful), rerun)


def test_a_whole_run_that_wants_the_latest_gets_it_though_its_pin_was_lost(world: World) -> None:
    """At the epoch after the one that it had, so who saw that one finds no contradiction."""
    world.version(1)
    read(world, host="a")
    read(world, host="b")
    second = world.version(2)
    world.ledger.lose("r1")
    pins = [read(world, cleared(RerunPolicy.LATEST), host) for host in "aba"]

    assert {(second, 1, Asked.CHANNEL)} == {(pin.snapshot, pin.epoch, pin.asked) for pin in pins}


def switched_to(world: World, number: int) -> Pin:
    """Publish a version, and return the pin of the run that reads before and switches after that."""
    run = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE)
    run.pin("payments")
    world.version(number)
    return run.safe_point()["payments"]


@KEPT
def test_a_lost_epoch_is_put_back_before_a_clear_is_decided(world: World, rerun: Rerun) -> None:
    """A cleared run that had switched goes on from there."""
    world.version(1)
    switched = [switched_to(world, number) for number in (2, 3)][-1]
    world.version(4)
    world.ledger.lose("r1")
    again = read(world, rerun)

    assert (switched.snapshot, 2) == (again.snapshot, again.epoch)
    assert again == read(world, rerun, "b")


@KEPT
def test_a_cleared_run_that_was_decided_anew_elsewhere_is_told(world: World, rerun: Rerun) -> None:
    """A clear is no way around the alarm, also where only the epoch is left that was before."""
    first = world.version(1)
    switched_to(world, 2)
    world.ledger.lose("r1")
    world.ledger.put_if_absent(lone_pin(first, world))

    with pytest.raises(PinConflict, match="as the ledger said, which has lost that"):
        read(world, rerun)
    assert first == world.recorded("r1")


def test_a_clear_of_the_whole_run_to_the_latest_goes_on_all_the_same(world: World) -> None:
    """Nothing of what was read before remains, so it ends the disagreement, for every host."""
    world.version(1)
    read(world, host="a")
    world.version(2)
    world.ledger.lose("r1")
    read(world, host="b")
    third = world.version(3)

    assert [(third, 2)] * 4 == [
        (pin.snapshot, pin.epoch) for host in "abab" if (pin := read(world, cleared(RerunPolicy.LATEST), host))
    ]


@pytest.mark.parametrize("hosts", ["abab", "baba"])
def test_it_does_so_for_a_host_that_saw_later_epochs_than_there_are_now(world: World, hosts: str) -> None:
    """The run goes on beyond them."""
    world.version(1)
    for number in (2, 3):
        switched_to(world, number)
    world.ledger.lose("r1")
    world.version(4)
    read(world, host="b")
    newest = world.version(5)

    assert {newest} == {read(world, cleared(RerunPolicy.LATEST), host).snapshot for host in hosts}


@pytest.mark.parametrize("lost", ["elsewhere anew", "barred"])
@pytest.mark.parametrize("hosts", ["aba", "bab"])
@pytest.mark.parametrize("part", [False, True], ids=["whole", "part"])
def test_what_was_named_ends_a_disagreement_too(world: World, hosts: str, part: bool, lost: str) -> None:  # noqa: FBT001
    """Where all of the run takes it, or somebody accepts two snapshots in one run."""
    bad, pin = world.version(1), read(world, host="a")
    world.version(2)
    world.ledger.lose("r1")
    if lost == "barred":
        world.ledger.bar(bad, actor="ada", reason="bad")
    else:
        pin = read(world, host="b")
    named = world.version(3)
    digest = world.store.find(named).digest
    world.overrides.record(
        Override(
            *(pin.run, SCOPE, 1, named, digest, pin.snapshot, pin.digest),
            *(OverrideKind.PINNED, "ada", "to repair March", world.clock.now()),
            partial=part,
        )
    )
    world.version(4)

    assert {named} == {read(world, cleared(RerunPolicy.KEEP, whole=not part), host).snapshot for host in hosts}


@pytest.mark.parametrize("away", [False, True], ids=["on record", "away"])
def test_a_clear_to_the_latest_leaves_a_lost_snapshot_that_is_barred_by_now(world: World, away: bool) -> None:  # noqa: FBT001
    """It can not be put back, and nothing of it would remain; a part, which would keep it, is told."""
    first = world.version(1)
    world.ledger_switch.off = away
    world.host("a").run("r1", carried(first)).pin("payments")
    world.ledger_switch.off = False
    second = world.version(2)
    world.ledger.bar(first, actor="ada", reason="bad")
    if not away:
        world.ledger.lose("r1")
    with pytest.raises(PinConflict, match="barred"):
        read(world, cleared(RerunPolicy.LATEST, whole=False))
    pins = [read(world, cleared(RerunPolicy.LATEST), host) for host in "aba"]

    assert {(second, 1)} == {(pin.snapshot, pin.epoch) for pin in pins}


def lone_pin(snapshot: SnapshotId, world: World) -> Pin:
    """Return a run's first epoch, as a ledger from before its switch has it."""
    return Pin(run_key("r1"), SCOPE, snapshot, world.store.find(snapshot).digest, world.clock.now())


@pytest.mark.parametrize("taken", [False, True], ids=["waiting", "taken"])
def test_what_was_named_for_a_run_whose_pin_was_lost_is_taken(world: World, taken: bool) -> None:  # noqa: FBT001
    """For one rerun, and then it goes back; where the channel stands by now does not count."""
    first, second = world.version(1), world.version(2)
    pin = read(world)
    world.version(3)
    world.overrides.record(
        Override(
            *(pin.run, SCOPE, 1, first, world.store.find(first).digest, second, pin.digest),
            *(OverrideKind.ONCE, "ada", "to repair March", world.clock.now()),
        )
    )
    if taken:
        read(world, cleared(RerunPolicy.KEEP), "b")
    world.ledger.lose("r1")
    once = read(world, cleared(RerunPolicy.KEEP))
    later = read(world, cleared(RerunPolicy.KEEP, number=2))

    assert (first, Asked.OVERRIDE, 1) == (once.snapshot, once.asked, once.epoch)
    assert (second, 2) == (later.snapshot, later.epoch)


def test_what_a_clear_led_to_is_carried_out_again_where_the_ledger_lost_it(world: World) -> None:
    """Also by a host that knows only what the run had before that: the record of clears says what to do."""
    world.version(1)
    read(world, host="a")
    second = world.version(2)
    decided = read(world, cleared(RerunPolicy.LATEST), "b")
    world.version(3)
    world.ledger.lose("r1")
    pins = [read(world, cleared(RerunPolicy.LATEST), host) for host in "aba"]

    assert second == decided.snapshot == world.recorded("r1")
    assert {(second, 1)} == {(pin.snapshot, pin.epoch) for pin in pins}


@pytest.mark.parametrize("hosts", ["aba", "bab"])
def test_what_an_earlier_clear_led_to_counts_where_the_run_is_cleared_again(world: World, hosts: str) -> None:
    """Before anybody noticed that it was lost."""
    world.version(1)
    read(world, host="a")
    second = world.version(2)
    read(world, cleared(RerunPolicy.LATEST), "b")
    world.version(3)
    world.ledger.lose("r1")

    assert {second} == {read(world, cleared(RerunPolicy.KEEP, number=2), host).snapshot for host in hosts}


def test_what_an_earlier_clear_led_to_is_left_where_it_is_barred_by_now(world: World) -> None:
    """A clear that follows decides by what is left."""
    first = world.version(1)
    read(world, host="a")
    second = world.version(2)
    read(world, cleared(RerunPolicy.LATEST), "b")
    world.version(3)
    world.ledger.bar(second, actor="ada", reason="bad")
    world.ledger.lose("r1")

    assert first == read(world, cleared(RerunPolicy.KEEP, number=2)).snapshot


class Counting(SwitchedLedger):
    """A ledger that counts how often it is asked for a pin."""

    asked = 0

    def get(self, run: RunKey, scope: Scope) -> Pin | None:
        """Count, and return the pin."""
        self.asked += 1
        return super().get(run, scope)


def test_a_clear_asks_no_more_of_the_ledger_where_nothing_was_lost(world: World) -> None:
    """A host that has seen the pin asks as often as one that has not."""
    world.ledger = ledger = Counting(world.ledger_switch)
    world.version(1)
    read(world, host="a")
    asked = []
    for number, host in enumerate("ab", start=1):
        before = ledger.asked
        read(world, cleared(RerunPolicy.KEEP, number=number), host)
        asked.append(ledger.asked - before)

    assert asked == [4, 4]
