"""
Which earlier runs a run takes its snapshots from.

Dagster makes a new run for every re-execution, and many runs for one backfill. To the people who look at them they
are one piece of work, which must not see two configurations.
"""

from __future__ import annotations

from dataclasses import dataclass

from runpin.model import RunKey


@dataclass(frozen=True, slots=True)
class Ancestry:
    """
    Whom a run agrees with.

    Attributes:
        runs: the runs that this one repeats, nearest first. It keeps what the first of them that has a pin uses now,
            a switch at a safe point included.
        group: stands for all runs that were asked for at once. Whoever of them reads first decides for all;
            it counts when none of `runs` has a pin.
    """

    runs: tuple[RunKey, ...] = ()
    group: RunKey | None = None

    def __bool__(self) -> bool:
        return bool(self.runs) or self.group is not None


ALONE = Ancestry()
"""A run that repeats nothing and belongs to nothing."""
