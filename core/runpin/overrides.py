"""
Overrides: an operator names the Snapshot that one run shall use from its next rerun or safe point on.

What is started with a Snapshot of its own carries that along, see `runpin.proposing`; this is for runs that exist.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from runpin.errors import UnknownSnapshot
from runpin.model import Asked, Digest, Pin, RunKey, Scope, SnapshotId

TAKEN = "taken"
"""How the outcome of an Override begins that a rerun or a safe point took."""


class OverrideKind(StrEnum):
    """How long an Override lasts (Temporal's words)."""

    PINNED = "pinned"
    """Until another one is recorded; runs that this one triggers inherit it."""
    ONCE = "once"
    """For one rerun; the rerun after that goes back to what the run had."""


@dataclass(frozen=True, slots=True)
class Override:
    """
    One wish for one run and scope.

    Attributes:
        run: whose.
        scope: of which application, environment and tenant.
        number: counts the wishes for this run and scope, from 1.
        snapshot: what it shall use.
        digest: that snapshot's digest.
        since: what the run used when this was recorded, which `once` goes back to.
        since_digest: that snapshot's digest.
        since_named: whether somebody had named that too, until further notice.
        kind: how long it lasts.
        actor: who wants it.
        reason: why.
        at: when it was recorded.
        partial: whether it may be taken when only some tasks run again, which leaves one run with two snapshots.
        outcome: how it ended, None while it waits. Text for people: which rerun took it, or what replaced it.
    """

    run: RunKey
    scope: Scope
    number: int
    snapshot: SnapshotId
    digest: Digest
    since: SnapshotId
    since_digest: Digest
    kind: OverrideKind
    actor: str
    reason: str
    at: datetime
    partial: bool = False
    since_named: bool = False
    outcome: str | None = None

    def __post_init__(self) -> None:
        for snapshot, digest in ((self.snapshot, self.digest), (self.since, self.since_digest)):
            if snapshot.short != digest[:12]:
                raise UnknownSnapshot("the snapshot's id and digest disagree", where=str(snapshot))
            if (snapshot.application, snapshot.environment) != (self.scope.application, self.scope.environment):
                raise UnknownSnapshot(f"{snapshot} is not a snapshot of {self.scope}", where=str(self.run))


def before_once(pin: Pin, newest: Override | None) -> Pin | None:
    """Return what the run used before an Override that was for one rerun only, None if there is no such Override."""
    if newest is None or newest.kind is not OverrideKind.ONCE or not _has_given(newest, pin):
        return None
    if pin.asked is not Asked.OVERRIDE:
        return None
    asked = Asked.OVERRIDE if newest.since_named else Asked.CHANNEL
    return replace(pin, snapshot=newest.since, digest=newest.since_digest, asked=asked)


def stays(pin: Pin, newest: Override | None) -> bool:
    """Tell whether somebody named what the run has until further notice, though it had that before."""
    return newest is not None and newest.kind is OverrideKind.PINNED and _has_given(newest, pin)


def lasts(pin: Pin, newest: Override | None) -> bool:
    """Tell whether somebody named what the run has, or goes back to after one rerun, until further notice."""
    before = before_once(pin, newest)
    if before is not None:
        return before.asked is Asked.OVERRIDE
    return pin.asked is Asked.OVERRIDE or stays(pin, newest)


def _has_given(newest: Override, pin: Pin) -> bool:
    return newest.digest == pin.digest and (newest.outcome or "").startswith(TAKEN)


def command(run: RunKey, *more: str) -> str:
    """Return the `runpin override` command for this run, whoever else has one of its id, with *more* of its options."""
    options = ("--job", run.job, "--deployment", run.deployment, *more)
    # What begins with a dash would be taken for an option.
    parts = (*options, "--", run.run_id) if run.run_id.startswith("-") else (run.run_id, *options)
    return shlex.join(["runpin", "override", *parts])


def withdrawing(run: RunKey, scope: Scope) -> str:
    """Return the command that takes back what waits for a run."""
    whose = ("--application", scope.application, "--environment", scope.environment)
    return command(run, *whose, "--withdraw")
