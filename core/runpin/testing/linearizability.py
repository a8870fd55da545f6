"""
Checks that a recorded history could have come from one write-once register per key.

A register begins empty and changes once, to the value of one of the `put` operations on it. So there is a single
moment at which the change happened, and everything that was observed places it: the writer was at work at that moment;
whoever saw the value was not done before it; whoever saw the register empty had begun before it. If the three leave no
moment over, no order of the operations explains the history. That makes the check exact, and linear in its length.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf


class Kind(Enum):
    """What an operation did: write if empty and return what is there, or only return what is there."""

    PUT = "put"
    GET = "get"


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One call on the register *key*, as the caller saw it.

    `started` and `ended` are from one clock that all callers share; `ended` is infinite when no answer came, and what
    the call did is then unknown. `answer` is the value returned, None for an empty register. `candidate` is what a
    `put` brought.
    """

    kind: Kind
    key: int
    started: float
    ended: float = inf
    candidate: int | None = None
    answer: int | None = None

    @property
    def answered(self) -> bool:
        """Whether the caller got an answer."""
        return self.ended != inf


@dataclass(frozen=True, slots=True)
class Violation:
    """One key whose history no write-once register can explain."""

    key: int
    why: str


def violations(history: Iterable[Operation]) -> list[Violation]:
    """Return the keys of *history* that contradict a write-once register, each with a reason; none is a pass."""
    by_key: defaultdict[int, list[Operation]] = defaultdict(list)
    for operation in history:
        by_key[operation.key].append(operation)
    return [Violation(key, why) for key, operations in by_key.items() if (why := _contradiction(operations))]


def _contradiction(operations: Sequence[Operation]) -> str | None:
    answered = [operation for operation in operations if operation.answered]
    if any(each.kind is Kind.PUT and each.answer is None for each in answered):
        return "a put returned no value"
    seen = {each.answer for each in answered if each.answer is not None}
    if not seen:
        return None
    if len(seen) > 1:
        return f"two values were seen: {sorted(value for value in seen if value is not None)[:2]}"
    value = seen.pop()
    latest = min(each.ended for each in answered if each.answer == value)
    earliest = max((each.started for each in answered if each.answer is None), default=-inf)
    writers = [each for each in operations if each.kind is Kind.PUT and each.candidate == value]
    if not writers:
        return f"nobody wrote {value}"
    if any(max(each.started, earliest) <= min(each.ended, latest) for each in writers):
        return None
    return f"{value} was seen, then the register was empty, or it was seen before it was written"
