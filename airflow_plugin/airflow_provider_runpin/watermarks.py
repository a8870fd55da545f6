"""
The last move that Airflow has stored for an asset, kept in Airflow's own asset state store.

    triggerer's process                               triggerer's database session
    trigger fires ------------------ event ---------> the event is stored
                                                      WatermarkListener: and the move, in the same transaction
    is_stored? <-- asset state store ---------------- both are there, or neither is

Without it a triggerer that dies after an event was stored, and before it heard so, would tell the move again.
The listener is called inside of the transaction. It writes behind a savepoint, so that whatever happens to the
watermark, the event is stored; and only where the state store is a table of the same database, because a watermark
that is there without its event would lose the event.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl  # noqa: TID253 - only Airflow imports this module

from airflow_provider_runpin.asset_events import IDENTITY, MOVE, fired

if TYPE_CHECKING:
    from airflow.listeners.types import AssetEvent

_log = logging.getLogger("airflow_provider_runpin")

TRIES = 5
"""How often a trigger asks for the watermark before it fires without knowing."""

PAUSE = 2.0
"""Seconds between two tries."""


class WatermarkListener:
    """Keeps the move that an event tells of, in the transaction that stores the event."""

    @hookimpl
    def on_asset_event_emitted(self, asset_event: AssetEvent) -> None:
        """Called for every event of every asset; those of config triggers count."""
        try:
            payload = fired(asset_event.extra, asset_event.source_task_id)
            if payload is not None:
                _keep(asset_event, payload)
        except Exception:  # noqa: BLE001 - the event itself is stored all the same
            _log.warning("runpin cannot note which move was stored: it may be told again", exc_info=True)


async def is_stored(store: Any, payload: Mapping[str, Any], *, pause: float = PAUSE) -> bool:
    """
    Tell whether an event with *payload* is in Airflow's database already.

    Args:
        store: the trigger's `asset_state_store`; None where Airflow gives it none.
        payload: what the trigger would fire with.
        pause: seconds between two tries, for a database that is away.

    Returns:
        False as well if that cannot be known: an event that comes twice does less harm than one that is lost.
    """
    if store is None:
        return False
    for attempt in range(TRIES):
        if attempt:
            await asyncio.sleep(pause)
        try:
            return bool(await store.aget(_key(payload)) == _move(payload))
        except ValueError:  # a trigger of several assets, which Airflow's store cannot be asked about as a whole
            return False
        except Exception as error:  # noqa: BLE001 - Airflow never starts a trigger again that has failed
            _log.warning("runpin cannot ask which move was stored (%d of %d): %s", attempt + 1, TRIES, error)
    return False


def _keep(event: AssetEvent, payload: Mapping[str, Any]) -> None:
    from airflow import settings
    from airflow.state import AssetScope, get_state_backend
    from airflow.state.metastore import MetastoreBackend

    backend = get_state_backend()
    if settings.Session is None or not isinstance(backend, MetastoreBackend):
        return
    session = settings.Session()
    asset_id = _asset_stored_by(session, event)
    if asset_id is None:
        return
    with session.begin_nested():
        backend.set(AssetScope(asset_id=asset_id), _key(payload), json.dumps(_move(payload)), session=session)


def _asset_stored_by(session: Any, event: AssetEvent) -> int | None:
    """Return the id of the asset, None if *session* is not the one that is storing the event just now."""
    from airflow.models.asset import AssetEvent as Row

    rows = (row for row in session.identity_map.values() if isinstance(row, Row))
    # What Airflow tells listeners holds the very dict of the row.
    return next((row.asset_id for row in rows if vars(row).get("extra") is event.extra), None)


def _key(payload: Mapping[str, Any]) -> str:
    return "/".join(["runpin", *(payload[name] or "-" for name in IDENTITY)])


def _move(payload: Mapping[str, Any]) -> dict[str, Any]:
    # Equal, not later: a channel whose store was set up anew counts from one again.
    return {name: payload[name] for name in MOVE}
