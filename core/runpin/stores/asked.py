"""A move of a channel that was asked for, and why a store of key-values may refuse it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from runpin.errors import RevisionConflict, SnapshotQuarantined, UnknownSnapshot
from runpin.model import Channel, Digest, Scope, SnapshotId


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedMove:
    """
    What a move is to do, with what its line in the history says.

    Attributes:
        scope: whose channel.
        name: its name.
        to: the snapshot that it is to name.
        expected: the revision that it has to be at; 0 if it must not exist.
        actor: who asked.
        reason: why.
        at: when.
        operation: tells whoever asked that the move was carried out by them.
    """

    scope: Scope
    name: str
    to: SnapshotId
    expected: int
    actor: str
    reason: str
    at: datetime
    operation: str = field(default_factory=lambda: uuid4().hex)

    @property
    def is_in_place(self) -> bool:
        """Whether the snapshot is of the channel's application and environment."""
        return (self.to.application, self.to.environment) == (self.scope.application, self.scope.environment)

    def made(self, digest: Digest) -> Channel:
        """Return where the channel stands after the move."""
        return Channel(self.scope, self.name, self.expected + 1, self.to, digest, self.at)

    def require_expected(self, standing: Channel | None, where: str) -> None:
        """
        Check that the channel is where the move begins.

        Raises:
            RevisionConflict: it is not.
        """
        if (standing.revision if standing else 0) != self.expected:
            raise RevisionConflict(
                f"channel {self.name!r} of {self.scope} is not at revision {self.expected} any more",
                where=where,
                fix="look at its history, then decide again",
            )

    def barred(self) -> SnapshotQuarantined:
        """Return the error about a snapshot that no channel may name."""
        return SnapshotQuarantined(
            f"{self.to} is barred from new pins, so no channel may name it",
            where=f"channel {self.name!r} of {self.scope}",
            fix=f"publish other content, or let it in again: `runpin quarantine lift {self.to}`",
        )


def unknown(snapshot: SnapshotId, where: str) -> UnknownSnapshot:
    """Return the error about a snapshot that is not listed."""
    return UnknownSnapshot(
        f"{snapshot} is not published here", where=where, fix="`runpin history` lists the snapshots of an application"
    )
