"""How many runs were pinned to a Snapshot: lately, which is how gates know that somebody reads it, or ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runpin.model import Digest, SnapshotId
    from runpin.ports import Clock, PinLedger

_PAGE = 1_000
_COUNTED = 10_000


class PinnedLately:
    """
    Counts the runs that were pinned to a Snapshot within a window of time that ends now.

    The ledger tells pins oldest first, and only so many are looked at. If there are more, these are newer ones, so that
    no fewer runs are told than one: the answer may be too low then, and is never a mistaken 0.

    Args:
        ledger: holds the pins.
        clock: says what now is.
        window: how far back it counts.
        page: how many pins are asked for at a time.
        pages: how often that is done.

    Raises:
        StoreUnavailable: when it is asked.
    """

    def __init__(
        self, ledger: PinLedger, clock: Clock, window: timedelta, *, page: int = 1_000, pages: int = 10
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._window = window
        self._page = page
        self._pages = pages

    def __call__(self, snapshot: SnapshotId) -> tuple[int, datetime]:
        """Return how many runs there were, and the moment from which they were counted."""
        since = self._clock.now() - self._window
        runs: set[Digest] = set()
        after: str | None = None
        for _ in range(self._pages):
            page = self._ledger.runs_of(snapshot, after=after, limit=self._page)
            runs.update(pin.run.digest for pin in page.pins if pin.at >= since)
            after = page.next
            if after is None:
                return len(runs), since
        return max(len(runs), 1), since


def count_pins(ledger: PinLedger, snapshot: SnapshotId) -> tuple[int, bool]:
    """
    Return how many pins of *snapshot* there are, and whether that is all of them; counting ends at ten thousand.

    Raises:
        StoreUnavailable
    """
    count, after = 0, None
    while count < _COUNTED:
        page = ledger.runs_of(snapshot, after=after, limit=_PAGE)
        count += len(page.pins)
        after = page.next
        if after is None:
            return count, True
    return count, False
