"""
Going back: a channel returns to a snapshot it pointed at before, and the one it leaves is barred from new pins.

The channel moves first, so that new runs have somewhere to go at every moment; the quarantine follows and fences the
pins that are being decided. A rollback that was stopped between the two is finished by the next one. If that one may
be asked for again, the history has to tell that it was made: a move on the spot does.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from runpin.errors import Conflict, RevisionConflict, SnapshotQuarantined, UnknownSnapshot
from runpin.model import Channel, ChannelMove, Scope, SnapshotId
from runpin.ports import ChannelStore, History, SnapshotStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runpin.ports import Quarantine

_MARK = "rollback: "
_MOVES_SEARCHED = 500


class Movable(SnapshotStore, ChannelStore, History, Protocol):
    """A store whose channels can go back: it knows the snapshots and remembers the moves."""


def forward(reason: str) -> str:
    """Return the *reason* of a move that is no rollback, in quotes if its words would make it look like one."""
    return f'"{reason}"' if reason.startswith(_MARK) else reason


@dataclass(frozen=True, slots=True)
class Return:
    """
    What going back would do: the channel leaves its `left` snapshot for `to`.

    `finishes` is true when the channel stands at `to` already and only the quarantine of `left` is missing.
    """

    present: Channel
    left: SnapshotId
    to: SnapshotId
    finishes: bool = False


def plan_return(
    store: Movable, quarantine: Quarantine, scope: Scope, channel: str, to: SnapshotId | None = None
) -> Return:
    """
    Work out where *channel* of *scope* goes back to; nothing is written.

    Args:
        store: holds the channel and its history.
        quarantine: knows which snapshots are barred.
        scope: whose channel it is.
        channel: its name.
        to: the snapshot to go to; by default the one the channel pointed at last that is another one and not barred.

    Raises:
        UnknownChannel: nothing was published to it.
        UnknownSnapshot: *to* does not exist, or is a snapshot of another scope.
        Conflict: there is nothing to go back to, or *to* is where the channel stands.
        RevisionConflict: the channel is moving at this moment.
        StoreError
    """
    present = store.channel(scope, channel)
    moves = store.moves(scope, channel, _MOVES_SEARCHED)
    if moves and moves[0].channel.revision != present.revision:
        raise RevisionConflict(
            f"channel {channel!r} of {scope} moved while its history was read",
            fix="look at `runpin history`, and repeat the rollback if it is still needed",
        )
    barred = quarantine.barred(scope.environment)
    unfinished = _left_behind(moves, barred)
    if unfinished is not None and to in (None, present.snapshot):
        return Return(present, unfinished, present.snapshot, finishes=True)
    target = _chosen(store, scope, present, to) if to else _previous(moves, present, barred)
    return Return(present, present.snapshot, target)


def carry_out(
    plan: Return, store: Movable, quarantine: Quarantine, *, actor: str, reason: str, tell: bool = False
) -> Channel:
    """
    Do what *plan* says, and return where the channel stands then; no new run gets what it left.

    Args:
        plan: what `plan_return` returned.
        store: holds the channel.
        quarantine: bars what it leaves.
        actor: who goes back, for the history.
        reason: why, for the history.
        tell: whether the history tells of one that only finishes another one, too.

    Raises:
        RevisionConflict: somebody moved the channel since the plan was made; nothing was changed.
        SnapshotQuarantined: the target was barred since the plan was made; nothing was changed.
        StoreError: if the channel has moved by then, the same rollback again finishes the work.
    """
    channel = plan.present
    if not plan.finishes:
        channel = _moved(plan, store, actor, reason)
    elif tell:
        # A channel that stands at a barred snapshot has to leave that, too: whoever asks again shall go on.
        with suppress(SnapshotQuarantined):
            channel = _moved(plan, store, actor, reason)
    quarantine.bar(plan.left, actor=actor, reason=reason)
    return channel


def finishes_another(move: ChannelMove) -> bool:
    """Tell whether *move* went nowhere, and only tells of a rollback that finished another one."""
    return move.previous == move.channel.snapshot and move.reason.startswith(_MARK)


def reason_of(move: ChannelMove) -> str:
    """Return what somebody said of *move*, without the mark of a rollback."""
    return move.reason.removeprefix(_MARK)


def done_before(moves: Sequence[ChannelMove]) -> Return | None:
    """Return what the newest of *moves* did, with where the channel stood then, if it was a rollback."""
    left = _left_by(moves)
    if left is None:
        return None
    channel = moves[0].channel
    return Return(channel, left, channel.snapshot, finishes_another(moves[0]))


def _left_by(moves: Sequence[ChannelMove]) -> SnapshotId | None:
    """Return what the newest of *moves* left, if it was a rollback; or what the one left that it finished."""
    went = next((move for move in moves if not finishes_another(move)), None)
    return went.previous if went is not None and went.reason.startswith(_MARK) else None


def _moved(plan: Return, store: Movable, actor: str, reason: str) -> Channel:
    present = plan.present
    reason, revision = f"{_MARK}{reason}", present.revision
    return store.move(present.scope, present.name, plan.to, expected_revision=revision, actor=actor, reason=reason)


def _left_behind(moves: Sequence[ChannelMove], barred: Iterable[SnapshotId]) -> SnapshotId | None:
    """Return what the newest move left, if that was a rollback that did not come to its quarantine."""
    left = _left_by(moves)
    return None if left is None or left in barred else left


def _previous(moves: Sequence[ChannelMove], present: Channel, barred: Iterable[SnapshotId]) -> SnapshotId:
    unusable = {present.snapshot, *barred}
    for move in moves:
        if move.previous is not None and move.previous not in unusable:
            return move.previous
    raise Conflict(
        f"channel {present.name!r} of {present.scope} has no earlier snapshot to go back to",
        where=f"{present.snapshot}, revision {present.revision}",
        fix="publish a commit that puts things right, or name a snapshot with --to",
    )


def _chosen(store: Movable, scope: Scope, present: Channel, to: SnapshotId) -> SnapshotId:
    found = store.find(to)
    if found.scope != scope:
        raise UnknownSnapshot(
            f"{to} is not a snapshot of {scope}",
            fix=f"`runpin history {scope.application} --environment {scope.environment}` lists them",
        )
    if to == present.snapshot:
        raise Conflict(
            f"channel {present.name!r} of {scope} already stands at {to}",
            fix="nothing has to be done; to bar another snapshot use `runpin quarantine bar`",
        )
    return found.id
