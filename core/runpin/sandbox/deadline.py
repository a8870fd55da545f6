"""Until when the child has to be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runpin.ports import Clock

Serve = Callable[[Any], tuple[Any, Sequence[bytes]]]
"""Answers what the child asks while it works, for files of the config repository for one."""


class Deadline:
    """The end of a job's present step, or of the whole job if that comes first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._step = 0.0
        self._whole = 0.0

    def begin(self, whole: float, step: float) -> None:
        """Begin a job, and its first step, with so many seconds each."""
        self._whole = self._clock.monotonic() + whole
        self.step(step)

    def step(self, seconds: float) -> None:
        """Begin another step of *seconds*."""
        self._step = self._clock.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether the time of the whole job has run out, not only that of a step."""
        return self._whole <= self._clock.monotonic()

    def left(self) -> float:
        """Return the seconds that are left."""
        return min(self._step, self._whole) - self._clock.monotonic()

    def paused_in(self, serve: Serve) -> Serve:
        """Return *serve*, whose time is given back to the child."""

        def timed(question: Any) -> tuple[Any, Sequence[bytes]]:
            before = self._clock.monotonic()
            answer = serve(question)
            took = self._clock.monotonic() - before
            self._step += took
            self._whole += took
            return answer

        return timed
