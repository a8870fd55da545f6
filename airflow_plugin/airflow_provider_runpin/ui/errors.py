"""Errors as answers: every route tells what went wrong in one form, and never how it is made inside."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from airflow_provider_runpin.ui.answers import ErrorAnswer
from runpin.errors import Conflict, InvalidConfig, NotFound, RunpinError, SettingsError, StoreCorrupt, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastapi import Response

_log = logging.getLogger("airflow_provider_runpin")

_KINDS = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound"}
_STATUSES: tuple[tuple[type[RunpinError], int], ...] = (
    (NotFound, 404),
    (Conflict, 409),
    (InvalidConfig, 422),
    (StoreCorrupt, 500),
    (StoreError, 503),
    (SettingsError, 503),
)
NO_STORE = {"Cache-Control": "no-store"}


class AnsweringRoute(APIRoute):
    """A route that answers with an `ErrorAnswer` whatever goes wrong, in who may ask as well as in the answer."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what handles a request."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if any("\0" in each for each in (*request.path_params.values(), *request.query_params.values())):
                # Airflow's database is asked even about who may ask, and PostgreSQL takes none.
                return _answer(422, ErrorAnswer(kind="Unreadable", what="the question holds a character that is null"))
            try:
                return await inner(request)
            except HTTPException as error:
                return _refused(error)
            except RequestValidationError as error:
                return _answer(422, ErrorAnswer(kind="Unreadable", what=_unreadable(error)))
            except RunpinError as error:
                return _answer(_status(error), _told(error))
            except Exception as error:  # noqa: BLE001 - the API server logs it, and the reader gets an answer
                _log.exception("the Config tab's API failed at %s", request.url.path)
                what = f"a fault of runpin or Airflow: {type(error).__name__}"
                return _answer(500, ErrorAnswer(kind="Fault", what=what, fix="the API server's log says more"))

        return handle


def _refused(error: HTTPException) -> JSONResponse:
    kind = _KINDS.get(error.status_code, "Refused")
    return _answer(error.status_code, ErrorAnswer(kind=kind, what=str(error.detail)[:200]), error.headers)


def _status(error: RunpinError) -> int:
    if error.retryable:
        return 503
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def _told(error: RunpinError) -> ErrorAnswer:
    return ErrorAnswer(kind=type(error).__name__, what=error.what, where=error.where, fix=error.fix)


def _unreadable(error: RequestValidationError) -> str:
    # Only where it is wrong: what was sent is not repeated.
    places = sorted({".".join(map(str, each["loc"])) for each in error.errors()})
    return f"the question cannot be read: {', '.join(places)}"


def _answer(status: int, told: ErrorAnswer, headers: Any = None) -> JSONResponse:
    return JSONResponse(told.model_dump(), status, headers={**(headers or {}), **NO_STORE})
