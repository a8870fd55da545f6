"""How the mirror of a channel stands to the channel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runpin.model import Channel, SnapshotId


class Standing(StrEnum):
    """In one word, how a mirror stands to its channel."""

    IN_STEP = "in step"
    BEHIND = "behind"
    MOVING = "moving"
    TAKEN_BACK = "taken back"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class MirrorState:
    """
    What one look at a mirror found.

    Attributes:
        where: the mirror's address, as it may be printed.
        channel: where the channel stands in the store that decides.
        standing: how the mirror stands to that.
        why: one sentence for people.
        snapshot: what the mirror serves, or is about to; None if that is nothing or not known.
        revision: the channel's revision that this was told for; None likewise.
    """

    where: str
    channel: Channel
    standing: Standing
    why: str
    snapshot: SnapshotId | None = None
    revision: int | None = None
