"""Where a channel stood at a moment in the past, from its history, which only grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.errors import UnknownChannel
from runpin.model import Channel, Scope

if TYPE_CHECKING:
    from datetime import datetime

    from runpin.ports import History

_FIRST_LOOK = 64


def channel_as_of(history: History, scope: Scope, name: str, moment: datetime) -> Channel:
    """
    Return the state that the channel had at *moment*, an aware one.

    The times are those that were written down when it moved, by the clocks of the hosts that moved it.

    Raises:
        UnknownChannel: it did not exist yet.
        StoreUnavailable
    """
    limit = _FIRST_LOOK
    while True:
        moves = history.moves(scope, name, limit)
        for move in moves:
            if move.channel.moved_at <= moment:
                return move.channel
        if len(moves) < limit:
            break
        limit *= 4
    first = f", it was first moved at {moves[-1].channel.moved_at.isoformat()}" if moves else ""
    raise UnknownChannel(
        f"channel {name!r} of {scope} did not exist at {moment.isoformat()}{first}",
        fix="choose `latest` or `original` for dates before that, or name a snapshot",
    )
