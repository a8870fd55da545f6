"""How to talk to Airflow's API server: its token, its errors and its pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import httpx

_PAGE = 100
_PAUSE = 0.2
_TRIES = 5

Json = dict[str, Any]


class AirflowRefused(RuntimeError):
    """
    Airflow could not be reached, or answered with an error.

    Attributes:
        status: the HTTP status; 0 when there was no answer.
    """

    def __init__(self, what: str, status: int = 0) -> None:
        super().__init__(what)
        self.status = status


class AirflowTooSlow(TimeoutError):
    """What was waited for did not happen in time; the message says what happened instead."""


class AirflowRest:
    """
    Talks to the API server at *url* as the one admin that everybody is there.

    Attributes:
        url: where the server is, without a slash at the end.

    Args:
        url: see above.
        watch: called again and again while something is waited for; raises when that is no longer worth it.
    """

    def __init__(self, url: str, watch: Callable[[], None] = lambda: None) -> None:
        self.url = url
        self._watch = watch
        # No connection is kept: none is half open after a test has killed the server, and none needs closing.
        self._client = httpx.Client(
            base_url=url, timeout=60.0, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
        self._token: str | None = None

    def call(self, method: str, path: str, body: object = None, **query: object) -> Any:
        """
        Return the JSON answer to *method* on *path*, which starts after `/api/v2`; None when it is empty.

        A SQLite database that others write to fails a request at times. Nothing has changed then: it is asked again.
        """
        for _ in range(_TRIES - 1):
            try:
                return self._call(method, path, body, query)
            except AirflowRefused as refusal:
                if refusal.status != HTTPStatus.INTERNAL_SERVER_ERROR or "Database error" not in str(refusal):
                    raise
            time.sleep(_PAUSE)
        return self._call(method, path, body, query)

    def pages(self, path: str, key: str, **query: object) -> list[Json]:
        """Return what is under *key* on every page of a list."""
        found: list[Json] = []
        while True:
            page = self.call("GET", path, limit=_PAGE, offset=len(found), **query)[key]
            found += page
            if len(page) < _PAGE:
                return found

    def send(self, method: str, path: str, **request: Any) -> Any:
        """
        Return the JSON answer to one request without a token; *request* is passed to httpx.

        Raises:
            AirflowRefused: nobody answered, or the answer is an error.
        """
        try:
            answer = self._client.request(method, path, **request)
        except httpx.TransportError as error:
            raise AirflowRefused(f"{method} {path}: {error!r}") from error
        if answer.is_error:
            raise AirflowRefused(f"{method} {path}: {answer.status_code} {answer.text[:1000]}", answer.status_code)
        return answer.json() if answer.content else None

    def pause(self, deadline: float, instead: Callable[[], str]) -> None:
        """Wait a moment, or raise `AirflowTooSlow` with what *instead* returns when the *deadline* has passed."""
        self._watch()
        if time.monotonic() > deadline:
            raise AirflowTooSlow(instead())
        time.sleep(_PAUSE)

    def _call(self, method: str, path: str, body: object, query: Mapping[str, object]) -> Any:
        headers = {"Authorization": f"Bearer {self._bearer()}", "Accept": "application/json"}
        asked = {name: value for name, value in query.items() if value is not None}
        return self.send(method, f"/api/v2{path}", json=body, params=asked, headers=headers)

    def _bearer(self) -> str:
        if self._token is None:
            self._token = str(self.send("GET", "/auth/token")["access_token"])
        return self._token
