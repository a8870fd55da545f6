"""The gates that count: size, growth, empty and removed, each with what passes and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpin.canonical import canonical
from runpin.cases import Case, EnforcementMode, EnforcementPoint
from runpin.compiling.gates import Modes
from runpin.counting import PinnedLately
from runpin.errors import StoreUnavailable
from runpin.living import Live
from runpin.model import STABLE, Digest, Pin, RunKey, SnapshotId
from runpin.policy import Armed, ask
from runpin.policy.built_in import BUILT_IN
from runpin.policy.gates.empty import EmptyGate
from runpin.policy.gates.growth import GrowthGate
from runpin.policy.gates.removed import RemovedGate
from runpin.policy.gates.size import SizeGate
from runpin.policy.measuring import Amount
from runpin.ports import Gate
from runpin.testing import FixedClock, MemoryLedger, MemoryStore, case_of
from runpin.testing.cases import LIVE, SCOPE
from runpin.testing.store_contract import publish

TEXTS = st.sampled_from(["", ",", "[]", "{}", '"', "\\", '\\"', '":', "é", "\n", "a"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def counted(value: Any) -> tuple[int, int]:
    """Return values and keys, counted one by one."""
    members = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
    below = [counted(member) for member in members]
    keys = len(value) if isinstance(value, Mapping) else 0
    return 1 + sum(values for values, _ in below), keys + sum(keys for _, keys in below)


@given(VALUES)
def test_an_amount_is_what_counting_one_by_one_gives(value: Any) -> None:
    """Marks in texts and keys do not count, and the quick estimate is never too low."""
    body = canonical(value)
    amount, most = Amount.of(body), Amount.at_most(body)

    assert (len(body), *counted(value)) == (amount.size, amount.values, amount.keys)
    assert (most.values, most.keys) >= (amount.values, amount.keys)
    assert most.keys >= amount.keys


def rules(gate: Gate, case: Case) -> list[tuple[str, str, str, str]]:
    """Return severity, rule, document and pointer of each finding."""
    return [(each.severity, each.rule, each.document, each.pointer) for each in gate.judge(case)]


def wide(keys: int) -> dict[str, int]:
    """Return a document with this many keys."""
    return {f"k{number}": number for number in range(keys)}


SMALL = {"document_bytes": 100, "document_values": 10, "document_keys": 8, "snapshot_bytes": 150, "documents": 3}


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ({"a": {"x": 1}}, []),
        ({"a": {"x": "y" * 60}}, []),
        ({"a": {"x": "y" * 80}}, [("warning", "gate/size/document_bytes", "a", "")]),
        ({"a": {"x": "y" * 100}}, [("error", "gate/size/document_bytes", "a", "")]),
        ({"a": {"x": list(range(7))}}, [("warning", "gate/size/document_values", "a", "")]),
        ({"a": {"x": list(range(9))}}, [("error", "gate/size/document_values", "a", "")]),
        ({"a": wide(7)}, [("warning", "gate/size/document_keys", "a", "")]),
        (
            {"a": wide(9)},
            [("warning", "gate/size/document_values", "a", ""), ("error", "gate/size/document_keys", "a", "")],
        ),
        ({name: {} for name in "abc"}, [("warning", "gate/size/documents", "", "")]),
        ({name: {} for name in "abcd"}, [("error", "gate/size/documents", "", "")]),
        ({name: {"x": "y" * 60} for name in "ab"}, [("warning", "gate/size/snapshot_bytes", "", "")]),
    ],
)
def test_size_warns_before_it_denies(documents: Any, expected: list[tuple[str, ...]]) -> None:
    """From 80 % of a limit on there is a warning, beyond the limit an error, for each limit by itself."""
    assert expected == rules(SizeGate(**SMALL), case_of(documents))


def test_size_lets_marks_in_texts_be() -> None:
    """Commas and brackets in a text are no values, however many there are."""
    assert [] == rules(SizeGate(document_values=20), case_of({"a": {"x": ",[{" * 50}}))


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        ({"a": wide(900)}, None, []),
        ({"a": wide(900)}, {"a": wide(900)}, []),
        ({"a": wide(900)}, {"a": wide(500)}, []),
        (
            {"a": wide(900)},
            {"a": wide(400)},
            [
                ("gate/growth/bytes", "a"),
                ("gate/growth/values", "a"),
                ("gate/growth/bytes", ""),
                ("gate/growth/values", ""),
            ],
        ),
        ({"a": wide(300)}, {"a": wide(3)}, []),
        ({"a": {"x": "y" * 9000}}, {"a": {"x": "y" * 4000}}, [("gate/growth/bytes", "a"), ("gate/growth/bytes", "")]),
        ({"a": wide(900), "b": wide(900)}, {"a": wide(900)}, []),
        (
            {"a": wide(900), "b": wide(950)},
            {"a": wide(900)},
            [("gate/growth/bytes", ""), ("gate/growth/values", "")],
        ),
        ({"a": wide(900), "b": wide(850)}, {"a": wide(900)}, []),
        ({"a": wide(100), "b": wide(900), "c": {}}, {"a": wide(100), "b": wide(900)}, []),
        ({"a": wide(900)}, {}, []),
    ],
)
def test_growth_compares_with_what_is_live(now: Any, then: Any, expected: list[tuple[str, str]]) -> None:
    """More than twice the bytes or values denies, of a document or of all together; small ones may grow."""
    found = GrowthGate().judge(case_of(now, then))

    assert expected == [(each.rule, each.document) for each in found]
    assert {"error"} >= {each.severity for each in found}


def test_growth_takes_another_factor() -> None:
    """A team that means it says so in the manifest."""
    case = case_of({"a": wide(900)}, {"a": wide(400)})

    assert [] == rules(GrowthGate(factor=3), case)
    assert [] == rules(GrowthGate(at_least=100_000), case)


FIVE = {name: {"x": 1} for name in "abcde"}


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        ({"a": {"x": 1}}, None, []),
        ({"a": {}}, None, [("gate/empty", "a", "")]),
        ({}, None, [("gate/empty/snapshot", "", "")]),
        ({}, FIVE, [("gate/empty/snapshot", "", "")]),
        ({"a": {"x": 1}, "b": {"x": 1}}, FIVE, [("gate/empty/snapshot", "", "")]),
        ({"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1}}, FIVE, []),
        ({"f": {"x": 1}}, {"a": {"x": 1}}, []),
        ({"a": {"x": []}}, {"a": {"x": [1]}}, [("gate/empty", "a", "/x")]),
        ({"a": {"x": {}}}, {"a": {"x": {"y": 1}}}, [("gate/empty", "a", "/x")]),
        ({"a": {"x": []}}, {"a": {"x": []}}, []),
        ({"a": {"x": []}}, None, []),
        ({"a": {"x": ""}}, {"a": {"x": "y"}}, []),
    ],
)
def test_empty_denies_what_lost_its_content(now: Any, then: Any, expected: list[tuple[str, str, str]]) -> None:
    """An empty document, a list or mapping that was emptied, and a Snapshot that lost most of its documents."""
    assert expected == [rule[1:] for rule in rules(EmptyGate(), case_of(now, then))]


def test_empty_takes_another_share() -> None:
    """How many documents may go at once is an option."""
    case = case_of({"a": {"x": 1}}, FIVE)

    assert [] == rules(EmptyGate(lost=0.8), case)
    assert [] != rules(EmptyGate(lost=0.79), case)


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        ({"a": {"x": 1}}, None, []),
        ({"a": {"x": 1}}, {"a": {"x": 2}}, []),
        ({"a": {"y": 1}}, {"a": {"x": 1}}, [("gate/removed/key", "a", "/x")]),
        ({"a": {"x": None}}, {"a": {"x": 1}}, []),
        ({"a": {}}, {"a": {"x": {"y": 1, "z": 2}}}, [("gate/removed/key", "a", "/x")]),
        (
            {"a": {"x": 1}},
            {"a": {"x": {"y": 1, "z": 2}}},
            [("gate/removed/key", "a", "/x/y"), ("gate/removed/key", "a", "/x/z")],
        ),
        ({"a": {"x": {"z": 2}}}, {"a": {"x": {"y/~": 1, "z": 2}}}, [("gate/removed/key", "a", "/x/y~1~0")]),
        ({"a": {"x": [1]}}, {"a": {"x": [1, 2]}}, []),
        ({"a": {"x": [{}]}}, {"a": {"x": [{"y": 1}]}}, []),
        ({"b": {"x": 1}}, {"a": {"x": 1}}, [("gate/removed/document", "a", "")]),
    ],
)
def test_removed_tells_keys_and_documents(now: Any, then: Any, expected: list[tuple[str, str, str]]) -> None:
    """The outermost key that is gone, and no items of lists."""
    assert expected == [rule[1:] for rule in rules(RemovedGate(), case_of(now, then))]


@pytest.mark.parametrize(
    ("pinned", "said"),
    [
        (None, "this key is gone; whether runs still read it was not counted"),
        (0, None),
        (1, f"this key is gone, and 1 run was pinned to {LIVE} since 2026-02-03 04:05 UTC"),
        (12345, f"this key is gone, and 12,345 runs were pinned to {LIVE} since 2026-02-03 04:05 UTC"),
    ],
)
def test_removed_depends_on_who_reads(pinned: int | None, said: str | None) -> None:
    """Nobody pinned, nobody missed; nobody counted, everything is told."""
    found = RemovedGate().judge(case_of({"a": {}}, {"a": {"x": 1}}, pinned=pinned))

    assert [said] * (said is not None) == [each.message for each in found]


def test_removed_tells_only_so_many_one_by_one() -> None:
    """What follows is counted, so that a report stays readable."""
    found = RemovedGate(most=3).judge(case_of({"a": {}}, {"a": wide(10)}))

    assert ["gate/removed/key"] * 3 + ["gate/removed"] == [each.rule for each in found]
    assert found[-1].message.startswith("7 more keys are gone")


@pytest.mark.parametrize(
    ("gate", "options"),
    [
        ("size", {"documents": 0}),
        ("size", {"documents": True}),
        ("size", {"document_bytes": "1 MiB"}),
        ("size", {"warn_at": 1.5}),
        ("size", {"banana": 1}),
        ("growth", {"factor": 1}),
        ("growth", {"at_least": 0.5}),
        ("empty", {"lost": "half"}),
        ("removed", {"most": -1}),
        ("references", {"also_accept": "secret"}),
        ("references", {"also_accept": ["(?=x)"]}),
        ("secrets", {"allow": [1]}),
        ("approved", {"approvals": 0}),
        ("signed", {"by": "ada"}),
    ],
)
def test_options_that_cannot_be_used_are_refused(gate: str, options: Any) -> None:
    """A gate that was set up by mistake does not judge."""
    with pytest.raises((TypeError, ValueError)):
        BUILT_IN[gate].make(**options)


DENIED: Mapping[str, Case] = {
    "empty": case_of({"a": {}}),
    "size": case_of({f"d{number}": {"x": 1} for number in range(1001)}),
    "growth": case_of({"a": wide(900)}, {"a": wide(400)}),
    "removed": case_of({"a": {"x": 1}}, {"a": {"y": 1}}),
    "feature_flags": case_of({"a": {"feature_management": {"feature_flags": [{}]}}}),
    "references": case_of({"a": {"password": "hunter2"}}),
    "secrets": case_of({"a": {"x": "postgresql://ada:hunter2@db.example.org/x"}}),
    "signed": case_of({"a": {"x": 1}}),
    "approved": case_of({"a": {"x": 1}}),
}
OWN = {
    "empty": "deny",
    "size": "deny",
    "growth": "deny",
    "removed": "warn",
    "feature_flags": "deny",
    "references": "deny",
    "secrets": "deny",
    "signed": "off",
    "approved": "off",
}


def test_every_gate_has_the_mode_that_is_documented() -> None:
    """What is strict by itself, what warns, and what has to be asked for."""
    assert OWN == {name: str(kind.mode) for name, kind in BUILT_IN.items()}
    assert DENIED.keys() == BUILT_IN.keys()


@pytest.mark.parametrize("name", DENIED)
@pytest.mark.parametrize(
    ("mode", "severity"), [("deny", {"error"}), ("warn", {"warning"}), ("dryrun", {"note"}), ("off", set())]
)
def test_every_gate_is_as_serious_as_its_mode(name: str, mode: str, severity: set[str]) -> None:
    """In each mode, and at each point where the manifest says so; elsewhere the gate's own mode counts."""
    kind, case, chosen = BUILT_IN[name], DENIED[name], EnforcementMode(mode)
    everywhere = Armed(name, kind.make(), Modes(chosen).over(kind.mode))
    here = Armed(name, kind.make(), Modes(at={EnforcementPoint.PUBLISH: chosen}).over(EnforcementMode.OFF))
    elsewhere = Armed(name, kind.make(), Modes(at={EnforcementPoint.AUDIT: chosen}).over(EnforcementMode.OFF))

    assert severity == {finding.severity for finding in ask([everywhere], case)}
    assert severity == {finding.severity for finding in ask([here], case)}
    assert [] == list(ask([elsewhere], case))


