"""Native snapshots of the double of Azure App Configuration: made from filters, and never changed after that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from azure_double_wire import MOMENT, Answer, KeyValue, Request, matcher, new_etag, problem

_SNAPSHOT = "application/vnd.microsoft.appconfig.snapshot+json; charset=utf-8"
_SET = "application/vnd.microsoft.appconfig.snapshotset+json; charset=utf-8"
_MOST_FILTERS = 3
_COMPOSITIONS = frozenset({"key", "key_label"})
_MOVES = {"ready": "archived", "archived": "ready"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A native snapshot; `left` says how many looks it takes until it is ready."""

    name: str
    asked: dict[str, Any]
    items: tuple[KeyValue, ...]
    status: str
    left: int
    etag: str = field(default_factory=new_etag)

    def as_json(self) -> dict[str, Any]:
        """Return it as the service shows it."""
        size = sum(item.size for item in self.items)
        shown = {"name": self.name, "status": self.status, "etag": self.etag, "created": MOMENT, "expires": None}
        return {"retention_period": 2592000, **self.asked, **shown, "size": size, "items_count": len(self.items)}


class Snapshots:
    """
    All there are.

    Attributes:
        slowness: how many looks it takes until a new one is ready.
        fails: whether a new one becomes `failed` instead.
    """

    def __init__(self) -> None:
        self.slowness = 0
        self.fails = False
        self._all: dict[str, Snapshot] = {}

    def names(self) -> list[str]:
        """Return the names of all."""
        return list(self._all)

    def hurry(self) -> None:
        """Let those that are being made be ready at the next look."""
        self.slowness = 0
        self._all = {name: replace(each, left=0) for name, each in self._all.items()}

    def items(self, name: str) -> list[KeyValue] | None:
        """Return what a snapshot holds, None if nobody may read it."""
        found = self._all.get(name)
        return list(found.items) if found is not None and found.status in _MOVES else None

    def answer(self, request: Request, present: Callable[[], Iterable[KeyValue]]) -> Answer:
        """Do what a request about snapshots or the making of one asks for; *present* returns all key-values."""
        match request.kind, request.method, request.key:
            case "snapshots", "GET", None:
                return self._list(request)
            case "snapshots", "GET", str(name):
                return self._looked_at(name)
            case "snapshots", "PUT", str(name):
                return self._create(name, json.loads(request.body), present)
            case "snapshots", "PATCH", str(name):
                return self._set_status(request, name, json.loads(request.body)["status"])
            case "operations", "GET", None:
                return self._operation(request.query.get("snapshot", ""))
        return problem(404, "Not found")

    def _list(self, request: Request) -> Answer:
        wanted = set(request.query.get("status", "provisioning,ready,archived,failed").split(","))
        shown = [each.as_json() for each in self._all.values() if each.status in wanted]
        return Answer(200, {"items": shown}, {"Content-Type": _SET})

    def _create(self, name: str, asked: dict[str, Any], present: Callable[[], Iterable[KeyValue]]) -> Answer:
        if name in self._all:
            return problem(409, f"Snapshot '{name}' already exists")
        filters, composition = asked.get("filters") or [], asked.get("composition_type") or "key"
        if not 1 <= len(filters) <= _MOST_FILTERS or composition not in _COMPOSITIONS:
            return problem(400, "Invalid request body")
        matchers = [matcher(each["key"], each.get("label")) for each in filters]
        chosen: dict[tuple[str, str], KeyValue] = {}
        for matches in matchers:
            if matches is None:
                return problem(400, "Invalid filter")
            # Of one key, the last filter's key-value stays, unless labels tell them apart.
            found = [item for item in present() if matches(item)]
            chosen |= {(item.key, "" if composition == "key" else item.label or ""): item for item in found}
        kept = {key: value for key, value in asked.items() if value is not None}
        items = tuple(chosen[place] for place in sorted(chosen))
        status = "provisioning" if self.slowness or self.fails else "ready"
        made = Snapshot(name, {**kept, "composition_type": composition}, items, status, self.slowness)
        self._all[name] = made
        return self._shown(made, 201)

    def _looked_at(self, name: str) -> Answer:
        found = self._all.get(name)
        if found is None:
            return Answer(404)
        if found.status == "provisioning":
            ended = "failed" if self.fails else "ready"
            found = replace(found, left=found.left - 1, status=ended if found.left <= 0 else found.status)
            self._all[name] = found
        return self._shown(found, 200)

    def _set_status(self, request: Request, name: str, status: str) -> Answer:
        found = self._all.get(name)
        if found is None:
            return Answer(404)
        if not request.may_change(found.etag):
            return problem(412, "Precondition failed")
        if _MOVES.get(found.status) != status:
            return problem(409, "The snapshot cannot become that")
        self._all[name] = replace(found, status=status, etag=new_etag())
        return self._shown(self._all[name], 200)

    def _operation(self, name: str) -> Answer:
        found = self._all.get(name)
        if found is None:
            return Answer(404)
        states = {"provisioning": "Running", "failed": "Failed"}
        return Answer(200, {"id": name, "status": states.get(found.status, "Succeeded"), "error": None})

    def _shown(self, found: Snapshot, status: int) -> Answer:
        headers = {"Content-Type": _SNAPSHOT, "ETag": f'"{found.etag}"'}
        if status == 201:
            headers["Operation-Location"] = f"/operations?snapshot={found.name}&api-version=2024-09-01"
        return Answer(status, found.as_json(), headers)
