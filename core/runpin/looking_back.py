"""Where a channel stood in the past, from its history, which only grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.errors import UnknownChannel
from runpin.model import Channel, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runpin.ports import History

_FIRST_LOOK = 64


def states_between(history: History, scope: Scope, name: str, first: datetime, last: datetime) -> Sequence[Channel]:
    """
    Return the states that the channel had from *first* to *last*, aware moments, newest first.

    The times are those that were written down when it moved, by the clocks of the hosts that moved it.

    Raises:
        UnknownChannel: it did not exist at *first* yet.
        StoreUnavailable
    """
    limit = _FIRST_LOOK
    while True:
        moves = history.moves(scope, name, limit)
        states = [move.channel for move in moves if move.channel.moved_at <= last]
        for number, state in enumerate(states, start=1):
            if state.moved_at <= first:
                return states[:number]
        if len(moves) < limit:
            break
        limit *= 4
    began = f", it was first moved at {moves[-1].channel.moved_at.isoformat()}" if moves else ""
    raise UnknownChannel(
        f"channel {name!r} of {scope} did not exist at {first.isoformat()}{began}",
        fix="choose `latest` or `original` for dates before that, or name a snapshot",
    )
