"""What the events of config assets say, as Airflow's database has them: which move of a channel, told by whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runpin.reactions import Moved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.models.dagrun import DagRun

ASSET_TRIGGERED = "asset_triggered"
"""Airflow's word for a run that assets have started."""

IDENTITY = ("path", "environment", "tenant", "channel")
"""Which document of which channel an event is about."""

MOVE = ("revision", "snapshot")
"""Which move it tells of."""

_MOST = 100
"""Events of one run that are read, the newest ones that no task has emitted."""


def fired(extra: Mapping[str, Any] | None, source_task_id: str | None) -> Mapping[str, Any] | None:
    """Return what one of our triggers fired with; None for what a task or a user has emitted."""
    extra = extra or {}
    payload = extra.get("payload")
    ours = extra.get("from_trigger") is True and source_task_id is None and "from_rest_api" not in extra
    if ours and isinstance(payload, Mapping) and payload.keys() >= {*IDENTITY, *MOVE}:
        return payload
    return None


def moves_that_started(dag_run: DagRun) -> Sequence[Moved]:
    """Return which moves of channels *dag_run* is the answer to; none for a run that no asset started."""
    if dag_run.run_type != ASSET_TRIGGERED:
        return ()
    from airflow.models.asset import AssetEvent
    from airflow.models.dagrun import DagRun as Row
    from airflow.utils.session import create_session

    # A session of its own: whatever happens to it, the scheduler's transaction goes on. A scoped one would be its own.
    with create_session(scoped=False) as session:
        consumed = session.query(AssetEvent.extra).join(AssetEvent.created_dagruns).filter(Row.id == dag_run.id)
        by_triggers = consumed.filter(AssetEvent.source_task_id.is_(None)).order_by(AssetEvent.id.desc())
        extras = by_triggers.limit(_MOST).all()
    payloads = [payload for (extra,) in extras if (payload := fired(extra, None)) is not None]
    return [move for payload in payloads if (move := Moved.read(payload)) is not None]
