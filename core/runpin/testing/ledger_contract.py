"""What every ledger promises: one answer per run, epochs without gaps, and a quarantine that fences."""

# ruff: noqa: S101 - this module is a test suite that ships

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from threading import Barrier
from typing import Protocol, TypeVar

import pytest

from runpin.errors import EpochConflict, NotFound, SnapshotQuarantined, UnknownSnapshot
from runpin.model import Asked, Digest, Pin, RunKey, Scope, SnapshotId
from runpin.ports import PinLedger, Quarantine

T = TypeVar("T")

AT = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
SCOPE = Scope("payments", "prod")


class Ledger(PinLedger, Quarantine, Protocol):
    """What the contract is about: pins, and the quarantine that fences them."""


def run_key(run_id: str = "manual__2026-02-03T04:05:06+00:00") -> RunKey:
    """Return the key of a run of one and the same job."""
    return RunKey("airflow", "main", "etl", run_id)


def digest_number(sequence: int) -> Digest:
    """Return a made-up digest that differs in its first twelve digits."""
    return Digest(f"{sequence:012x}" + "0" * 52)


def snapshot_id(sequence: int, scope: Scope = SCOPE) -> SnapshotId:
    """Return the id of a made-up snapshot."""
    return SnapshotId.of(scope, sequence, digest_number(sequence))


def pin_of(sequence: int = 1, run: RunKey | None = None, scope: Scope = SCOPE) -> Pin:
    """Return a pin of *run* to a made-up snapshot."""
    return Pin(run or run_key(), scope, snapshot_id(sequence, scope), digest_number(sequence), AT, revision=7)


def following(pin: Pin, sequence: int) -> Pin:
    """Return the pin of the next epoch, to another snapshot."""
    return replace(
        pin,
        snapshot=snapshot_id(sequence, pin.scope),
        digest=digest_number(sequence),
        epoch=pin.epoch + 1,
        asked=Asked.SAFE_POINT,
    )


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """Return what *work* answers for 0 to *count* - 1, begun together in as many threads."""
    line = Barrier(count, timeout=30)

    def begin(number: int) -> T:
        line.wait()
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(begin, range(count)))


def every_pin(ledger: PinLedger, snapshot: SnapshotId, limit: int = 100) -> Iterator[Pin]:
    """Yield every pin of *snapshot*, page after page."""
    page = ledger.runs_of(snapshot, limit=limit)
    yield from page.pins
    while page.next is not None:
        page = ledger.runs_of(snapshot, after=page.next, limit=limit)
        yield from page.pins


