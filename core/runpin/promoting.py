"""
Pointing a channel at a Snapshot that is published already: judged by the rules of today, before anything moves.

It was judged when it was published. The rules may be stricter now, and another channel may have rules of its own.
Going back is no promotion, see `rolling_back`: what takes a fault out of use must need nothing but the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.cases import EnforcementPoint
from runpin.checking import Circumstances
from runpin.errors import Conflict, RevisionConflict, StoreCorrupt, UnknownSnapshot
from runpin.living import Live, Readable, documents_in, nothing_to_compare
from runpin.rolling_back import forward

if TYPE_CHECKING:
    from runpin.checking import Rules
    from runpin.living import Lately
    from runpin.model import Channel, Finding, Scope, Snapshot, SnapshotId

UNCHECKED = "unchecked: "
"""How the reason of a move begins that no rule has judged."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """
    A move that somebody asks for.

    Attributes:
        scope: whose channel.
        channel: its name.
        snapshot: where it shall point.
        expected_revision: where it has to stand for that; 0: it does not exist yet.
        actor: who asks, for the history.
        reason: why, for the history.
    """

    scope: Scope
    channel: str
    snapshot: SnapshotId
    expected_revision: int
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Promoted:
    """Where the channel stands, and what was found that does not deny."""

    channel: Channel
    findings: tuple[Finding, ...]


def promote(asked: Promotion, store: Readable, rules: Rules, lately: Lately | None = None) -> Promoted:
    """
    Judge the Snapshot, and move the channel if nothing denies it.

    Args:
        asked: the move.
        store: where the channel is.
        rules: whose rules; those of today's branch, as a rule.
        lately: counts the runs that may still be reading a Snapshot, for the gates that ask.

    Raises:
        ValidationFailed: a schema or a gate denies it. Nothing was moved, here and below.
        InvalidConfig: the repository cannot be used at this commit, or the check failed.
        RevisionConflict: the channel is not at the expected revision.
        SnapshotQuarantined: the Snapshot is barred.
        StoreCorrupt: the store lost what the channel holds, so that there is nothing to compare with.
        UnknownSnapshot, SourceError, StoreError
    """
    live = Live(store, asked.channel, lately)
    snapshot = _of_its_scope(store.find(asked.snapshot), asked)
    present = live.channel(asked.scope)
    _must_stand(present, asked)
    if present is not None:
        _must_be_there(present, live)
    held = documents_in(store).hold(snapshot, asked.channel)
    (checked,) = rules.judge([held], Circumstances(EnforcementPoint.PROMOTE, asked.channel, look=live))
    checked.must_pass(fix="nothing was moved: publish a commit that the rules of today accept, and move to that")
    return Promoted(_moved(asked, store, asked.reason), checked.findings)


def promote_unchecked(asked: Promotion, store: Readable) -> Channel:
    """
    Move the channel without asking any rule, which the history tells, for the day when the rules cannot be read.

    Raises:
        Conflict: no reason is given.
        RevisionConflict, SnapshotQuarantined: as `promote`.
        UnknownSnapshot, StoreError
    """
    if not asked.reason.strip():
        raise Conflict("a move that is not checked needs a reason", fix="say why, for those who read the history")
    return _moved(asked, store, f"{UNCHECKED}{asked.reason}")


def _moved(asked: Promotion, store: Readable, reason: str) -> Channel:
    return store.move(
        asked.scope,
        asked.channel,
        asked.snapshot,
        expected_revision=asked.expected_revision,
        actor=asked.actor,
        reason=forward(reason),
    )


def _of_its_scope(snapshot: Snapshot, asked: Promotion) -> Snapshot:
    if snapshot.scope != asked.scope:
        raise UnknownSnapshot(
            f"{asked.snapshot} is not a snapshot of {asked.scope}",
            fix=f"`runpin history {asked.scope.application} --environment {asked.scope.environment}` lists them",
        )
    return snapshot


def _must_stand(present: Channel | None, asked: Promotion) -> None:
    # What the gates compare with has to be what the channel is moved from.
    if (present.revision if present else 0) != asked.expected_revision:
        raise RevisionConflict(
            f"channel {asked.channel!r} of {asked.scope} is not at revision {asked.expected_revision} any more",
            where=f"{present.snapshot}, revision {present.revision}" if present else "there is no such channel",
            fix="look at `runpin channel show`, and ask again if the move is still needed",
        )


def _must_be_there(present: Channel, live: Live) -> None:
    try:
        live(present.scope)
    except (UnknownSnapshot, StoreCorrupt) as error:
        raise nothing_to_compare(present.snapshot, error) from error
