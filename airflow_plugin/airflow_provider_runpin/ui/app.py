"""The routes of the Config tab's API; `answers` says what they are for."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

from airflow.api_fastapi.app import get_auth_manager  # noqa: TID253 - only the API server imports this module
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity  # noqa: TID253 - likewise
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag  # noqa: TID253 - likewise
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Response

from airflow_provider_runpin.ui.answers import (
    Answer,
    ApplicationsAnswer,
    DiffAnswer,
    HistoryAnswer,
    ProblemsAnswer,
    RunAnswer,
    SnapshotRunsAnswer,
)
from airflow_provider_runpin.ui.errors import NO_STORE, AnsweringRoute
from airflow_provider_runpin.ui.files import content_type, static_files, static_version
from airflow_provider_runpin.ui.seen import story_of
from runpin.model import SnapshotId

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpin.model import RunKey
    from runpin.showing import Showing

A = TypeVar("A", bound=Answer)

_AT_A_TIME = 8
"""Questions that wait for runpin's backends at a time; Airflow's own routes have threads of their own."""

_FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}

_reads_dags = Depends(requires_access_dag("GET"))
_reads_runs = Depends(requires_access_dag("GET", DagAccessEntity.RUN))


def _readable(user: GetUserDep) -> set[str]:
    """Return the DAGs that the reader may see."""
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET")


Readable = Annotated[set[str], Depends(_readable)]
Text = Annotated[str, Query(max_length=1000)]
MaybeText = Annotated[str | None, Query(max_length=1000)]

router = APIRouter(route_class=AnsweringRoute)


@router.get("/api/dags/{dag_id}/run", dependencies=[_reads_runs])
async def run(dag_id: str, run_id: Text, readable: Readable, response: Response) -> RunAnswer:
    """Tell what one run uses, and how that compares."""

    def find(showing: Showing, deployment: str) -> object:
        return showing.run(story_of(dag_id, run_id, deployment, readable))

    return await _answer(RunAnswer, find, response)


@router.get("/api/dags/{dag_id}/diff", dependencies=[_reads_runs])
async def diff(dag_id: str, run_id: Text, application: Text, against: Text, response: Response) -> DiffAnswer:
    """Tell what differs between what a run uses and another snapshot."""

    def find(showing: Showing, deployment: str) -> object:
        return showing.diff(story_of(dag_id, run_id, deployment, ()), application, against)

    return await _answer(DiffAnswer, find, response)


@router.get("/api/snapshots/{snapshot}/runs", dependencies=[_reads_runs])
async def runs_on(snapshot: str, readable: Readable, response: Response, after: MaybeText = None) -> SnapshotRunsAnswer:
    """Tell which runs used a snapshot."""

    def find(showing: Showing, deployment: str) -> object:
        return showing.runs_on(SnapshotId.parse(snapshot), after, partial(_belongs, deployment, readable))

    return await _answer(SnapshotRunsAnswer, find, response)


@router.get("/api/applications", dependencies=[_reads_dags])
async def applications(response: Response) -> ApplicationsAnswer:
    """Tell what is live."""
    return await _answer(ApplicationsAnswer, lambda showing, _: showing.applications(), response)


@router.get("/api/applications/{application}/history", dependencies=[_reads_dags])
async def history(application: str, response: Response, channel: MaybeText = None) -> HistoryAnswer:
    """Tell what happened to an application."""
    return await _answer(HistoryAnswer, lambda showing, _: showing.history(application, channel), response)


@router.get("/api/problems", dependencies=[_reads_dags])
async def problems(response: Response) -> ProblemsAnswer:
    """Tell what is wrong now."""
    return await _answer(ProblemsAnswer, lambda showing, _: showing.problems(), response)


@router.get("/static/{version}/{file}", dependencies=[_reads_dags])
async def static(version: str, file: str) -> Response:
    """Hand out one file of the pages."""
    body, kind = static_files().get(file), content_type(file)
    if body is None or version != static_version():
        raise HTTPException(404, "there is no such file")
    return Response(body, media_type=kind, headers=_FOR_EVER)


def build() -> FastAPI:
    """Return the application that Airflow mounts; it tells of itself nothing but its routes' answers."""
    app = FastAPI(title="runpin", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    return app


class _Opened:
    """The core of this process, opened by the first question and then kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._showing: Showing | None = None
        self._deployment = ""
        self.limit = CapacityLimiter(_AT_A_TIME)

    def __call__(self) -> tuple[Showing, str]:
        from runpin.assembly import default
        from runpin.showcase import open_showing

        with self._lock:
            if self._showing is None:
                core = default()
                self._showing, self._deployment = open_showing(core), core.settings.deployment
            return self._showing, self._deployment


_opened = _Opened()


async def _answer(kind: type[A], find: Callable[[Showing, str], object], response: Response) -> A:
    def work() -> A:
        return kind.model_validate(find(*_opened()))

    response.headers.update(NO_STORE)
    return await to_thread.run_sync(work, limiter=_opened.limit)


def _belongs(deployment: str, readable: set[str], run: RunKey) -> bool | None:
    if (run.engine, run.deployment) != ("airflow", deployment):
        return None
    return run.job in readable
