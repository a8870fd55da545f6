"""Several attempts at one call, within its deadline, with more and more time between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import uniform
from threading import Event
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from runpin.aws_appconfig.failures import Failure
    from runpin.deadlines.timing import Timer
    from runpin.ports import Clock

T = TypeVar("T")

# Their number ends the attempts even under a clock that stands still.
_MOST = 8
_SHARE = 0.5
"""The part of the patience that one attempt may take, so that one lost packet leaves time for another attempt."""
_APART = 0.02
_APART_WHEN_THROTTLED = 0.25


@dataclass(frozen=True, slots=True)
class Attempts:
    """
    How calls of one kind are tried.

    Attributes:
        clock: measures deadlines.
        timer: ends the waits of an attempt.
        patience: seconds that one call may wait in all.
        expected: returns what an attempt may raise.
        judge: says what that means.
    """

    clock: Clock
    timer: Timer
    patience: float
    expected: Callable[[], tuple[type[Exception], ...]]
    judge: Callable[[Exception], Failure]

    def ends(self) -> float:
        """Return when a call that begins now has to be over, on the clock."""
        return self.clock.monotonic() + self.patience

    def run(self, work: Callable[[], T], ends: float, *, again: bool = True) -> T:
        """
        Return what *work* returns, before the moment *ends* on the clock.

        Args:
            work: one or more requests.
            ends: when the call has to be over.
            again: whether *work* may be repeated after a failure whose outcome is not known.

        Raises:
            StoreUnavailable, StoreError
        """
        expected = self.expected()
        for number in range(_MOST):
            try:
                with self.timer.within(min(ends - self.clock.monotonic(), self.patience * _SHARE)):
                    return work()
            except expected as error:
                failed = error
            failure = self.judge(failed)
            rest = spread((_APART_WHEN_THROTTLED if failure.throttled else _APART) * 2**number)
            repeats = failure.throttled or (failure.again and again)
            if not repeats or self.clock.monotonic() + rest >= ends:
                break
            Event().wait(rest)
        raise failure.error from failed


def spread(most: float) -> float:
    """Return a time up to *most* seconds, so that those who failed together do not come back together."""
    return uniform(0, most)  # noqa: S311 - spreads attempts, keeps no secret