class LedgerContract:
    """The tests; a subclass gives `ledger`, an empty one for each test."""

    @pytest.fixture
    def ledger(self) -> Ledger:
        """Return an empty ledger."""
        raise NotImplementedError

    def test_the_first_pin_is_the_answer_for_ever(self, ledger: Ledger) -> None:
        """A second candidate changes nothing and is told what is recorded."""
        first = ledger.put_if_absent(pin_of(1))

        assert pin_of(1) == first
        assert pin_of(1) == ledger.put_if_absent(pin_of(2))
        assert pin_of(1) == ledger.get(run_key(), SCOPE)

    def test_a_run_without_a_pin_has_none(self, ledger: Ledger) -> None:
        """Absence is an answer, not an error."""
        assert ledger.get(run_key(), SCOPE) is None

    def test_every_field_comes_back(self, ledger: Ledger) -> None:
        """What was asked and what was got are both recorded, moments as moments in any zone."""
        scope = Scope("payments", "prod", "acme")
        given = replace(
            pin_of(3, scope=scope),
            run=RunKey("dagster", "cloud", "job", "id", "2"),
            at=AT.astimezone(timezone(timedelta(hours=2))),
            channel="canary",
            revision=None,
            asked=Asked.OVERRIDE,
            confirmed=False,
        )
        ledger.put_if_absent(given)

        assert given == ledger.get(given.run, scope)
        assert [given] == list(every_pin(ledger, given.snapshot))
        assert ledger.put_if_absent(pin_of(4, given.run, scope)).at.utcoffset() is not None

    @pytest.mark.parametrize("run_id", ["", "a\0b", "a\\u0000b", "\\", "\ud800", "a\n'; --", "ä😀", "x" * 5000])
    def test_any_run_id_is_a_run_id(self, ledger: Ledger, run_id: str) -> None:
        """An engine's ids are not ours to refuse, and no two of them are one."""
        pin = pin_of(1, run_key(run_id))
        ledger.put_if_absent(pin)

        assert pin == ledger.get(run_key(run_id), SCOPE)
        assert [run_id] == [each.run.run_id for each in every_pin(ledger, pin.snapshot)]
        assert ledger.get(run_key(run_id + "\\u0000"), SCOPE) is None

    def test_runs_and_scopes_are_told_apart(self, ledger: Ledger) -> None:
        """Another part of the key, tenant and incarnation included, is another register."""
        runs = [
            run_key(),
            replace(run_key(), incarnation="2"),
            replace(run_key(), job="et", run_id="l" + run_key().run_id),
        ]
        scopes = [SCOPE, Scope("payments", "prod", "acme"), Scope("payments", "test"), Scope("billing", "prod")]
        pins = [
            pin_of(number, run, scope)
            for number, (run, scope) in enumerate(((run, scope) for run in runs for scope in scopes), 1)
        ]
        for pin in pins:
            ledger.put_if_absent(pin)

        assert pins == [ledger.get(pin.run, pin.scope) for pin in pins]

    def test_many_writers_get_one_answer(self, ledger: Ledger) -> None:
        """Of candidates that arrive together one is recorded, and all callers are told which."""
        for run in (run_key("r1"), run_key("r2"), run_key("r3")):
            answers = at_once(8, partial(self._put_numbered, ledger, run))

            assert answers == [ledger.get(run, SCOPE)] * 8

    @staticmethod
    def _put_numbered(ledger: Ledger, run: RunKey, number: int) -> Pin | None:
        return ledger.put_if_absent(pin_of(number + 1, run))

    def test_only_epoch_zero_is_a_first_pin(self, ledger: Ledger) -> None:
        """A later epoch has to follow one."""
        with pytest.raises(EpochConflict):
            ledger.put_if_absent(following(pin_of(1), 2))
        with pytest.raises(EpochConflict):
            ledger.advance(following(pin_of(1), 2))

        assert ledger.get(run_key(), SCOPE) is None

    def test_a_switch_opens_the_next_epoch(self, ledger: Ledger) -> None:
        """From then on the run's answer is the new one, also for who asks to put the first again."""
        second = following(ledger.put_if_absent(pin_of(1)), 2)

        assert second == ledger.advance(second)
        assert second == ledger.get(run_key(), SCOPE)
        assert second == ledger.put_if_absent(pin_of(1))
        assert [pin_of(1)] == list(every_pin(ledger, snapshot_id(1)))

    def test_a_switch_from_a_past_epoch_is_refused(self, ledger: Ledger) -> None:
        """Compare-and-set: the run has to be where the caller believes it is."""
        second = following(ledger.put_if_absent(pin_of(1)), 2)
        ledger.advance(second)

        with pytest.raises(EpochConflict):
            ledger.advance(following(pin_of(1), 3))
        with pytest.raises(EpochConflict):
            ledger.advance(following(following(second, 3), 4))
        assert second == ledger.get(run_key(), SCOPE)

    def test_the_same_switch_may_be_repeated(self, ledger: Ledger) -> None:
        """After an unknown outcome the very same record is no conflict."""
        second = following(ledger.put_if_absent(pin_of(1)), 2)

        assert [second, second] == [ledger.advance(second), ledger.advance(second)]

    def test_of_many_switches_one_wins(self, ledger: Ledger) -> None:
        """All others are told that the run has moved on."""
        first = ledger.put_if_absent(pin_of(1))

        def switch(number: int) -> Pin | None:
            try:
                return ledger.advance(following(first, number + 2))
            except EpochConflict:
                return None

        winners = [pin for pin in at_once(8, switch) if pin is not None]

        assert [ledger.get(run_key(), SCOPE)] == winners

    def test_a_pin_of_a_foreign_snapshot_is_refused(self, ledger: Ledger) -> None:
        """A run of one application never gets the configuration of another."""
        with pytest.raises(UnknownSnapshot):
            ledger.put_if_absent(replace(pin_of(1), scope=Scope("billing", "prod")))

    def test_a_barred_snapshot_gets_no_new_pin(self, ledger: Ledger) -> None:
        """Neither as a first pin nor by a switch, and nothing is written."""
        ledger.put_if_absent(pin_of(1, run_key("old")))
        ledger.bar(snapshot_id(2), actor="ada", reason="broken")

        with pytest.raises(SnapshotQuarantined):
            ledger.put_if_absent(pin_of(2))
        with pytest.raises(SnapshotQuarantined):
            ledger.advance(following(pin_of(1, run_key("old")), 2))
        assert ledger.get(run_key(), SCOPE) is None
        assert pin_of(1, run_key("old")) == ledger.get(run_key("old"), SCOPE)

    def test_a_run_in_flight_keeps_its_barred_snapshot(self, ledger: Ledger) -> None:
        """The quarantine is about new pins only."""
        ledger.put_if_absent(pin_of(1))
        ledger.bar(snapshot_id(1), actor="ada", reason="broken")

        assert pin_of(1) == ledger.put_if_absent(pin_of(1))
        assert pin_of(1) == ledger.get(run_key(), SCOPE)

    def test_a_run_with_a_barred_snapshot_may_open_an_epoch_with_it(self, ledger: Ledger) -> None:
        """It is no new pin, and shuts out who would move the run to another one; only its newest epoch counts."""
        first = ledger.put_if_absent(pin_of(1))
        ledger.bar(snapshot_id(1), actor="ada", reason="broken")
        second = ledger.advance(following(first, 1))

        with pytest.raises(EpochConflict):
            ledger.advance(following(first, 2))
        third = ledger.advance(following(second, 2))
        with pytest.raises(SnapshotQuarantined):
            ledger.advance(following(third, 1))
        assert third == ledger.get(run_key(), SCOPE)

    def test_a_lifted_snapshot_may_be_pinned_again(self, ledger: Ledger) -> None:
        """Barring and lifting may both be repeated."""
        for _ in range(2):
            ledger.bar(snapshot_id(1), actor="ada", reason="broken")
        barred = ledger.barred("prod")
        for _ in range(2):
            ledger.lift(snapshot_id(1), actor="ada", reason="was not the cause")

        assert {snapshot_id(1)} == barred
        assert frozenset() == ledger.barred("prod")
        assert pin_of(1) == ledger.put_if_absent(pin_of(1))

    def test_the_quarantine_knows_its_environment(self, ledger: Ledger) -> None:
        """What is barred in one environment is free in the other, and for other content of the same number."""
        there = Scope("payments", "test")
        ledger.bar(snapshot_id(1, there), actor="ada", reason="broken")
        ledger.bar(replace(snapshot_id(1), short="f" * 12), actor="ada", reason="broken")

        assert {snapshot_id(1, there)} == ledger.barred("test")
        assert pin_of(1) == ledger.put_if_absent(pin_of(1))

    def test_after_a_bar_no_pin_is_decided(self, ledger: Ledger) -> None:
        """Pins that are being decided while the bar is asked for are there when it returns, or never."""

        def work(number: int) -> list[Pin]:
            if number == 0:
                ledger.bar(snapshot_id(1), actor="ada", reason="broken")
                return list(every_pin(ledger, snapshot_id(1)))
            for each in range(40):
                try:
                    ledger.put_if_absent(pin_of(1, run_key(f"{number}-{each}")))
                except SnapshotQuarantined:
                    break
            return []

        census = at_once(5, work)[0]

        assert census == list(every_pin(ledger, snapshot_id(1)))

    def test_pages_hold_every_pin_once(self, ledger: Ledger) -> None:
        """The pages follow each other, oldest first, whatever their size."""
        pins = [replace(pin_of(1, run_key(f"r{n}")), at=AT + timedelta(seconds=n)) for n in range(7)]
        for pin in reversed(pins):
            ledger.put_if_absent(pin)
        ledger.put_if_absent(pin_of(2, run_key("other")))

        assert [pins] * 4 == [list(every_pin(ledger, snapshot_id(1), limit)) for limit in (1, 3, 7, 100)]
        assert ledger.runs_of(snapshot_id(1), limit=7).next is None
        assert ledger.runs_of(replace(snapshot_id(1), short="f" * 12)).pins == ()

    @pytest.mark.parametrize("cursor", ["", "x", "bm90IGpzb24=", "//", "ä"])
    def test_a_cursor_from_elsewhere_is_refused(self, ledger: Ledger, cursor: str) -> None:
        """A cursor comes from the page before."""
        with pytest.raises(NotFound):
            ledger.runs_of(snapshot_id(1), after=cursor)
