"""What goes over the wire to and from the double of Azure App Configuration: requests, answers, key-values, filters."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

IDENTITY = "id0"
SECRET = base64.b64encode(b"canary-of-the-access-key").decode()

MOMENT = "2026-02-03T04:05:06+00:00"
KV = "application/vnd.microsoft.appconfig.kv+json; charset=utf-8"
KV_SET = "application/vnd.microsoft.appconfig.kvset+json; charset=utf-8"
_PROBLEM = "application/problem+json; charset=utf-8"
_MOST_IN_FILTER = 5
_SKEW = timedelta(minutes=15)
_NO_LABEL = frozenset({"", "\0"})


@dataclass(frozen=True, slots=True)
class KeyValue:
    """What one key holds under one label, or under none, since one change."""

    key: str
    value: str
    content_type: str | None
    etag: str
    locked: bool = False
    label: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, str]:
        """Key and label, in the order of lists."""
        return self.key, self.label or ""

    @property
    def size(self) -> int:
        """Bytes that count towards the service's limit."""
        tags = "".join(f"{name}{value}" for name, value in self.tags.items())
        return len(f"{self.key}{self.label or ''}{self.content_type or ''}{self.value}{tags}".encode())

    def as_json(self) -> dict[str, Any]:
        """Return it as the service shows it."""
        shown = {"key": self.key, "value": self.value, "content_type": self.content_type, "etag": self.etag}
        rest = {"locked": self.locked, "tags": dict(self.tags), "last_modified": MOMENT}
        return {**shown, "label": self.label, **rest}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def kind(self) -> str:
        """What the path is about: `kv`, `locks`, `snapshots` or `operations`."""
        return urlsplit(self.target).path.split("/")[1]

    @property
    def key(self) -> str | None:
        """The key or name in the path, None for a list."""
        named = urlsplit(self.target).path.split("/", 2)[2:]
        return unquote(named[0]) if named else None

    @property
    def query(self) -> dict[str, str]:
        """The parameters, names in lower case."""
        return {name.lower(): value for name, value in parse_qsl(urlsplit(self.target).query, keep_blank_values=True)}

    @property
    def label(self) -> str | None:
        """The label of the key in the path, None for none."""
        label = self.query.get("label", "")
        return None if label in _NO_LABEL else label

    def is_authentic(self, tokens: set[str]) -> bool:
        """Tell whether it is signed with the access key, or bears one of *tokens*."""
        scheme, _, said = self.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            return said in tokens
        parts = dict(part.partition("=")[::2] for part in said.split("&"))
        wanted = {"Credential", "SignedHeaders", "Signature"}
        if scheme != "HMAC-SHA256" or set(parts) != wanted or parts["Credential"] != IDENTITY:
            return False
        digest = base64.b64encode(hashlib.sha256(self.body).digest()).decode()
        signed = [self.headers.get(name, "") for name in parts["SignedHeaders"].split(";")]
        text = f"{self.method}\n{self.target}\n{';'.join(signed)}".encode()
        signature = base64.b64encode(hmac.digest(base64.b64decode(SECRET), text, "sha256")).decode()
        at = datetime.strptime(self.headers["x-ms-date"], "%b, %d %Y %H:%M:%S.%f GMT").replace(tzinfo=UTC)
        fresh = abs(datetime.now(UTC) - at) < _SKEW
        same_body = self.headers.get("x-ms-content-sha256") == digest
        return fresh and same_body and hmac.compare_digest(parts["Signature"], signature)

    def may_change(self, etag: str | None) -> bool:
        """Tell whether its conditions let it change what has this *etag*; None if there is nothing."""
        wanted, unwanted = (self.headers.get(name) for name in ("if-match", "if-none-match"))
        names = {"*", f'"{etag}"'} if etag is not None else set()
        return (wanted is None or wanted in names) and (unwanted is None or unwanted not in names)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back; `content` becomes JSON."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def problem(status: int, title: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a refusal."""
    content = {"type": "https://azconfig.io/errors/double", "title": title, "status": status}
    return Answer(status, content, {"Content-Type": _PROBLEM, **(headers or {})})


def new_etag() -> str:
    """Return an ETag that was never given out."""
    return uuid4().hex


def filter_of(pattern: str) -> Callable[[str], bool] | None:
    """Return what a filter of keys or labels lets through, None if the filter itself is refused."""
    parts = re.split(r"(?<!\\),", pattern)
    if len(parts) > _MOST_IN_FILTER or (len(parts) > 1 and "*" in pattern) or "*" in pattern[:-1]:
        return None
    names = [re.sub(r"\\(.)", r"\1", part) for part in parts]
    return lambda key: key.startswith(pattern[:-1]) if pattern.endswith("*") else key in names


def matcher(keys: str, labels: str | None) -> Callable[[KeyValue], bool] | None:
    """Return what filters of keys and labels let through, None if they are refused; no filter lets all through."""
    key = filter_of(keys)
    label = filter_of("*" if labels is None else "" if labels in _NO_LABEL else labels)
    if key is None or label is None:
        return None
    return lambda item: key(item.key) and label(item.label or "")


def page_of(request: Request, found: list[KeyValue], size: int) -> Answer:
    """Return the page of *found* that *request* asks for, or that it has not changed."""
    begin = int(request.query.get("after", "0"))
    page = found[begin : begin + size]
    etag = hashlib.sha256("".join(item.etag for item in page).encode()).hexdigest()[:24]
    content: dict[str, Any] = {"items": [item.as_json() for item in page]}
    headers = {"ETag": f'"{etag}"', "Content-Type": KV_SET}
    if begin + size < len(found):
        following = re.sub(r"&after=\d+", "", request.target) + f"&after={begin + size}"
        content["@nextLink"], headers["Link"] = following, f'<{following}>; rel="next"'
    unchanged = request.headers.get("if-none-match") == f'"{etag}"'
    return Answer(304, headers=headers) if unchanged else Answer(200, content, headers)
