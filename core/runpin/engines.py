"""
Asking an engine to repeat a run: one request over HTTP, and what it answered.

The addresses are what an operator gives; a token is sent to Airflow alone, and shows in no error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from runpin.errors import EngineRefused, SettingsError

PATIENCE = 30.0
"""Seconds that an engine may take for one request."""

_LARGEST = 1 << 20


class _Straight(HTTPRedirectHandler):
    """Follows no redirect: the token is for the address that was given."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Stay."""


@dataclass(frozen=True, slots=True)
class Engines:
    """
    Where the engines are.

    Attributes:
        airflow: address of Airflow's API server, None if runs of it are left alone.
        token: what lets us in there.
        dagster: address of Dagster's web server, likewise.
    """

    airflow: str | None = None
    token: str | None = field(default=None, repr=False)
    dagster: str | None = None

    def __post_init__(self) -> None:
        for name, address in (("--airflow", self.airflow), ("--dagster", self.dagster)):
            if address is not None and not address.startswith(("http://", "https://")):
                raise SettingsError("the address of an engine begins with http:// or https://", where=name)

    def reaches(self, engine: str) -> bool:
        """Tell whether there is an address for *engine*."""
        return self._address(engine) is not None

    def ask(self, engine: str, path: str, body: Mapping[str, Any]) -> None:
        """
        Post *body* to *path* of *engine*.

        Raises:
            EngineRefused: it says no, or something that cannot be understood.
        """
        address = self._address(engine)
        if address is None:
            raise EngineRefused(f"nobody says where {engine} is", where=path)
        headers = {"Content-Type": "application/json"}
        if engine == "airflow" and self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        url = f"{address.rstrip('/')}{path}"
        request = Request(url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310 - checked above
        try:
            with build_opener(_Straight).open(request, timeout=PATIENCE) as answer:
                _understood(json.loads(answer.read(_LARGEST)), engine, path)
        except HTTPError as error:
            with error:
                raise EngineRefused(
                    f"{engine} answered {error.code}: {_excerpt(error.read(_LARGEST))}", where=path
                ) from error
        except (URLError, OSError, ValueError) as error:
            raise EngineRefused(
                f"{engine} does not answer as an engine does: {type(error).__name__}", where=path
            ) from error

    def _address(self, engine: str) -> str | None:
        return {"airflow": self.airflow, "dagster": self.dagster}.get(engine)


def _understood(answer: Any, engine: str, path: str) -> None:
    """Check what Dagster says beside the status, which is the same for yes and no."""
    if engine != "dagster":
        return
    result = (answer.get("data") or {}).get("launchRunReexecution") if isinstance(answer, dict) else None
    if not isinstance(result, dict) or result.get("__typename") != "LaunchRunSuccess":
        said = result or (answer.get("errors") if isinstance(answer, dict) else answer)
        raise EngineRefused(f"dagster does not re-execute the run: {_excerpt(json.dumps(said).encode())}", where=path)


def _excerpt(said: bytes) -> str:
    return " ".join(said.decode("utf-8", "replace").split())[:200]
