"""What runs are proposed that the event of a config asset has started, with Airflow's real tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine  # noqa: TID253 - Airflow brings it
from sqlalchemy.orm import Session, sessionmaker  # noqa: TID253

from airflow_classes import COMMIT, carried_by, starting
from runpin.assembly import Runpin
from runpin.canonical import canonical, snapshot_of
from runpin.model import STABLE, Scope, SnapshotId, digest_of

if TYPE_CHECKING:
    from airflow_provider_runpin.listeners import PinningListener

SCOPE = Scope("payments", "prod")


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """Return a session of Airflow's, with the tables of runs and events."""
    from airflow import settings
    from airflow.models import import_all_models
    from airflow.models.base import Base

    import_all_models()  # type: ignore[no-untyped-call]  # Airflow types its own loosely
    engine = create_engine(f"sqlite:///{tmp_path / 'airflow.db'}")
    tables = [Base.metadata.tables[name] for name in ("dag_run", "log_template", "asset_event", "dagrun_asset_event")]
    Base.metadata.create_all(engine, tables=tables)
    sessions = sessionmaker(engine, expire_on_commit=False)
    monkeypatch.setattr(settings, "NonScopedSession", sessions)
    with sessions() as session:
        yield session
    engine.dispose()


@pytest.fixture
def unseen(core: Runpin) -> SnapshotId:
    """Return a snapshot to which the channel will move, so that nobody here can have seen that."""
    body = canonical({"etl": "unseen"})
    core.store.put_objects({digest_of(body): body})
    return core.store.commit(snapshot_of(SCOPE, {"etl": digest_of(body)}), COMMIT, "ada").id


def event(snapshot: SnapshotId, revision: int, **more: Any) -> dict[str, Any]:
    """Return what Airflow keeps of an event that our trigger fired."""
    place = {"path": "payments/etl", "environment": "prod", "tenant": None, "channel": "stable"}
    return {"from_trigger": True, "payload": {**place, "revision": revision, "snapshot": str(snapshot)}, **more}


def proposed(session: Session, listener: PinningListener, *extras: dict[str, Any], **how: Any) -> dict[str, str] | None:
    """Let a run start that consumed these events, and return the pins that it carries."""
    from airflow.models.asset import AssetEvent

    run = starting(None, *how.pop("tags", ()))
    run.run_type = how.pop("run_type", "asset_triggered")
    session.add(run)
    run.consumed_asset_events.extend(AssetEvent(asset_id=3, extra=extra, **how) for extra in extras)
    session.commit()
    listener.on_dag_run_running(run)
    found: dict[str, str] | None = carried_by(run).get("pins")
    return found


def standing(core: Runpin) -> dict[str, str]:
    """Return what the channel says."""
    return {"payments": str(core.store.channel(SCOPE, STABLE).snapshot)}


def test_it_is_the_snapshot_of_the_move_that_started_it(
    core: Runpin, listener: PinningListener, database: Session, unseen: SnapshotId
) -> None:
    """Though this process has not seen that move yet; of several moves the last one counts."""
    first = core.store.channel(SCOPE, STABLE).snapshot

    assert {"payments": str(unseen)} == proposed(database, listener, event(first, 1), event(unseen, 2), event(first, 1))


@pytest.mark.parametrize(
    ("more", "how"),
    [
        ({"from_rest_api": True}, {}),
        ({"from_trigger": False}, {}),
        ({"payload": {"revision": 2}}, {}),
        ({"payload": "moved"}, {}),
        ({}, {"source_task_id": "load"}),
        ({}, {"run_type": "manual"}),
    ],
    ids=["rest", "no trigger", "no snapshot", "no payload", "a task's", "no asset run"],
)
def test_an_event_that_no_trigger_of_ours_fired_proposes_nothing(
    core: Runpin,
    listener: PinningListener,
    database: Session,
    unseen: SnapshotId,
    more: dict[str, Any],
    how: dict[str, Any],
) -> None:
    """Whoever may emit events can not choose what a run reads."""
    assert standing(core) == proposed(database, listener, event(unseen, 2, **more), **how)


def test_what_was_seen_already_is_not_taken_back(
    core: Runpin, listener: PinningListener, database: Session, unseen: SnapshotId
) -> None:
    """An event that waited for its run tells of an old move."""
    assert standing(core) == proposed(database, listener, event(unseen, 1))


def test_a_run_that_does_not_concern_us_asks_nothing(
    listener: PinningListener, database: Session, unseen: SnapshotId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its DAG declares no application."""
    from airflow import settings

    monkeypatch.setattr(settings, "NonScopedSession", None)

    assert proposed(database, listener, event(unseen, 2), tags=("team:ada",)) is None


def test_a_database_that_is_away_leaves_the_decision_to_the_first_read(
    listener: PinningListener, database: Session, unseen: SnapshotId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stood before the move is not proposed."""
    from airflow import settings

    monkeypatch.setattr(settings, "NonScopedSession", None)

    assert proposed(database, listener, event(unseen, 2)) is None
