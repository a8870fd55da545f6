"""
The tags of a run: what people and code say to runpin with them, and what runpin shows in them.

Anybody can set a tag, and Dagster's own writers race. So tags are read as instructions or as labels, and never as
the record of what a run uses: that is the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.rerunning import read_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpin.model import Pin

# Names of applications hold no dot and no slash, so a label is never taken for an instruction.

LABEL_PREFIX = "runpin/"
"""`runpin/payments` shows the snapshot of the application `payments`."""

OVERRIDE = "runpin.override"
"""Whoever launches a run names snapshots here: `payments.prod.v41.3f9a1c2b7d10`, several with commas between."""

BEHAVIOR = "runpin.behavior"
"""A job declares `AUTO_UPGRADE` here when its runs may switch at safe points."""

READS = "runpin.reads"
"""A job declares the applications that it reads, with dots between them: `payments.reports`."""

RERUN = "runpin.rerun"
"""A job declares here what its repeated runs use: `keep`, `latest` or `named`."""

PARTIAL = "runpin.partial"
"""A job, or whoever repeats a part of a run, accepts two snapshots in one piece of work: `allow`."""

BACKFILL_POLICY = "runpin.backfill"
"""Who launches a backfill, or its job, says here what it uses: `latest`, `original`, `as_of` or `named`."""

REACTION = "runpin.reaction"
"""Says which move of a channel a run is the reaction to; set by `build_config_sensor`."""

# Dagster shows no tag that begins like this one, and a line of JSON says nothing to people.
CARRIED = ".dagster/runpin"
"""Holds the run's proposal as JSON, see `runpin.proposing`; set by the run coordinator, the sensor and `handed_on`."""

# Dagster's own: of a backfill, of one that repeats another, and of what a run makes.
BACKFILL = "dagster/backfill"
FIRST_BACKFILL = "dagster/root_backfill_id"
EARLIER_BACKFILLS = ("dagster/parent_backfill_id", FIRST_BACKFILL)
PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

# Dagster's daemon sets it on the runs by which it retries others, and takes it off when a person repeats such a run.
RETRY_NUMBER = "dagster/retry_number"


def label(application: str) -> str:
    """Return the tag that shows the snapshot of *application*."""
    return f"{LABEL_PREFIX}{application}"


def label_before(application: str) -> str:
    """Return the tag that shows which snapshot a run used before its latest switch."""
    return f"{label(application)}.before"


def labels(pin: Pin, present: Mapping[str, str]) -> dict[str, str]:
    """
    Return the tags to write so that a run shows *pin*; none if it does already.

    Args:
        pin: what the ledger says.
        present: the tags the run has.
    """
    application, snapshot = pin.scope.application, str(pin.snapshot)
    shown = present.get(label(application))
    if shown == snapshot:
        return {}
    before = {label_before(application): shown} if pin.epoch and shown else {}
    return {label(application): snapshot, **before}


def declared(tags: Mapping[str, str]) -> list[str]:
    """Return the applications that a run's job declares to read."""
    return [name for name in tags.get(READS, "").replace(",", ".").split(".") if name]


def accepts_parts(tags: Mapping[str, str]) -> bool:
    """
    Tell whether a run may use another snapshot than the rest of what it repeats.

    Raises:
        InvalidProposal: the tag says something else than `allow`.
    """
    return read_parts(tags.get(PARTIAL, ""), f"the run's tag {PARTIAL}")
