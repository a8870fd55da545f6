"""
The table of faults on the way to a store, and what runpin has to do while each lasts.

docs/reference/faults.md shows the same rows, and a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from fault_proxy import Mode


@dataclass(frozen=True, slots=True)
class Row:
    """
    One fault, and what it may cost.

    A run that this host has read goes on whatever happens; that is no column, because it has no exception.

    Attributes:
        fault: what happens to the bytes.
        answers: whether the store still answers, so that what is new can be decided and published.
        stale: whether a channel is answered from what the host knows.
        patience: seconds that a call may take in the short form.
    """

    fault: Mode
    answers: bool = False
    stale: bool = True
    patience: float = 0.8


ROWS = (
    Row(Mode.REFUSE),
    Row(Mode.BLACKHOLE),
    Row(Mode.DRIP),
    Row(Mode.RESET),
    Row(Mode.GARBAGE),
    Row(Mode.CUT),
    Row(Mode.CORRUPT, answers=True, stale=False, patience=5.0),
    Row(Mode.PAGE),
    Row(Mode.BROKEN),
    Row(Mode.THROTTLED),
    Row(Mode.ENDLESS),
    Row(Mode.LATE, answers=True, patience=5.0),
)
