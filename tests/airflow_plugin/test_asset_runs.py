"""What runs are proposed that the event of a config asset has started, with Airflow's real tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine  # noqa: TID253 - Airflow brings it
from sqlalchemy.orm import Session, sessionmaker  # noqa: TID253

from airflow_classes import carried_by, starting
from runpin.assembly import Runpin
from runpin.model import STABLE, Scope
from runpin.proposing import KEY

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


def event(revision: int, **more: Any) -> dict[str, Any]:
    """Return what Airflow keeps of an event that our trigger fired."""
    place = {"application": "payments", "environment": "prod", "tenant": None, "channel": "stable"}
    told = {"path": "payments/etl", "snapshot": "payments.prod.v2.3f9a1c2b7d10", "revision": revision}
    return {"from_trigger": True, "payload": {**place, **told}, **more}


def proposed(session: Session, listener: PinningListener, *extras: dict[str, Any], **how: Any) -> dict[str, str] | None:
    """Let a run start that consumed these events, and return the pins that it carries."""
    from airflow.models.asset import AssetEvent

    conf = how.pop("conf", None)
    run = starting(None if conf is None else {KEY: conf}, *how.pop("tags", ()))
    run.run_type = how.pop("run_type", "asset_triggered")
    session.add(run)
    run.consumed_asset_events.extend(AssetEvent(asset_id=3, extra=extra, **how) for extra in extras)
    session.commit()
    listener.on_dag_run_running(run)
    found: Any = carried_by(run)
    return found.get("pins") if isinstance(found, dict) else None


def standing(core: Runpin) -> dict[str, str]:
    """Return what the channel says."""
    return {"payments": str(core.store.channel(SCOPE, STABLE).snapshot)}


@pytest.mark.parametrize("revisions", [[2], [2, 1], [1, 2]], ids=str)
def test_what_stood_before_the_move_that_started_it_is_not_proposed(
    listener: PinningListener, database: Session, revisions: list[int]
) -> None:
    """This process has not seen that move yet, so the run's first read decides."""
    assert proposed(database, listener, *map(event, revisions)) is None


def test_what_was_not_moved_is_proposed_all_the_same(
    listener: PinningListener, database: Session, core: Runpin
) -> None:
    """A run may read several applications."""
    reports = str(core.store.channel(Scope("reports", "prod"), STABLE).snapshot)

    assert {"reports": reports} == proposed(database, listener, event(2), tags=("config:payments", "config:reports"))


@pytest.mark.parametrize("how", [{}, {"source_task_id": "load"}, {"run_type": "manual"}], ids=str)
def test_a_move_that_was_seen_and_what_no_asset_did_change_nothing(
    core: Runpin, listener: PinningListener, database: Session, how: dict[str, Any]
) -> None:
    """The run is proposed where the channel stands, as any other."""
    assert standing(core) == proposed(database, listener, event(2 if how else 1), **how)


@pytest.mark.parametrize(
    "more",
    [{"from_rest_api": True}, {"from_trigger": False}, {"payload": {"revision": 2}}, {"payload": "moved"}],
    ids=str,
)
def test_an_event_that_no_trigger_of_ours_fired_changes_nothing(
    core: Runpin, listener: PinningListener, database: Session, more: dict[str, Any]
) -> None:
    """It is nobody's word for a move."""
    assert standing(core) == proposed(database, listener, event(2, **more))


@pytest.mark.parametrize(
    ("conf", "tags"),
    [(None, ("team:ada",)), ({"pins": {"payments": 1}}, ()), ("payments.prod.v2.3f9a1c2b7d10", ())],
    ids=str,
)
def test_a_run_that_it_cannot_matter_to_asks_nothing(
    listener: PinningListener, database: Session, monkeypatch: pytest.MonkeyPatch, conf: Any, tags: tuple[str, ...]
) -> None:
    """Its DAG declares no application, its conf cannot be read, or names what it uses."""
    from airflow import settings

    asked: list[str] = []
    monkeypatch.setattr(settings, "NonScopedSession", lambda: asked.append("a session"))
    proposed(database, listener, event(2), tags=tags, conf=conf)

    assert [] == asked


def test_a_database_that_is_away_leaves_the_decision_to_the_first_read(
    listener: PinningListener, database: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stood before the move is not proposed."""
    from airflow import settings

    monkeypatch.setattr(settings, "NonScopedSession", None)

    assert proposed(database, listener, event(1)) is None
