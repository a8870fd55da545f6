"""
The record of what followed from a channel's move: who reacts, to which revision, and how that ended.

An engine's own memory of it, such as a cursor, can be lost or written by anybody, so it is a hint; this decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from runpin.errors import RunpinError, UnknownSnapshot
from runpin.model import STABLE, Digest, Scope, SnapshotId


@dataclass(frozen=True, slots=True)
class ReactionKey:
    """
    Who reacts to which channel.

    `name` is what the reaction does, for example `job:reprice`, rather than what the sensor is called that does it:
    a renamed sensor goes on where it was. `digest` hashes the parts with their lengths.
    """

    engine: str
    deployment: str
    name: str
    scope: Scope
    channel: str = STABLE

    @property
    def digest(self) -> Digest:
        """SHA-256 over the length-prefixed parts."""
        hashed = sha256()
        for part in (self.engine, self.deployment, self.name, str(self.scope), self.channel):
            encoded = part.encode("utf-8", "surrogatepass")
            hashed.update(len(encoded).to_bytes(8, "big") + encoded)
        return Digest(hashed.hexdigest())

    def __str__(self) -> str:
        return f"{self.engine}:{self.deployment}:{self.name} on {self.channel!r} of {self.scope}"


@dataclass(frozen=True, slots=True)
class Reaction:
    """
    What is to follow from one move of a channel.

    Attributes:
        key: who reacts.
        revision: the channel's revision that is reacted to.
        snapshot: where the channel stood at that revision.
        digest: that snapshot's digest.
        since: the snapshot of the reaction before, which changes are counted from; None for the first.
        at: when it was begun.
        outcome: how it ended, None while it is open. Text for people: a run id, or why nothing had to be done.
    """

    key: ReactionKey
    revision: int
    snapshot: SnapshotId
    digest: Digest
    since: SnapshotId | None
    at: datetime
    outcome: str | None = None

    def __post_init__(self) -> None:
        scope, since = self.key.scope, self.since or self.snapshot
        if self.snapshot.short != self.digest[:12]:
            raise UnknownSnapshot("the snapshot's id and digest disagree", where=str(self.snapshot))
        for each in (self.snapshot, since):
            if (each.application, each.environment) != (scope.application, scope.environment):
                raise UnknownSnapshot(f"{each} is not a snapshot of {scope}", where=f"revision {self.revision}")

    @property
    def label(self) -> str:
        """
        Name the reaction in tags and run keys: `payments.prod.r7.3f9a1c2b7d10`.

        At most 63 of `[A-Za-z0-9_.-]`, and different for each key and revision.
        """
        scope = self.key.scope
        return f"{scope.application}.{scope.environment}.r{self.revision}.{self.key.digest[:12]}"


@dataclass(frozen=True, slots=True)
class Moved:
    """A move of a channel as an engine was told of it, which may start a run for it."""

    scope: Scope
    channel: str
    revision: int

    @classmethod
    def read(cls, told: Mapping[str, object]) -> Moved | None:
        """Return the move that *told* names; None if that is not readable."""
        application, environment, tenant, revision = map(told.get, ("application", "environment", "tenant", "revision"))
        if not isinstance(revision, int):
            return None
        try:
            scope = Scope(str(application), str(environment), None if tenant is None else str(tenant))
        except RunpinError:
            return None
        return cls(scope, str(told.get("channel")), revision)
