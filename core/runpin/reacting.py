"""
Reacting to a channel's moves, each once.

    answer = reactor.look(key)          # what is due now, if anything; the same until it is ended
    ... launch what is due, marked with answer.due.label ...
    reactor.end(answer.due, "run 5f0c...")

Whoever is killed in between finds the same reaction due again, and sees by the label whether it was launched.
A reaction that is open is finished before a newer revision counts; revisions that passed meanwhile are one change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.declining import changed_between
from runpin.errors import StoreUnavailable
from runpin.reactions import Reaction, ReactionKey

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from runpin.model import Channel, Snapshot, SnapshotId
    from runpin.ports import Clock, Quarantine, Reactions
    from runpin.resolving import Resolver

FIRST_SIGHT = "first sight: later moves are counted from here"
"""The outcome of the first reaction of a key, which launches nothing."""

BARRED = "its snapshot was barred from new pins"
"""The outcome of a reaction whose snapshot was quarantined before it ended, once the channel moved on."""


@dataclass(frozen=True, slots=True)
class Look:
    """
    What one look at a channel found.

    Attributes:
        standing: where the channel stands.
        due: what has to follow now, None if nothing.
        why: one sentence for the engine's own log of the look.
    """

    standing: Channel
    due: Reaction | None
    why: str


class Reactor:
    """Tells what is due, from where a channel stands and what is on record."""

    def __init__(self, reactions: Reactions, resolver: Resolver, quarantine: Quarantine, clock: Clock) -> None:
        self._reactions = reactions
        self._resolver = resolver
        self._quarantine = quarantine
        self._clock = clock

    def look(self, key: ReactionKey, *, react_to_first: bool = False) -> Look:
        """
        Return what *key* has to do now.

        Args:
            key: who reacts to which channel.
            react_to_first: whether the channel's state at the very first look is a change; by default later moves
                are counted from it.

        Raises:
            UnknownChannel: nothing was published to the channel yet.
            StoreUnavailable: where the channel stands cannot be known now; nothing is lost, look again.
        """
        standing = self._standing(key)
        barred = self._quarantine.barred(key.scope.environment)
        newest = self._passed(self._reactions.newest(key), standing, barred)
        if newest is None or (newest.outcome is not None and newest.revision < standing.revision):
            if standing.snapshot in barred:
                return _waiting(standing, standing.snapshot)
            newest = self._begin(key, standing, newest)
        if newest.outcome is None and newest.snapshot in barred:
            return _waiting(standing, newest.snapshot)
        if newest.outcome is None and newest.since is None and not react_to_first:
            newest = self.end(newest, FIRST_SIGHT)
        return _found(standing, newest)

    def changed(self, reaction: Reaction) -> frozenset[str]:
        """
        Return the documents that differ since the reaction before, as `application/document`.

        Documents that came or went count; without a reaction before, all of them do.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable
        """
        now = self._resolver.snapshot(reaction.digest, reaction.snapshot.sequence)
        return changed_between(self._snapshot_before(reaction), now)

    def end(self, reaction: Reaction, outcome: str) -> Reaction:
        """
        Record how *reaction* ended; the first outcome stays.

        Raises:
            StoreUnavailable
        """
        return self._reactions.end(reaction, outcome)

    def _standing(self, key: ReactionKey) -> Channel:
        try:
            return self._resolver.present(key.scope, key.channel)
        except StoreUnavailable as away:
            raise StoreUnavailable(
                "the store does not answer, so nobody can say whether the channel moved",
                where=f"channel {key.channel!r} of {key.scope}",
                fix="nothing is lost: the next look reacts to what moved meanwhile; `runpin doctor` says what is away",
            ) from away

    def _passed(self, newest: Reaction | None, standing: Channel, barred: AbstractSet[SnapshotId]) -> Reaction | None:
        # Until the channel moves on, the quarantine may be lifted.
        if newest is None or newest.outcome is not None or newest.revision >= standing.revision:
            return newest
        return self.end(newest, BARRED) if newest.snapshot in barred else newest

    def _begin(self, key: ReactionKey, standing: Channel, newest: Reaction | None) -> Reaction:
        return self._reactions.begin(
            Reaction(
                key=key,
                revision=standing.revision,
                snapshot=standing.snapshot,
                digest=standing.digest,
                since=None if newest is None else _counted_from(newest),
                at=self._clock.now(),
            )
        )

    def _snapshot_before(self, reaction: Reaction) -> Snapshot | None:
        if reaction.since is None:
            return None
        return self._resolver.snapshot(self._resolver.find(reaction.since), reaction.since.sequence)


def _counted_from(newest: Reaction) -> SnapshotId | None:
    # Nothing followed from a reaction that was barred, so what it would have reported is still to be reported.
    return newest.since if newest.outcome == BARRED else newest.snapshot


def _waiting(standing: Channel, snapshot: SnapshotId) -> Look:
    return Look(standing, None, f"{snapshot} is barred from new pins; waiting for the channel to move")


def _found(standing: Channel, reaction: Reaction) -> Look:
    seen = f"revision {reaction.revision}: {reaction.snapshot}"
    if reaction.outcome is None:
        return Look(standing, reaction, f"{seen}, begun and not ended yet")
    return Look(standing, None, f"{seen}, seen. {reaction.outcome}")
