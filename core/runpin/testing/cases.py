"""Cases for tests of gates, made of plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from runpin.canonical import canonical, document_from
from runpin.cases import Case, EnforcementPoint, Present
from runpin.model import Commit, Document, Scope, SnapshotId

SCOPE = Scope("payments", "prod")
LIVE = SnapshotId("payments", "prod", 1, "0" * 12)
COMMIT = Commit(
    "c" * 40,
    "https://git.example.org/config",
    "main",
    "Ada <ada@example.org>",
    "Raise the limit",
    datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC),
)


def case_of(
    documents: Mapping[str, Any],
    present: Mapping[str, Any] | None = None,
    *,
    pinned: int | None = None,
    scope: Scope = SCOPE,
    point: EnforcementPoint = EnforcementPoint.PUBLISH,
    commit: Commit = COMMIT,
    **more: Any,
) -> Case:
    """
    Return the case of publishing *documents*, given by name as JSON values.

    Args:
        documents: what is judged.
        present: what the channel holds now; None: nothing.
        pinned: how many runs are pinned to that; None: nobody counted.
        scope: what it is for.
        point: the moment.
        commit: where it comes from.
        more: other fields of the case.
    """
    held = None if present is None else Present(LIVE, _documents(present), pinned)
    if held is not None and pinned is not None:
        held = replace(held, since=commit.at)
    return Case(scope, point, _documents(documents), commit, present=held, **more)


def _documents(values: Mapping[str, Any]) -> dict[str, Document]:
    return {name: document_from(name, canonical(value)) for name, value in values.items()}
