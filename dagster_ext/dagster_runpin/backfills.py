"""Which backfills repeat all of another one, as Dagster's records of them say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_runpin import tags

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun
    from dagster._core.execution.backfill import PartitionBackfill

MOST_REMEMBERED = 256
"""Pairs of backfills whose answer is kept; of those that are forgotten, the records are read again."""


class RepeatedBackfills:
    """
    Tells whether a run's backfill repeats all of the first of its group, for the runs of one instance.

    To read the record of a large backfill takes longer than a run may wait in the daemon's queue, and what a backfill
    was asked for never changes. So each pair is compared once. Threads share it without a lock, which a fork could
    leave locked: those that ask at the same time may compare the same pair.
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], bool] = {}

    def is_all(self, run: DagsterRun, instance: DagsterInstance) -> bool:
        """Tell whether the backfill of *run* repeats all that the first one did; what is not known counts as a part."""
        again, first = run.tags.get(tags.BACKFILL), run.tags.get(tags.FIRST_BACKFILL)
        if again is None or first is None:
            return False
        known = self._answers.get((again, first))
        return self._remember((again, first), _repeats_all(again, first, instance)) if known is None else known

    def _remember(self, pair: tuple[str, str], answer: bool) -> bool:  # noqa: FBT001 - it is what is remembered
        while len(self._answers) >= MOST_REMEMBERED:
            self._answers.pop(next(iter(self._answers)), None)
        return self._answers.setdefault(pair, answer)


def _repeats_all(again: str, first: str, instance: DagsterInstance) -> bool:
    repeating = instance.get_backfill(again)
    if repeating is None or repeating.from_failure:
        return False
    repeated = instance.get_backfill(first)
    return repeated is not None and _target(repeating) == _target(repeated)


def _target(backfill: PartitionBackfill) -> object:
    # Dagster copies it when all is repeated, and takes off what succeeded when it repeats what failed.
    if backfill.asset_backfill_data is not None:
        return backfill.asset_backfill_data.target_subset
    return backfill.partition_names, backfill.reexecution_steps, backfill.asset_selection
