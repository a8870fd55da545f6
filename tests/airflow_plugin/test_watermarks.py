"""The watermark of a config asset in the transaction that stores its event, with Airflow's real tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select  # noqa: TID253 - Airflow brings it
from sqlalchemy.orm import Session, scoped_session, sessionmaker  # noqa: TID253

MOVE = {"revision": 7, "snapshot": "payments.prod.v42.3f9a1c2b7d10"}
PAYLOAD = {"path": "payments/etl", "environment": "prod", "tenant": None, "channel": "stable", **MOVE}
FIRED = {"from_trigger": True, "payload": PAYLOAD}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[scoped_session[Session]]:
    """Return Airflow's session of this thread, over a database with two assets."""
    from airflow import settings
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.models.base import Base

    url = f"sqlite:///{tmp_path / 'airflow.db'}"
    if request.param == "postgresql":
        # There a statement that failed is the end of the transaction, unless it stood behind a savepoint.
        url = request.getfixturevalue("empty_postgres_url").replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    tables = [Base.metadata.tables[model.__tablename__] for model in (AssetModel, AssetEvent, AssetStateStoreModel)]
    Base.metadata.create_all(engine, tables=tables)
    sessions = scoped_session(sessionmaker(engine, expire_on_commit=False))
    monkeypatch.setattr(settings, "Session", sessions)
    for number in (3, 4):
        sessions.add(AssetModel(id=number, name=f"config{number}", uri=f"runpin://{number}", group="asset"))
    sessions.commit()
    yield sessions
    sessions.remove()
    engine.dispose()


def store_event(session: Session, extra: dict[str, Any], task: str | None = None) -> None:
    """Store an event and tell the listener, in the order in which Airflow does."""
    from airflow.listeners.types import AssetEvent as Told
    from airflow.models.asset import AssetEvent

    from airflow_provider_runpin.watermarks import WatermarkListener

    row = AssetEvent(asset_id=3, extra=extra, source_task_id=task)
    session.add(row)
    session.flush()
    asset: Any = None
    WatermarkListener().on_asset_event_emitted(Told(asset, row.extra, None, task, None, None, [], None))


def kept(session: Session) -> list[tuple[int, str, str]]:
    """Return the watermarks that are stored: asset, key and value."""
    from airflow.models.asset_state_store import AssetStateStoreModel as Row

    return [(row.asset_id, row.key, row.value) for row in session.scalars(select(Row))]


def events(session: Session) -> int:
    """Return how many events are stored."""
    from airflow.models.asset import AssetEvent

    return len(session.scalars(select(AssetEvent)).all())


def test_both_are_stored(database: scoped_session[Session]) -> None:
    """One watermark for each asset and path, that of the last move; the same event of another asset has its own."""
    from airflow.models.asset import AssetEvent

    session = database()
    other = AssetEvent(asset_id=4, extra=dict(FIRED))
    session.add(other)
    session.flush()
    store_event(session, {**FIRED, "payload": {**PAYLOAD, "revision": 6}})
    store_event(session, dict(FIRED))
    session.commit()

    value = '{"revision": 7, "snapshot": "payments.prod.v42.3f9a1c2b7d10"}'
    assert [(3, "runpin/payments/etl/prod/-/stable", value)] == kept(session)
    assert other.asset_id == 4


def test_neither_is_stored(database: scoped_session[Session]) -> None:
    """A watermark without its event would lose the event."""
    session = database()
    store_event(session, dict(FIRED))
    session.rollback()

    assert ([], 0) == (kept(session), events(session))


def test_an_event_is_stored_though_its_watermark_cannot_be(
    database: scoped_session[Session], caplog: pytest.LogCaptureFixture
) -> None:
    """The transaction is Airflow's, and goes on."""
    from airflow.models.asset_state_store import AssetStateStoreModel

    session = database()
    AssetStateStoreModel.metadata.tables["asset_state_store"].drop(session.connection())
    store_event(session, dict(FIRED))
    session.commit()

    assert 1 == events(session)
    assert "it may be told again" in caplog.text


@pytest.mark.parametrize(
    ("extra", "task"),
    [
        ({}, None),
        ({"payload": PAYLOAD}, None),
        ({**FIRED, "payload": MOVE}, None),
        ({**FIRED, "payload": "moved"}, None),
        ({**FIRED, "from_rest_api": True}, None),
        (FIRED, "a_task"),
    ],
)
def test_what_no_config_trigger_fired_leaves_none(
    database: scoped_session[Session], extra: dict[str, Any], task: str | None
) -> None:
    """Whoever may emit events can not make a trigger pass over a move."""
    session = database()
    store_event(session, extra, task)
    session.commit()

    assert ([], 1) == (kept(session), events(session))


def test_a_session_that_stores_something_else_is_left_alone(database: scoped_session[Session]) -> None:
    """The watermark belongs into the transaction of its event, or nowhere."""
    from airflow.listeners.types import AssetEvent as Told

    from airflow_provider_runpin.watermarks import WatermarkListener

    session = database()
    asset: Any = None
    extra: Any = dict(FIRED)
    WatermarkListener().on_asset_event_emitted(Told(asset, extra, None, None, None, None, [], None))
    session.commit()

    assert [] == kept(session)
