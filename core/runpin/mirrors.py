"""Mirrors: what follows the store that decides, and how it stands to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from runpin.model import Channel, Commit, Scope, Snapshot, SnapshotId


class Standing(StrEnum):
    """In one word, how a mirror stands to its channel."""

    IN_STEP = "in step"
    BEHIND = "behind"
    MOVING = "moving"
    TAKEN_BACK = "taken back"
    LEFT_OUT = "left out"
    AWAY = "away"
    APART = "apart"
    NOT_COMPARED = "not compared"

    @property
    def is_well(self) -> bool:
        """Whether nobody has to do anything about it."""
        return self in (Standing.IN_STEP, Standing.MOVING)


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


class Replica(Protocol):
    """A store that follows another one: what it holds has the names and numbers that it has there."""

    def adopt(self, snapshot: Snapshot, publication: Commit, actor: str) -> None:
        """
        List *snapshot*, whose objects are all stored, under the sequence that it has; once more changes nothing.

        Raises:
            StoreCorrupt: an object is not stored, or the sequence belongs to another snapshot here.
            StoreUnavailable
        """
        ...

    def follow(self, channel: Channel, *, actor: str, reason: str) -> Channel:
        """
        Bring the channel to where *channel* says, at its revision, and return where it stands then.

        It never goes back: at a higher revision than that it stays where it is.

        Raises:
            UnknownSnapshot: the snapshot was not adopted.
            StoreCorrupt: it stands at this very revision with another snapshot, so somebody else moves it.
            StoreUnavailable
        """
        ...


class Mirror(Protocol):
    """Where channels are copied to, as often as it is asked to; it never decides."""

    @property
    def where(self) -> str:
        """Its address, as it may be printed."""
        ...

    def look(self, scope: Scope, name: str) -> MirrorState:
        """
        Return how the mirror of a channel stands; nothing is copied.

        Raises:
            UnknownChannel, StoreUnavailable, StoreError
        """
        ...

    def bring(self, scope: Scope, name: str) -> MirrorState:
        """
        Do what is missing for the mirror to serve what the channel names, and return how it stands then.

        A call that died is finished by the next one.

        Raises:
            UnknownChannel, StoreUnavailable, StoreCorrupt, StoreError
        """
        ...
