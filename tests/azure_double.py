"""
A protocol double of Azure App Configuration: what the published REST API says, over key-values in memory.

It is not the service. It checks signatures, ETags, locks, sizes and filters, hands out pages, native snapshots and
Sync-Tokens, and may answer reads from the past, as the service may, to whoever shows no token. Filters by tag and
revisions are left out. `azure_double_server.py` puts it on a port of the loopback interface.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from threading import RLock
from typing import Any

from azure_double_snapshots import Snapshots
from azure_double_wire import KV, Answer, KeyValue, Request, matcher, new_etag, page_of, problem

TOKEN_ID = "jtqGc1I4"  # noqa: S105 - the name of a Sync-Token, which is no secret

_LARGEST = 10 * 1024


class Double:
    """
    The rules.

    Attributes:
        lag: how many changes a read is behind that shows no Sync-Token.
        page: how many key-values a page holds.
        tokens: the bearer tokens that are let in.
        may_lock: whether the identity may lock and unlock.
        snapshots: the native ones.
    """

    def __init__(self, *, page: int = 100, lag: int = 0) -> None:
        self.page = page
        self.lag = lag
        self.tokens: set[str] = set()
        self.may_lock = True
        self.requests: list[Request] = []
        self.snapshots = Snapshots()
        self._lock = RLock()
        self._changes: dict[tuple[str, str], list[tuple[int, KeyValue | None]]] = {}
        self._number = 0

    def answer(self, request: Request) -> Answer:
        """Do what *request* asks for."""
        with self._lock:
            self.requests.append(request)
            answer = self._refusal(request) or self._carried_out(request)
            # Who is shown the past gets a token of the past.
            moment = self._seen_by(request) if request.method == "GET" else self._number
            return replace(answer, headers={**answer.headers, **_token(moment)})

    def stored(self, label: str | None = None) -> dict[str, KeyValue]:
        """Return every key-value that is there at this moment under *label*, or under none."""
        with self._lock:
            return {item.key: item for item in self._present(self._number) if item.label == label}

    def labels(self) -> set[str]:
        """Return the labels that are in use."""
        with self._lock:
            return {item.label for item in self._present(self._number) if item.label is not None}

    def put(self, key: str, value: str, label: str | None = None) -> None:
        """Overwrite a key, locked or not, as somebody in the portal might."""
        with self._lock:
            before = self._at((key, label or ""), self._number)
            put = KeyValue(key, value, None, new_etag(), label=label)
            self._change(put if before is None else replace(before, value=value, etag=new_etag()))

    def drop(self, key: str, label: str | None = None) -> None:
        """Remove a key."""
        with self._lock:
            self._number += 1
            self._changes.setdefault((key, label or ""), []).append((self._number, None))

    def _refusal(self, request: Request) -> Answer | None:
        if not request.is_authentic(self.tokens):
            return problem(401, "Unauthorized", {"WWW-Authenticate": 'HMAC-SHA256 error="invalid_token"'})
        if "api-version" not in request.query:
            return problem(400, "Invalid request parameter 'api-version'")
        if request.key is not None and (request.key in {"", ".", ".."} or "%" in request.key):
            return problem(400, "Invalid request parameter 'key'")
        return None

    def _carried_out(self, request: Request) -> Answer:
        match request.kind, request.method, request.key:
            case "kv", "GET", None:
                return self._list(request)
            case "kv", "GET", str(key):
                return self._get(request, key)
            case "kv", "PUT", str(key):
                return self._put(request, key)
            case "kv", "DELETE", str(key):
                return self._delete(request, key)
            case "locks", "PUT" | "DELETE", str(key):
                return self._set_lock(request, key)
        return self.snapshots.answer(request, lambda: self._present(self._number))

    def _get(self, request: Request, key: str) -> Answer:
        found = self._at((key, request.label or ""), self._seen_by(request))
        if found is None:
            return Answer(404)
        if request.headers.get("if-none-match") == f'"{found.etag}"':
            return Answer(304, headers={"ETag": f'"{found.etag}"'})
        return _shown(found)

    def _list(self, request: Request) -> Answer:
        if "snapshot" in request.query:
            held = self.snapshots.items(request.query["snapshot"])
            return problem(404, "No such snapshot") if held is None else page_of(request, held, self.page)
        matches = matcher(request.query.get("key", "*"), request.query.get("label"))
        if matches is None or "tags" in request.query:
            return problem(400, "Invalid request parameter 'key'")
        found = [item for item in self._present(self._seen_by(request)) if matches(item)]
        return page_of(request, found, self.page)

    def _put(self, request: Request, key: str) -> Answer:
        present = self._at((key, request.label or ""), self._number)
        if refused := _refused(request, present):
            return refused
        content: dict[str, Any] = json.loads(request.body)
        kind, tags = content.get("content_type"), content.get("tags") or {}
        changed = KeyValue(key, content["value"], kind, new_etag(), label=request.label, tags=tags)
        if changed.size > _LARGEST:
            return problem(413, "The request is too large")
        return _shown(self._change(changed))

    def _delete(self, request: Request, key: str) -> Answer:
        present = self._at((key, request.label or ""), self._number)
        if refused := _refused(request, present):
            return refused
        if present is None:
            return Answer(204)
        self.drop(key, request.label)
        return _shown(present)

    def _set_lock(self, request: Request, key: str) -> Answer:
        present = self._at((key, request.label or ""), self._number)
        if not self.may_lock:
            return problem(403, "Forbidden")
        if present is None:
            return Answer(404)
        if not request.may_change(present.etag):
            return problem(412, "Precondition failed")
        return _shown(self._change(replace(present, locked=request.method == "PUT", etag=new_etag())))

    def _change(self, to: KeyValue) -> KeyValue:
        self._number += 1
        self._changes.setdefault(to.place, []).append((self._number, to))
        return to

    def _present(self, moment: int) -> list[KeyValue]:
        return [item for place in sorted(self._changes) if (item := self._at(place, moment)) is not None]

    def _at(self, place: tuple[str, str], moment: int) -> KeyValue | None:
        return next((value for number, value in reversed(self._changes.get(place, [])) if number <= moment), None)

    def _seen_by(self, request: Request) -> int:
        token = request.headers.get("sync-token", "").removeprefix(f"{TOKEN_ID}=")
        shown = int(base64.b64decode(token)) if token else 0
        return max(shown, self._number - self.lag)


def _refused(request: Request, present: KeyValue | None) -> Answer | None:
    if not request.may_change(None if present is None else present.etag):
        return problem(412, "Precondition failed")
    if present is not None and present.locked:
        return problem(409, f"Modifying key '{present.key}' is not allowed")
    return None


def _token(moment: int) -> Mapping[str, str]:
    value = base64.b64encode(str(moment).encode()).decode()
    return {"Sync-Token": f"{TOKEN_ID}={value};sn={moment}"}


def _shown(found: KeyValue) -> Answer:
    return Answer(200, found.as_json(), {"ETag": f'"{found.etag}"', "Content-Type": KV})
