"""
What looks at a channel for all triggers of a triggerer, and records what Airflow has stored.

Airflow tells when every event that followed from a move is in its database; only then the move counts as told.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.triggers.shared_stream import SharedStreamProducer  # noqa: TID253 - only Airflow imports this module

from airflow_provider_runpin.triggers.following import Following, Move

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from airflow.triggers.shared_stream import AdvanceItem


class Moves(SharedStreamProducer):
    """The moves of one channel, each offered until Airflow has stored what follows from it."""

    def __init__(self, scope: tuple[str, str | None, str | None, str | None]) -> None:
        self._scope = scope
        self._following: Following | None = None
        self._settled = asyncio.Event()

    async def open_stream(self) -> AsyncIterator[tuple[dict[str, Any], Move]]:
        """Yield what is due, one at a time: the next is not looked for before this one is settled."""
        self._following = await asyncio.to_thread(Following.open, *self._scope)
        while True:
            move = await self._following.next()
            self._settled.clear()
            yield move.payload, move
            await self._settled.wait()

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Record the moves that were stored for everyone; what was not is offered again."""
        for item in batch:
            if self._following is not None and item.outcome.is_clean:
                await self._following.told(item.broker_payload)
        self._settled.set()
