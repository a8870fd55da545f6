"""
Which earlier runs a run takes its snapshots from.

Dagster makes a new run for every re-execution, and many runs for one backfill. To the people who look at them they
are one piece of work, which must not see two configurations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.model import RunKey

if TYPE_CHECKING:
    from runpin.circuit import Circuit


@dataclass(frozen=True, slots=True)
class Ancestry:
    """
    Whom a run agrees with.

    Attributes:
        runs: the runs that this one repeats, nearest first. It keeps what the first of them that has a pin uses now,
            a switch at a safe point included.
        group: stands for all runs that were asked for at once. Whoever of them reads first decides for all;
            it counts when none of `runs` has a pin.
        search: finds more runs that this one repeats, in the ledger, nearest first; asked only when the run's pin is
            decided.
    """

    runs: tuple[RunKey, ...] = ()
    group: RunKey | None = None
    search: Callable[[], Sequence[RunKey]] | None = None

    def __bool__(self) -> bool:
        return bool(self.runs) or self.group is not None or self.search is not None

    def repeated(self, ledger: Circuit) -> tuple[RunKey, ...]:
        """
        Return all runs that this one repeats, nearest first.

        Raises:
            StoreUnavailable: the ledger has to be asked, and does not answer.
        """
        return self.runs if self.search is None else (*self.runs, *ledger.insist(self.search))


ALONE = Ancestry()
"""A run that repeats nothing and belongs to nothing."""
