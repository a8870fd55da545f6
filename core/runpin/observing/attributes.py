"""What spans, logs and metrics say about a pin: names under `config.`, for which OpenTelemetry has no convention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runpin.model import Pin, SnapshotId

Attributes = Mapping[str, str | int]

APPLICATION = "config.application"
ENVIRONMENT = "config.environment"
SNAPSHOT_ID = "config.snapshot.id"
STATE = "config.pin.state"
ASKED = "config.pin.asked"

DECIDED, UNCONFIRMED, PROPOSED = "decided", "unconfirmed", "proposed"

MOST_NAMED = 32
"""Applications of a run that its spans and baggage name; an SDK throws out the oldest attributes for new ones."""

_OF_APPLICATION = "config.snapshot."


def attributes(pin: Pin) -> Attributes:
    """Return what to say of *pin*."""
    return {
        **proposed(pin.snapshot),
        "config.digest": pin.digest,
        "config.channel": pin.channel,
        "config.pin.epoch": pin.epoch,
        ASKED: str(pin.asked),
        STATE: DECIDED if pin.confirmed else UNCONFIRMED,
    }


def proposed(snapshot: SnapshotId) -> Attributes:
    """Return what to say of a run that *snapshot* was proposed to, and that has not read yet."""
    return {
        APPLICATION: snapshot.application,
        ENVIRONMENT: snapshot.environment,
        SNAPSHOT_ID: str(snapshot),
        "config.version": snapshot.sequence,
        STATE: PROPOSED,
    }


def of_run(known: Mapping[str, Attributes]) -> Attributes:
    """
    Return what to say of a run that uses several applications, or one.

    Args:
        known: what to say of each application's pin, by application, the one that was known first at first.
    """
    if not known:
        return {}
    first = next(iter(known.values()))
    # Of an application called `id` the name is taken.
    named = [(key_of(each), said[SNAPSHOT_ID]) for each, said in known.items() if each != "id"]
    return {**dict(named[:MOST_NAMED]), **first}


def key_of(application: str) -> str:
    """Return the name under which spans and baggage carry the id of the snapshot of *application*."""
    return f"{_OF_APPLICATION}{application}"
