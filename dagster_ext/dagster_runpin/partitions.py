"""Which partitions a run makes, and when they begin, which only its steps know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg  # noqa: TID253 - only a Dagster instance and its runs lead here

from dagster_runpin import tags
from runpin.errors import RepinRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dagster import DagsterRun


def partition_keys(run: DagsterRun) -> tuple[str, str] | None:
    """Return the first and the last partition that *run* makes, mostly the same; None if it makes none."""
    first = run.tags.get(tags.PARTITION, run.tags.get(tags.RANGE_START))
    return None if first is None else (first, run.tags.get(tags.RANGE_END, first))


def makes_several(run: DagsterRun) -> bool:
    """Tell whether *run* makes more than one partition."""
    first, last = partition_keys(run) or ("", "")
    return first != last


def dates_of(run: DagsterRun) -> tuple[datetime, datetime]:
    """
    Return when the first and the last partition that *run* makes begin, in UTC.

    Only a step that executes knows how its partitions are cut, so this is asked when one reads first.

    Raises:
        RepinRefused: the run has no partition, or one that no time belongs to, or no step executes here.
    """
    keys = partition_keys(run)
    if keys is None:
        raise _timeless(run, "this run has no partition")
    try:
        job = dg.OpExecutionContext.get().job_def
    except dg.DagsterInvariantViolationError:
        raise _timeless(run, "the first read is outside of a step, where nobody knows its partitions") from None
    for partitions in _partitions_of(job, run):
        starts = [start.astimezone(UTC) for key in keys if (start := _start_of(partitions, key)) is not None]
        if len(starts) == len(keys):
            return min(starts), max(starts)
    raise _timeless(run, f"no time belongs to the partition {keys[0][:80]!r}")


def _partitions_of(job: dg.JobDefinition, run: DagsterRun) -> Iterator[Any]:
    yield job.partitions_def
    layer: Any = job.asset_layer
    for key in sorted(run.asset_selection or layer.executable_asset_keys):
        if layer.asset_graph.has(key):
            yield layer.asset_graph.get(key).partitions_def


def _start_of(partitions: Any, key: str) -> datetime | None:
    """Return when the partition *key* begins; None if no time belongs to it, or it is none of them."""
    if isinstance(partitions, dg.MultiPartitionsDefinition) and not partitions.has_time_window_dimension:
        return None
    if not isinstance(partitions, dg.TimeWindowPartitionsDefinition | dg.MultiPartitionsDefinition):
        return None
    try:
        start: datetime = partitions.time_window_for_partition_key(key).start
    except (ValueError, dg.DagsterError):
        return None
    return start


def _timeless(run: DagsterRun, why: str) -> RepinRefused:
    return RepinRefused(
        f"its backfill wants what was live when its partition begins, but {why}",
        where=f"run {run.run_id} of {run.job_name}",
        fix=f"launch the backfill with the tag {tags.BACKFILL_POLICY}: latest or original, or name a snapshot with the "
        f"tag {tags.OVERRIDE}",
    )
