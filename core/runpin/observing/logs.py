"""Log records that name the Snapshots of the run that they belong to, in the field `config_snapshot`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from runpin.observing.sightings import seen

if TYPE_CHECKING:
    from collections.abc import MutableMapping

FIELD = "config_snapshot"
"""Snapshot ids with blanks between them, at most eight; `""` outside of a run and before anything is known."""


class ConfigSnapshotFilter(logging.Filter):
    """Lets every record through and adds the field; for a handler, where `mark_records` would go too far."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the field to *record*."""
        setattr(record, FIELD, seen.label(seen.here()))
        return True


def add_config_snapshot(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the field to an event of structlog, unless it is there; one of its processors."""
    label = seen.label(seen.here())
    if label:
        event.setdefault(FIELD, label)
    return event


def mark_records() -> None:
    """Let every record that the logging module makes from now on have the field."""
    made = logging.getLogRecordFactory()
    if not isinstance(made, _MarkingFactory):
        logging.setLogRecordFactory(_MarkingFactory(made))


class _MarkingFactory:
    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*args, **kwargs)
        setattr(record, FIELD, seen.label(seen.here()))
        return record
