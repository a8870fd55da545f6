"""The checker of write-once registers accepts what can have happened and refuses what cannot."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpin.testing.linearizability import Kind, Operation, violations


def put(started: float, ended: float, candidate: int, answer: int | None) -> Operation:
    """Return an answered put on one and the same key."""
    return Operation(Kind.PUT, 1, started, ended, candidate, answer)


def get(started: float, ended: float, answer: int | None) -> Operation:
    """Return an answered get on that key."""
    return Operation(Kind.GET, 1, started, ended, answer=answer)


def lost(started: float, candidate: int) -> Operation:
    """Return a put that nobody heard of again."""
    return Operation(Kind.PUT, 1, started, candidate=candidate)


@pytest.mark.parametrize(
    "history",
    [
        [],
        [get(0, 1, None), put(2, 3, 7, 7), put(4, 5, 8, 7), get(6, 7, 7)],
        [put(0, 3, 7, 7), get(1, 2, None)],
        [put(0, 3, 7, 7), get(1, 2, 7)],
        [put(0, 9, 7, 8), put(1, 2, 8, 8)],
        [lost(0, 7)],
        [lost(0, 7), get(5, 6, None), get(7, 8, 7)],
        [lost(0, 7), get(1, 2, None), put(3, 4, 8, 8)],
    ],
)
def test_what_a_register_can_do_is_accepted(history: list[Operation]) -> None:
    """Overlapping calls may take effect in any order, and a lost one at any time or never."""
    assert violations(history) == []


@pytest.mark.parametrize(
    "history",
    [
        [put(0, 1, 7, 7), put(2, 3, 8, 8)],
        [put(0, 1, 7, 7), get(2, 3, None)],
        [put(0, 1, 7, None)],
        [get(0, 1, 7)],
        [get(0, 1, 7), put(2, 3, 7, 7)],
        [get(0, 1, 7), lost(2, 7)],
        [lost(0, 7), get(1, 2, 7), get(3, 4, None)],
        [put(0, 9, 8, 7), put(0, 9, 7, 8)],
    ],
)
def test_what_a_register_cannot_do_is_refused(history: list[Operation]) -> None:
    """Two values, a forgotten value, a value before it was written, a value that nobody wrote."""
    assert [violation.key for violation in violations(history)] == [1]


def test_keys_are_judged_one_by_one() -> None:
    """One bad key does not spoil the others."""
    good, bad = [put(0, 1, 7, 7)], [Operation(Kind.PUT, 2, 0, 1, 7, 8)]

    assert [violation.key for violation in violations([*good, *bad])] == [2]


def explained(history: Sequence[Operation]) -> bool:
    """Tell, by trying every order of the calls, whether a register can have answered like this."""
    return any(_fits(order) for order in permutations(history))


def _fits(order: Sequence[Operation]) -> bool:
    if any(later.ended < earlier.started for place, earlier in enumerate(order) for later in order[place + 1 :]):
        return False
    # A lost put may also never have happened, which is the same as happening after everybody else.
    value: int | None = None
    for operation in order:
        if operation.kind is Kind.PUT and value is None:
            value = operation.candidate
        if operation.answered and operation.answer != value:
            return False
    return True


@st.composite
def histories(draw: st.DrawFn) -> list[Operation]:
    """Draw a few calls on one key, most of them plausible."""
    calls = []
    for candidate in range(1, draw(st.integers(2, 5)) + 1):
        started = draw(st.integers(0, 8))
        ended = started + draw(st.integers(0, 5)) + 0.5
        answer = draw(st.sampled_from([None, 1, 1, 2]))
        kind = draw(st.sampled_from([get(started, ended, answer), put(started, ended, candidate, answer or 1)]))
        calls.append(draw(st.sampled_from([kind, kind, kind, lost(started, candidate)])))
    return calls


def blind_to_time(history: Sequence[Operation]) -> bool:
    """Judge by the values alone: the seeded bug."""
    seen = {operation.answer for operation in history if operation.answer is not None}
    return len(seen) <= 1


@settings(max_examples=400, deadline=None)
@given(histories())
def test_the_checker_agrees_with_trying_every_order(history: list[Operation]) -> None:
    """What it concludes from three bounds is what a search through all orders finds."""
    assert explained(history) == (violations(history) == [])


def test_the_search_would_find_a_checker_that_is_blind() -> None:
    """A checker that looks at the values only disagrees with the search on some history."""
    found: list[list[Operation]] = []

    @settings(max_examples=400, deadline=None, database=None)
    @given(histories())
    def compare(history: list[Operation]) -> None:
        if explained(history) != blind_to_time(history):
            found.append(history)

    compare()

    assert found
