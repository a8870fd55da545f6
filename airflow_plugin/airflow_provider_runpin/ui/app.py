"""The routes of the Config tab's API; `answers` says what they are for."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response

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
from airflow_provider_runpin.ui.rights import readable, reads_dags, reads_runs, reads_runs_of_the_dag
from airflow_provider_runpin.ui.seen import story_of
from runpin.model import SnapshotId

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpin.assembly import Runpin
    from runpin.model import RunKey
    from runpin.showing import Showing

A = TypeVar("A", bound=Answer)

_AT_A_TIME = 8
"""Questions that wait for runpin's backends at a time; Airflow's own routes have threads of their own."""

_FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


class Desk:
    """
    Answers with the core of this process, which the first question opens.

    Args:
        open_core: wires it; called again if it failed.
    """

    def __init__(self, open_core: Callable[[], Runpin]) -> None:
        self._open = open_core
        self._lock = threading.Lock()
        self._opened: tuple[Showing, str] | None = None
        self._limit = CapacityLimiter(_AT_A_TIME)

    async def answer(self, kind: type[A], find: Callable[[Showing, str], object], response: Response) -> A:
        """Return as an answer what *find* finds; it is given what shows facts, and the name of this Airflow."""

        def work() -> A:
            return kind.model_validate(find(*self._ready()))

        response.headers.update(NO_STORE)
        return await to_thread.run_sync(work, limiter=self._limit)

    def _ready(self) -> tuple[Showing, str]:
        from runpin.showcase import open_showing

        with self._lock:
            if self._opened is None:
                core = self._open()
                self._opened = open_showing(core), core.settings.deployment
            return self._opened


async def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


Here = Annotated[Desk, Depends(_desk)]
Readable = Annotated[set[str], Depends(readable)]
Text = Annotated[str, Query(max_length=1000)]
MaybeText = Annotated[str | None, Query(max_length=1000)]

router = APIRouter(route_class=AnsweringRoute)


@router.get("/api/dags/{dag_id}/run", dependencies=[Depends(reads_runs_of_the_dag)])
async def run(dag_id: str, run_id: Text, visible: Readable, desk: Here, response: Response) -> RunAnswer:
    """Tell what one run uses, and how that compares."""

    def find(showing: Showing, deployment: str) -> object:
        return showing.run(story_of(dag_id, run_id, deployment, visible))

    return await desk.answer(RunAnswer, find, response)


@router.get("/api/dags/{dag_id}/diff", dependencies=[Depends(reads_runs_of_the_dag)])
async def diff(
    dag_id: str, run_id: Text, application: Text, against: Text, desk: Here, response: Response
) -> DiffAnswer:
    """Tell what differs between what a run uses and another snapshot."""

    def find(showing: Showing, deployment: str) -> object:
        return showing.diff(story_of(dag_id, run_id, deployment, ()), application, against)

    return await desk.answer(DiffAnswer, find, response)


@router.get("/api/snapshots/{snapshot}/runs", dependencies=[Depends(reads_runs)])
async def runs_on(
    snapshot: str, visible: Readable, desk: Here, response: Response, after: MaybeText = None
) -> SnapshotRunsAnswer:
    """Tell which runs used a snapshot."""

    def find(showing: Showing, deployment: str) -> object:
        return showing.runs_on(SnapshotId.parse(snapshot), after, partial(_belongs, deployment, visible))

    return await desk.answer(SnapshotRunsAnswer, find, response)


@router.get("/api/applications", dependencies=[Depends(reads_dags)])
async def applications(desk: Here, response: Response) -> ApplicationsAnswer:
    """Tell what is live."""
    return await desk.answer(ApplicationsAnswer, lambda showing, _: showing.applications(), response)


@router.get("/api/applications/{application}/history", dependencies=[Depends(reads_dags)])
async def history(application: str, desk: Here, response: Response, channel: MaybeText = None) -> HistoryAnswer:
    """Tell what happened to an application."""
    return await desk.answer(HistoryAnswer, lambda showing, _: showing.history(application, channel), response)


@router.get("/api/problems", dependencies=[Depends(reads_dags)])
async def problems(desk: Here, response: Response) -> ProblemsAnswer:
    """Tell what is wrong now."""
    return await desk.answer(ProblemsAnswer, lambda showing, _: showing.problems(), response)


@router.get("/static/{version}/{file}", dependencies=[Depends(reads_dags)])
async def static(version: str, file: str) -> Response:
    """Hand out one file of the pages."""
    body, kind = static_files().get(file), content_type(file)
    if body is None or version != static_version():
        raise HTTPException(404, "there is no such file")
    return Response(body, media_type=kind, headers=_FOR_EVER)


def build(open_core: Callable[[], Runpin] | None = None) -> FastAPI:
    """
    Return the application that Airflow mounts; nobody can ask what routes it has.

    Args:
        open_core: wires the core when the first question comes; the process's own by default.
    """
    app = FastAPI(title="runpin", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = Desk(open_core or _own_core)
    app.include_router(router)
    return app


def _own_core() -> Runpin:
    from runpin.assembly import default

    return default()


def _belongs(deployment: str, visible: set[str], run: RunKey) -> bool | None:
    # A backfill as a whole is no run, and has no incarnation.
    if (run.engine, run.deployment) != ("airflow", deployment) or not run.incarnation:
        return None
    return run.job in visible
