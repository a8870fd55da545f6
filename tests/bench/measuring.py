"""
How `make bench` measures: cases take turns, medians are compared, and only ratios are promised.

Machines are noisy. Cases that are compared run in the same minute, in small interleaved batches, so that a slow moment
hits all of them; the median of the batches is what counts.
"""

from __future__ import annotations

import gc
import statistics
import time
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_BATCH_SECONDS = 0.02
_BATCHES = 15


@dataclass(frozen=True, slots=True)
class Row:
    """
    One line of the table.

    `beside` names what it is compared with, `ratio` is its median over that one's, `budget` is the promise, if any.
    """

    group: str
    case: str
    seconds: float
    beside: str = ""
    ratio: float | None = None
    budget: str = ""

    @property
    def kept(self) -> bool | None:
        """Whether the budget is kept; None when there is none. `<= 1.5x` bounds the ratio, `<= 10 us` the time."""
        if not self.budget:
            return None
        limit, unit = (
            self.budget.removeprefix("<= ").rsplit(" ", 1) if " " in self.budget[3:] else (self.budget[3:], "")
        )
        if limit.endswith("x"):
            return self.ratio is not None and self.ratio <= float(limit[:-1])
        return self.seconds <= float(limit) * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}[unit]


def interleave(cases: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """
    Return seconds per call of each case: the median of small batches that take turns.

    Each case is called as often in a batch as fits twenty milliseconds.
    """
    counts = {name: _calls_in_a_batch(case) for name, case in cases.items()}
    taken: dict[str, list[float]] = {name: [] for name in cases}
    gc.collect()
    gc.disable()
    try:
        for _ in range(_BATCHES):
            for name, case in cases.items():
                taken[name].append(_time(case, counts[name]) / counts[name])
    finally:
        gc.enable()
    return {name: statistics.median(times) for name, times in taken.items()}


def interleave_statements(statements: Mapping[str, str], names: Mapping[str, object]) -> dict[str, float]:
    """
    Return seconds per run of each statement, for things so short that calling a function would hide them.

    Each is written a hundred times in a row into the loop that is timed.
    """
    timers = {name: timeit.Timer(";".join([text] * 100), globals=dict(names)) for name, text in statements.items()}
    taken: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(_BATCHES):
        for name, timer in timers.items():
            taken[name].append(timer.timeit(2000) / 200_000)
    return {name: statistics.median(times) for name, times in taken.items()}


def once_each(cases: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every single call; each case is called with a number that never repeats, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds):
        for name, case in cases.items():
            began = time.perf_counter()
            case(number)
            taken[name].append(time.perf_counter() - began)
    return taken


def percentile(times: list[float], share: float) -> float:
    """Return the time that *share* of the calls stayed below."""
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


def _calls_in_a_batch(case: Callable[[], object]) -> int:
    case()
    calls = 1
    while (taken := _time(case, calls)) < _BATCH_SECONDS / 4 and calls < 1_000_000:
        calls *= 4
    return max(1, int(calls * _BATCH_SECONDS / max(taken, 1e-9)))


def _time(case: Callable[[], object], calls: int) -> float:
    repeat = range(calls)
    began = time.perf_counter()
    for _ in repeat:
        case()
    return time.perf_counter() - began
