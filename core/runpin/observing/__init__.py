"""
What a run uses, told to whoever watches runs: spans, log records, metrics and baggage carry its Snapshot.

Importing this loads nothing of OpenTelemetry. The names are in docs/reference/telemetry.md.
"""

from __future__ import annotations

from runpin.observing.attributes import attributes
from runpin.observing.flags import flag_attributes, flag_listener
from runpin.observing.linking import link
from runpin.observing.logs import ConfigSnapshotFilter, add_config_snapshot, mark_records
from runpin.observing.sightings import run_of, seen
from runpin.observing.telling import attach, decided, entered, follow, left, looked, step, switch, tell

__all__ = [
    "ConfigSnapshotFilter",
    "add_config_snapshot",
    "attach",
    "attributes",
    "decided",
    "entered",
    "flag_attributes",
    "flag_listener",
    "follow",
    "left",
    "link",
    "looked",
    "mark_records",
    "run_of",
    "seen",
    "step",
    "switch",
    "tell",
]
