"""The samples of a policy: cases that it has to allow, and cases that it has to deny."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runpin.canonical import canonical, document_from
from runpin.cases import Case, EnforcementPoint, Present
from runpin.errors import NotFound
from runpin.model import STABLE, Commit, Document, Scope, SnapshotId
from runpin.parsing.nearest import advice

if TYPE_CHECKING:
    from runpin.policy.files import Match, PolicyTable

_NOBODY = "sample"
COMMIT = Commit("0" * 40, "", "main", "Sample <sample@example.org>", "Sample", datetime(2000, 1, 1, tzinfo=UTC))
"""The commit of a sample that says nothing about it."""

_KEYS = ("documents", "point", "scope", "channel", "present", "commit", "strategy")


@dataclass(frozen=True, slots=True)
class Sample:
    """
    A case whose verdict is known.

    Attributes:
        name: how a report calls it, `allowed sample 1`.
        case: what is judged.
        denied: whether the policy has to deny it.
        line: where it stands, from 1.
        file: the file of that line, if it is another one than the policy's own.
    """

    name: str
    case: Case
    denied: bool
    line: int
    file: str | None = None


def read_samples(table: PolicyTable, match: Match) -> tuple[Sample, ...]:
    """
    Return the samples that *table* lists; what they leave out is made up so that *match* takes it.

    Raises:
        Broken: a sample says something wrong.
    """
    table.only("allowed", "denied")
    return tuple(
        Sample(f"{verdict} sample {number}", _case(each, match), verdict == "denied", each.origin(None).line)
        for verdict in ("allowed", "denied")
        for number, each in enumerate(table.tables(verdict), start=1)
    )


def _case(table: PolicyTable, match: Match) -> Case:
    table.only(*_KEYS)
    scope = _scope(table.table("scope"), match)
    return Case(
        scope=scope,
        point=_point(table),
        documents=_documents(table.table("documents")),
        commit=_commit(table.table("commit")),
        channel=table.text("channel") or STABLE,
        present=_present(table.table("present"), scope) if table.value.get("present") is not None else None,
        strategy=table.table("strategy").value if table.value.get("strategy") is not None else None,
    )


def _point(table: PolicyTable) -> EnforcementPoint:
    text, known = table.text("point") or str(EnforcementPoint.PUBLISH), tuple(map(str, EnforcementPoint))
    if text not in known:
        raise table.error("point", f"{text[:80]!r} is no enforcement point", advice(text, known))
    return EnforcementPoint(text)


def _scope(table: PolicyTable, match: Match) -> Scope:
    table.only("application", "environment", "tenant")
    application = table.text("application") or (*match.applications, _NOBODY)[0]
    environment = table.text("environment") or (*match.environments, _NOBODY)[0]
    tenant = table.text("tenant") if "tenant" in table.value else next(iter(match.tenants), None)
    try:
        return Scope(application, environment, tenant)
    except NotFound as error:
        raise table.error(None, error.what, error.fix or "") from error


def _documents(table: PolicyTable) -> Mapping[str, Document]:
    return {
        table.name("document", name, name): document_from(name, canonical(table.table(name).value))
        for name in table.value
    }


def _present(table: PolicyTable, scope: Scope) -> Present:
    table.only("snapshot", "documents", "pinned")
    pinned = table.value.get("pinned")
    if pinned is not None and (isinstance(pinned, bool) or not isinstance(pinned, int) or pinned < 0):
        raise table.error("pinned", "'pinned' is not a number of runs", "write a whole number")
    return Present(_snapshot(table, scope), _documents(table.table("documents")), pinned)


def _snapshot(table: PolicyTable, scope: Scope) -> SnapshotId:
    text = table.text("snapshot")
    if text is None:
        return SnapshotId(scope.application, scope.environment, 1, "0" * 12)
    try:
        return SnapshotId.parse(text)
    except NotFound as error:
        raise table.error("snapshot", error.what, error.fix or "") from error


def _commit(table: PolicyTable) -> Commit:
    table.only("sha", "ref", "author", "message", "at", "signer", "approvers")
    return Commit(
        table.text("sha") or COMMIT.sha,
        COMMIT.repository,
        table.text("ref") or COMMIT.ref,
        table.text("author") or COMMIT.author,
        table.text("message") or COMMIT.message,
        _at(table),
        signer=table.text("signer"),
        approvers=table.texts("approvers"),
    )


def _at(table: PolicyTable) -> datetime:
    text = table.text("at")
    try:
        at = COMMIT.at if text is None else datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise table.error("at", "'at' is no moment with its time zone", "write it as 2026-01-31T12:00:00Z")
    return at
