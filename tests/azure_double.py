"""
A protocol double of Azure App Configuration: what the published REST API says, over key-values in memory.

It is not the service. It checks signatures, ETags, locks, sizes and filters, hands out pages and Sync-Tokens, and may
answer reads from the past, as the service may, to whoever shows no token. Labels, tags, revisions, snapshots and
feature flags are left out. `azure_double_server.py` puts it on a port of the loopback interface.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

IDENTITY = "id0"
SECRET = base64.b64encode(b"canary-of-the-access-key").decode()
TOKEN_ID = "jtqGc1I4"  # noqa: S105 - the name of a Sync-Token, which is no secret

_KV = "application/vnd.microsoft.appconfig.kv+json; charset=utf-8"
_SET = "application/vnd.microsoft.appconfig.kvset+json; charset=utf-8"
_PROBLEM = "application/problem+json; charset=utf-8"
_LARGEST = 10 * 1024
_MOST_IN_FILTER = 5
_SKEW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class KeyValue:
    """What one key holds since one change."""

    key: str
    value: str
    content_type: str | None
    etag: str
    locked: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it as the service shows it."""
        moment = "2026-02-03T04:05:06+00:00"
        shown = {"key": self.key, "value": self.value, "content_type": self.content_type, "etag": self.etag}
        return {**shown, "label": None, "locked": self.locked, "tags": {}, "last_modified": moment}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def kind(self) -> str:
        """What the path is about: `kv` or `locks`."""
        return urlsplit(self.target).path.split("/")[1]

    @property
    def key(self) -> str | None:
        """The key that the path names, None for a list."""
        named = urlsplit(self.target).path.split("/", 2)[2:]
        return unquote(named[0]) if named else None

    @property
    def query(self) -> dict[str, str]:
        """The parameters, names in lower case."""
        return {name.lower(): value for name, value in parse_qsl(urlsplit(self.target).query, keep_blank_values=True)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back; `content` becomes JSON."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Double:
    """
    The rules.

    Attributes:
        lag: how many changes a read is behind that shows no Sync-Token.
        page: how many key-values a page holds.
        tokens: the bearer tokens that are let in.
        may_lock: whether the identity may lock and unlock.
    """

    def __init__(self, *, page: int = 100, lag: int = 0) -> None:
        self.page = page
        self.lag = lag
        self.tokens: set[str] = set()
        self.may_lock = True
        self.requests: list[Request] = []
        self._lock = RLock()
        self._changes: dict[str, list[tuple[int, KeyValue | None]]] = {}
        self._number = 0

    def answer(self, request: Request) -> Answer:
        """Do what *request* asks for."""
        with self._lock:
            self.requests.append(request)
            answer = self._refusal(request) or self._carried_out(request)
            # Who is shown the past gets a token of the past.
            moment = self._seen_by(request) if request.method == "GET" else self._number
            return replace(answer, headers={**answer.headers, **_token(moment)})

    def stored(self) -> dict[str, KeyValue]:
        """Return every key-value there is at this moment."""
        with self._lock:
            present = ((key, self._at(key, self._number)) for key in sorted(self._changes))
            return {key: value for key, value in present if value is not None}

    def put(self, key: str, value: str) -> None:
        """Overwrite a key, locked or not, as somebody in the portal might."""
        with self._lock:
            before = self._at(key, self._number)
            self._change(KeyValue(key, value, None, _etag(), locked=before is not None and before.locked))

    def drop(self, key: str) -> None:
        """Remove a key."""
        with self._lock:
            self._number += 1
            self._changes.setdefault(key, []).append((self._number, None))

    def _refusal(self, request: Request) -> Answer | None:
        if not self._is_authentic(request):
            return _problem(401, "Unauthorized", {"WWW-Authenticate": 'HMAC-SHA256 error="invalid_token"'})
        if "api-version" not in request.query:
            return _problem(400, "Invalid request parameter 'api-version'")
        if request.key is not None and (request.key in {"", ".", ".."} or "%" in request.key):
            return _problem(400, "Invalid request parameter 'key'")
        return None

    def _is_authentic(self, request: Request) -> bool:
        scheme, _, said = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            return said in self.tokens
        parts = dict(part.partition("=")[::2] for part in said.split("&"))
        wanted = {"Credential", "SignedHeaders", "Signature"}
        if scheme != "HMAC-SHA256" or set(parts) != wanted or parts["Credential"] != IDENTITY:
            return False
        digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
        signed = [request.headers.get(name, "") for name in parts["SignedHeaders"].split(";")]
        text = f"{request.method}\n{request.target}\n{';'.join(signed)}".encode()
        signature = base64.b64encode(hmac.digest(base64.b64decode(SECRET), text, "sha256")).decode()
        at = datetime.strptime(request.headers["x-ms-date"], "%b, %d %Y %H:%M:%S.%f GMT").replace(tzinfo=UTC)
        fresh = abs(datetime.now(UTC) - at) < _SKEW
        same_body = request.headers.get("x-ms-content-sha256") == digest
        return fresh and same_body and hmac.compare_digest(parts["Signature"], signature)

    def _carried_out(self, request: Request) -> Answer:
        match request.kind, request.method, request.key:
            case "kv", "GET", None:
                return self._list(request)
            case "kv", "GET", str(key):
                return self._get(request, key)
            case "kv", "PUT", str(key):
                return self._put(request, key)
            case "locks", "PUT" | "DELETE", str(key):
                return self._set_lock(request, key)
        return _problem(404, "Not found")

    def _get(self, request: Request, key: str) -> Answer:
        found = self._at(key, self._seen_by(request))
        if found is None:
            return Answer(404)
        if request.headers.get("if-none-match") == f'"{found.etag}"':
            return Answer(304, headers={"ETag": f'"{found.etag}"'})
        return _shown(found)

    def _list(self, request: Request) -> Answer:
        matches = _filter(request.query.get("key", "*"))
        if matches is None or request.query.get("label", "\0") != "\0":
            return _problem(400, "Invalid request parameter 'key'")
        moment = self._seen_by(request)
        found = [item for key in sorted(self._changes) if matches(key) and (item := self._at(key, moment)) is not None]
        begin = int(request.query.get("after", "0"))
        page = found[begin : begin + self.page]
        etag = hashlib.sha256("".join(item.etag for item in page).encode()).hexdigest()[:24]
        content: dict[str, Any] = {"items": [item.as_json() for item in page]}
        headers = {"ETag": f'"{etag}"', "Content-Type": _SET}
        if begin + self.page < len(found):
            following = re.sub(r"&after=\d+", "", request.target) + f"&after={begin + self.page}"
            content["@nextLink"], headers["Link"] = following, f'<{following}>; rel="next"'
        unchanged = request.headers.get("if-none-match") == f'"{etag}"'
        return Answer(304, headers=headers) if unchanged else Answer(200, content, headers)

    def _put(self, request: Request, key: str) -> Answer:
        present = self._at(key, self._number)
        if not _may_change(request, present):
            return _problem(412, "Precondition failed")
        if present is not None and present.locked:
            return _problem(409, f"Modifying key '{key}' is not allowed")
        content = json.loads(request.body)
        changed = KeyValue(key, content["value"], content.get("content_type"), _etag())
        if len(f"{changed.key}{changed.content_type or ''}{changed.value}".encode()) > _LARGEST:
            return _problem(413, "The request is too large")
        return _shown(self._change(changed))

    def _set_lock(self, request: Request, key: str) -> Answer:
        present = self._at(key, self._number)
        if not self.may_lock:
            return _problem(403, "Forbidden")
        if present is None:
            return Answer(404)
        if not _may_change(request, present):
            return _problem(412, "Precondition failed")
        return _shown(self._change(replace(present, locked=request.method == "PUT", etag=_etag())))

    def _change(self, to: KeyValue) -> KeyValue:
        self._number += 1
        self._changes.setdefault(to.key, []).append((self._number, to))
        return to

    def _at(self, key: str, moment: int) -> KeyValue | None:
        return next((value for number, value in reversed(self._changes.get(key, [])) if number <= moment), None)

    def _seen_by(self, request: Request) -> int:
        token = request.headers.get("sync-token", "").removeprefix(f"{TOKEN_ID}=")
        shown = int(base64.b64decode(token)) if token else 0
        return max(shown, self._number - self.lag)


def _token(moment: int) -> dict[str, str]:
    value = base64.b64encode(str(moment).encode()).decode()
    return {"Sync-Token": f"{TOKEN_ID}={value};sn={moment}"}


def _shown(found: KeyValue) -> Answer:
    return Answer(200, found.as_json(), {"ETag": f'"{found.etag}"', "Content-Type": _KV})


def _problem(status: int, title: str, headers: Mapping[str, str] | None = None) -> Answer:
    content = {"type": "https://azconfig.io/errors/double", "title": title, "status": status}
    return Answer(status, content, {"Content-Type": _PROBLEM, **(headers or {})})


def _etag() -> str:
    return uuid4().hex


def _may_change(request: Request, present: KeyValue | None) -> bool:
    wanted, unwanted = (request.headers.get(name) for name in ("if-match", "if-none-match"))
    names = {"*", f'"{present.etag}"'} if present is not None else set()
    return (wanted is None or wanted in names) and (unwanted is None or unwanted not in names)


def _filter(pattern: str) -> Callable[[str], bool] | None:
    """Return what a key filter lets through, None if the filter itself is refused."""
    parts = re.split(r"(?<!\\),", pattern)
    if len(parts) > _MOST_IN_FILTER or (len(parts) > 1 and "*" in pattern) or "*" in pattern[:-1]:
        return None
    names = [re.sub(r"\\(.)", r"\1", part) for part in parts]
    return lambda key: key.startswith(pattern[:-1]) if pattern.endswith("*") else key in names
