"""What is asked of a channel that shall move, and what came of it, for the command line and the engines alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpin.mirrors import MirrorState
    from runpin.model import Channel, ChannelMove, Finding, Scope, SnapshotId
    from runpin.ports import History
    from runpin.publishing import Plan, Published

_MOVES_SEARCHED = 500


@dataclass(frozen=True, slots=True)
class Request:
    """
    Who wants a channel to move, and why.

    Attributes:
        actor: who, for the history.
        reason: why, for the history.
        once: names the request, if it may be made again by somebody who cannot know whether it was carried out, as a
            task that is tried again. The history then tells it. Empty: each call is a request of its own.
    """

    actor: str
    reason: str = ""
    once: str = ""

    @property
    def recorded(self) -> str:
        """What the history tells as the reason."""
        return f"{self.reason} {self._mark}".strip() if self.once else self.reason

    def made(self, move: ChannelMove) -> bool:
        """Tell whether *move* carried this request out."""
        return bool(self.once) and move.reason.endswith(self._mark)

    @property
    def _mark(self) -> str:
        return f"(once {self.once})"


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """What publishing did, scope by scope, and how the mirrors stand to it."""

    plan: Plan
    published: tuple[Published, ...]
    mirrors: tuple[MirrorState, ...] = ()


@dataclass(frozen=True, slots=True)
class PromoteOutcome:
    """
    What a promotion did.

    Attributes:
        channel: where it brought the channel.
        moved: whether it moved it; a channel that stands there already is not moved.
        findings: what was found that does not deny.
        earlier: whether an earlier call with the same `Request.once` had moved it.
        mirrors: how they stand to the channel.
    """

    channel: Channel
    moved: bool
    findings: tuple[Finding, ...] = ()
    earlier: bool = False
    mirrors: tuple[MirrorState, ...] = ()


@dataclass(frozen=True, slots=True)
class RollbackOutcome:
    """
    What a rollback did.

    Attributes:
        channel: where it brought the channel.
        left: what the channel left, which is barred from new pins.
        to: where it went.
        finishes: whether only the quarantine of another, interrupted rollback was missing.
        runs: how many runs have a pin of `left`.
        exact: whether that is all of them; otherwise there may be more.
        earlier: whether an earlier call with the same `Request.once` had moved the channel.
        mirrors: how they stand to the channel.
    """

    channel: Channel
    left: SnapshotId
    to: SnapshotId
    finishes: bool
    runs: int
    exact: bool
    earlier: bool = False
    mirrors: tuple[MirrorState, ...] = ()


def carried_out(
    store: History, scope: Scope, channel: str, request: Request
) -> tuple[Sequence[ChannelMove], Sequence[ChannelMove]]:
    """
    Return the moves of a channel from the one that carried *request* out back, and those after it, newest first.

    Both are empty if it is not among the latest five hundred.

    Raises:
        StoreError
    """
    moves = store.moves(scope, channel, _MOVES_SEARCHED) if request.once else ()
    place = next((number for number, move in enumerate(moves) if request.made(move)), None)
    return ((), ()) if place is None else (moves[place:], moves[:place])
