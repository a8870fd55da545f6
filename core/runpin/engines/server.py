"""
The server of an engine: one request over HTTP, and what it answered.

The address is what an operator gives; a token shows in no error, and follows no redirect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from runpin.errors import EngineRefused, EngineSilent

PATIENCE = 30.0
"""Seconds that an engine may be silent within one request."""

LARGEST = 16 << 20
"""Bytes that an answer may have."""

_EXCERPT = 200


class _Straight(HTTPRedirectHandler):
    """Follows no redirect: the token is for the address that was given."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Stay."""


@dataclass(frozen=True, slots=True)
class Server:
    """
    Where one engine is.

    Attributes:
        engine: `airflow` or `dagster`.
        address: its address, with whatever it lies behind.
        token: what lets us in; None for who asks for none.
    """

    engine: str
    address: str
    token: str | None = field(default=None, repr=False)

    def get(self, path: str, query: Mapping[str, object] | None = None, *, missing: str | None = None) -> Any:
        """
        Return what is at *path*; None where the server answers that it does not know *missing*.

        Raises:
            EngineRefused: it says no, or something that cannot be understood.
            EngineSilent: it says nothing.
        """
        return self._send(f"{path}?{urlencode(query)}" if query else path, None, missing)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """
        Post *body* to *path*, and return the answer.

        Raises:
            EngineRefused: as `get`.
        """
        return self._send(path, json.dumps(body).encode(), None)

    def _send(self, path: str, body: bytes | None, missing: str | None) -> Any:
        headers = {"Content-Type": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        url = f"{self.address.rstrip('/')}{path}"
        request = Request(url, body, headers, method="GET" if body is None else "POST")  # noqa: S310 - Engines checks
        try:
            with build_opener(_Straight).open(request, timeout=PATIENCE) as answer:
                return self._read(answer.read(LARGEST + 1), path)
        except HTTPError as error:
            said = _said(error)
            # Whatever else is at a wrong address answers 404 too, but does not name what was asked for.
            if error.code == HTTPStatus.NOT_FOUND and missing is not None and missing in _detail(said):
                return None
            what = f"{self.engine} answered {error.code}: {excerpt(said) or 'nothing that can be read'}"
            raise EngineRefused(what, where=path) from error
        except OSError as error:
            raise EngineSilent(f"{self.engine} does not answer: {type(error).__name__}", where=path) from error
        except (HTTPException, ValueError, RecursionError) as error:
            raise EngineRefused(
                f"{self.engine} does not answer as an engine does: {type(error).__name__}", where=path
            ) from error

    def _read(self, content: bytes, path: str) -> Any:
        if len(content) > LARGEST:
            raise EngineRefused(f"{self.engine} answers with more than {LARGEST >> 20} MiB", where=path)
        return json.loads(content)


def excerpt(said: bytes) -> str:
    """Return the beginning of what an engine said, on one line."""
    return " ".join(said.decode("utf-8", "replace").split())[:_EXCERPT]


def _said(error: HTTPError) -> bytes:
    """Return what belongs to a refusal; nothing where that stalls or breaks off, for its status says enough."""
    try:
        with error:
            return error.read(LARGEST)
    except (OSError, HTTPException, ValueError):
        return b""


def _detail(said: bytes) -> str:
    try:
        return str(json.loads(said)["detail"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
