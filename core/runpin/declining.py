"""
Saying no at a safe point: a run that is offered what its channel names now may decline, and is not asked again.

It holds for the whole run, over processes and hosts, until the channel moves on. So what one task has declined is not
taken by the next one that comes to a safe point without a question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.model import Scope, Snapshot
from runpin.reactions import Reaction, ReactionKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpin.model import Channel, Pin, SnapshotId
    from runpin.ports import Clock, Reactions

OUTCOME = "declined at a safe point"


@dataclass(frozen=True, slots=True)
class Offer:
    """
    What a run may switch to.

    Attributes:
        scope: of which application, environment and tenant.
        present: what the run has.
        target: what its channel names now.
        revision: the channel's revision.
        changed: the documents that differ, as `application/document`; those that come or go count.
    """

    scope: Scope
    present: SnapshotId
    target: SnapshotId
    revision: int
    changed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Switched:
    """The run's pin after a safe point, and what it has declined that its channel still names."""

    pin: Pin
    declined: SnapshotId | None = None


class Declined:
    """
    Remembers what runs have declined, in the record of reactions: a line for each run and channel.

    Args:
        reactions: returns the record, when it is first needed.
        clock: dates the entries.
    """

    def __init__(self, reactions: Callable[[], Reactions], clock: Clock) -> None:
        self._reactions = reactions
        self._clock = clock

    def has(self, pin: Pin, standing: Channel) -> bool:
        """
        Tell whether the run of *pin* has declined where its channel stands.

        Raises:
            StoreUnavailable
        """
        newest = self._reactions().newest(_key(pin))
        return newest is not None and newest.revision >= standing.revision

    def note(self, pin: Pin, standing: Channel) -> None:
        """
        Write down that the run of *pin* declined where its channel stands.

        Raises:
            StoreUnavailable
        """
        reactions, now = self._reactions(), self._clock.now()
        line = Reaction(_key(pin), standing.revision, standing.snapshot, standing.digest, None, now)
        held = reactions.begin(line)
        if held.outcome is None:
            reactions.end(held, OUTCOME)
        if held.revision < line.revision:
            # An earlier one was left open by a process that died.
            reactions.end(reactions.begin(line), OUTCOME)


def offer(pin: Pin, standing: Channel, present: Snapshot, target: Snapshot) -> Offer:
    """Return what a run is asked that has *present* and may have *target*."""
    return Offer(pin.scope, pin.snapshot, standing.snapshot, standing.revision, changed_between(present, target))


def changed_between(before: Snapshot | None, after: Snapshot) -> frozenset[str]:
    """Return the documents that differ, as `application/document`; with nothing before, all of them do."""
    then, now = {} if before is None else before.documents, after.documents
    names = (name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    return frozenset(f"{after.scope.application}/{name}" for name in names)


def _key(pin: Pin) -> ReactionKey:
    return ReactionKey(pin.run.engine, pin.run.deployment, f"declined:{pin.run.digest}", pin.scope, pin.channel)