def pin(ledger: MemoryLedger, number: int, hours: float, clock: FixedClock, epoch: int = 0) -> None:
    """Record that a run was pinned to the live Snapshot so many hours ago."""
    run = RunKey("airflow", "default", "daily", f"run-{number}")
    made = Pin(run, SCOPE, LIVE, Digest("0" * 64), clock.now() - timedelta(hours=hours), epoch)
    ledger.advance(made) if epoch else ledger.put_if_absent(made)


def test_runs_of_the_window_are_counted_once_each() -> None:
    """A run counts once, however often it switched, and no longer than the window."""
    ledger, clock = MemoryLedger(), FixedClock()
    for number, hours in enumerate((30, 25, 23, 1)):
        pin(ledger, number, hours, clock)
    pin(ledger, 3, 0.5, clock, epoch=1)
    lately = PinnedLately(ledger, clock, timedelta(hours=24))

    assert (2, clock.now() - timedelta(hours=24)) == lately(LIVE)
    clock.advance(3 * 24 * 3600)
    assert 0 == lately(LIVE)[0]


def test_a_ledger_that_does_not_answer_holds_nothing_up() -> None:
    """Runs are then not counted, which is not the same as none."""

    def away(_: SnapshotId) -> tuple[int, datetime]:
        raise StoreUnavailable("the ledger does not answer")

    clock = FixedClock()
    store = MemoryStore(clock)
    snapshot = publish(store, 1)
    store.move(snapshot.scope, STABLE, snapshot.id, expected_revision=0, actor="ada", reason="because")
    counted, unknown = (Live(store, STABLE, lately)(snapshot.scope) for lately in (lambda _: (0, clock.now()), away))

    assert (0, None) == (counted and counted.pinned, unknown and unknown.pinned)
    assert unknown is not None


def test_more_pins_than_are_looked_at_are_never_none() -> None:
    """What was not seen is newer than what was, so that somebody may be reading."""
    ledger, clock = MemoryLedger(), FixedClock()
    for number in range(6):
        pin(ledger, number, 100, clock)
    lately = PinnedLately(ledger, clock, timedelta(hours=24), page=3, pages=2)
    before = lately(LIVE)[0]
    pin(ledger, -1, 1, clock)

    assert (0, 1) == (before, lately(LIVE)[0])
