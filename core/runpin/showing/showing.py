"""Everything that can be looked at, behind one object for each process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from runpin.showing.backends import Remembered
from runpin.showing.catalogue import channels_of, show_applications, show_history
from runpin.showing.differences import show_diff
from runpin.showing.looking import Look
from runpin.showing.runs import show_run, show_runs_on
from runpin.showing.troubles import show_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runpin.mirrors import MirrorState
    from runpin.model import RunKey, SnapshotId
    from runpin.ports import Clock
    from runpin.showing.backends import Backends
    from runpin.showing.facts import (
        ApplicationsFacts,
        DiffFacts,
        HistoryFacts,
        ProblemsFacts,
        RunFacts,
        SnapshotRuns,
    )
    from runpin.showing.story import Story

T = TypeVar("T")

FRESH = 5.0
"""Seconds for which everybody is told the same about problems and applications."""

MIRRORS_FRESH = 60.0
"""Seconds between two looks at mirrors, which are far away."""


class Showing:
    """
    Answers whoever looks; safe to share between threads.

    Args:
        backends: what is asked.
    """

    def __init__(self, backends: Backends) -> None:
        self._of = backends
        self._remembered = Remembered()
        self._applications: Lately[ApplicationsFacts] = Lately(backends.clock, FRESH, self._all_applications)
        self._problems: Lately[ProblemsFacts] = Lately(backends.clock, FRESH, self._all_problems)
        self._mirrors: Sequence[MirrorState] = ()
        self._looked_at_mirrors: float | None = None

    def run(self, story: Story) -> RunFacts:
        """Return what the run of *story* uses, and how that compares; what is missing is among its problems."""
        return show_run(self._look(), self._of, story)

    def diff(self, story: Story, application: str, against: str) -> DiffFacts:
        """
        Return what differs between what the run of *story* uses and `live`, `previous` or a snapshot that is named.

        Raises:
            UnknownApplication, UnknownSnapshot, StoreUnavailable, StoreCorrupt
        """
        return show_diff(self._look(), self._of, story, application, against)

    def runs_on(
        self, snapshot: SnapshotId, after: str | None, belongs: Callable[[RunKey], bool | None]
    ) -> SnapshotRuns:
        """
        Return a page of the runs that used *snapshot*; *belongs* says which are told, None of those from elsewhere.

        Raises:
            UnknownSnapshot, NotFound, StoreUnavailable
        """
        return show_runs_on(self._look(), self._of, snapshot, after, belongs)

    def applications(self) -> ApplicationsFacts:
        """Return what is live; at most some seconds old."""
        return self._applications()

    def history(self, application: str, channel: str | None = None) -> HistoryFacts:
        """
        Return what happened to *application* and one of its channels.

        Raises:
            UnknownApplication, StoreUnavailable
        """
        return show_history(self._look(), self._of, application, channel)

    def problems(self) -> ProblemsFacts:
        """Return what is wrong; at most some seconds old."""
        return self._problems()

    def _look(self) -> Look:
        return Look(self._of, self._remembered)

    def _all_applications(self) -> ApplicationsFacts:
        return show_applications(self._look(), self._of)

    def _all_problems(self) -> ProblemsFacts:
        self._start_looking_at_mirrors()
        return show_problems(self._look(), self._of, self._mirrors)

    def _start_looking_at_mirrors(self) -> None:
        now, last = self._of.clock.monotonic(), self._looked_at_mirrors
        if self._of.mirrors is None or (last is not None and now - last < MIRRORS_FRESH):
            return
        self._looked_at_mirrors = now
        # Nobody waits for them: the next one who asks is told.
        threading.Thread(target=self._look_at_mirrors, name="runpin-mirrors", daemon=True).start()

    def _look_at_mirrors(self) -> None:
        if self._of.mirrors is not None:
            self._mirrors = tuple(self._of.mirrors(channels_of(self._look(), self._of)))


class Lately(Generic[T]):
    """An answer that is found once for all who ask within some seconds; nobody waits who can have the last one."""

    def __init__(self, clock: Clock, fresh: float, find: Callable[[], T]) -> None:
        self._clock = clock
        self._fresh = fresh
        self._find = find
        self._held: tuple[float, T] | None = None
        self._turn = threading.Lock()

    def __call__(self) -> T:
        """Return the answer, found anew if it is too old and nobody else is at that."""
        held = self._held
        if held is not None and self._clock.monotonic() - held[0] < self._fresh:
            return held[1]
        if not self._turn.acquire(blocking=held is None):
            return held[1] if held is not None else self._find()
        try:
            if self._held is held:
                self._held = (self._clock.monotonic(), self._find())
            return self._held[1] if self._held is not None else self._find()
        finally:
            self._turn.release()
