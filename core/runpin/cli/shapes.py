"""
The JSON form of what commands answer with `--json`.

docs/reference/cli.md shows each one. Members may be added; none is renamed, removed or given another meaning.
Moments are ISO 8601 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runpin.reporting import remark_of_finding

if TYPE_CHECKING:
    from runpin.model import (
        Channel,
        ChannelMove,
        Commit,
        Finding,
        Origin,
        Pin,
        Publication,
        Scope,
        Snapshot,
        SnapshotId,
    )
    from runpin.overrides import Override
    from runpin.reporting import Remark, Report
    from runpin.resolving import Resolution

Shape = dict[str, Any]


def plain(value: Any) -> Any:
    """Return a JSON value as dicts and lists, whatever read-only form it came in."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def scope_shape(scope: Scope) -> Shape:
    """Return application, environment and tenant."""
    return {"application": scope.application, "environment": scope.environment, "tenant": scope.tenant}


def commit_shape(commit: Commit) -> Shape:
    """Return where a state of the config repository is, and who made it."""
    return {
        "sha": commit.sha,
        "repository": commit.repository,
        "ref": commit.ref,
        "author": commit.author,
        "message": commit.message,
        "at": commit.at.isoformat(),
        "reproducible": commit.reproducible,
    }


def snapshot_shape(snapshot: Snapshot) -> Shape:
    """Return a published snapshot without its values."""
    return {
        "id": str(snapshot.id),
        "digest": snapshot.digest,
        **scope_shape(snapshot.scope),
        "sequence": snapshot.sequence,
        "documents": dict(snapshot.documents),
    }


def channel_shape(channel: Channel) -> Shape:
    """Return where a channel stands."""
    return {
        **scope_shape(channel.scope),
        "name": channel.name,
        "revision": channel.revision,
        "snapshot": str(channel.snapshot),
        "digest": channel.digest,
        "moved_at": channel.moved_at.isoformat(),
    }


def standing_shape(found: Resolution) -> Shape:
    """Return how far an answer about a channel can be trusted."""
    return {"stale": found.stale, "age_seconds": round(found.age.total_seconds(), 3), "reason": found.reason}


def publication_shape(publication: Publication) -> Shape:
    """Return which commit made or confirmed a snapshot."""
    return {
        "kind": "publication",
        "at": publication.at.isoformat(),
        "actor": publication.actor,
        "snapshot": str(publication.snapshot),
        "commit": commit_shape(publication.commit),
    }


def move_shape(move: ChannelMove) -> Shape:
    """Return one move of a channel."""
    return {
        "kind": "move",
        "at": move.channel.moved_at.isoformat(),
        "actor": move.actor,
        "snapshot": str(move.channel.snapshot),
        "previous": text_or_none(move.previous),
        "revision": move.channel.revision,
        "reason": move.reason,
    }


def pin_shape(pin: Pin) -> Shape:
    """Return what one run was given."""
    return {
        "engine": pin.run.engine,
        "deployment": pin.run.deployment,
        "job": pin.run.job,
        "run_id": pin.run.run_id,
        "incarnation": pin.run.incarnation,
        **scope_shape(pin.scope),
        "snapshot": str(pin.snapshot),
        "digest": pin.digest,
        "epoch": pin.epoch,
        "asked": str(pin.asked),
        "channel": pin.channel,
        "revision": pin.revision,
        "confirmed": pin.confirmed,
        "at": pin.at.isoformat(),
    }


def override_shape(override: Override) -> Shape:
    """Return what somebody wants of one run; `outcome` is null while it waits."""
    run = override.run
    return {
        "engine": run.engine,
        "deployment": run.deployment,
        "job": run.job,
        "run_id": run.run_id,
        "incarnation": run.incarnation,
        **scope_shape(override.scope),
        "number": override.number,
        "snapshot": str(override.snapshot),
        "digest": override.digest,
        "since": str(override.since),
        "kind": str(override.kind),
        "partial": override.partial,
        "actor": override.actor,
        "reason": override.reason,
        "at": override.at.isoformat(),
        "outcome": override.outcome,
    }


def origin_shape(origin: Origin | None) -> Shape | None:
    """Return file and line, or None when they are not known."""
    return None if origin is None else {"file": origin.file, "line": origin.line}


def finding_shape(finding: Finding) -> Shape:
    """Return what a check found; it holds no value."""
    return remark_shape(remark_of_finding(finding))


def remark_shape(remark: Remark) -> Shape:
    """Return one thing that is wrong, without the environments that it is wrong in."""
    return {
        "where": remark.where,
        "key": remark.key,
        # A file that cannot be used has always been told by the kind of its error here.
        "rule": remark.kind or remark.rule,
        "code": remark.rule,
        "severity": remark.severity,
        "message": remark.message,
        "fix": remark.fix,
        "document": remark.document,
        "pointer": remark.pointer,
        "file": remark.file,
        "line": remark.line,
        "column": remark.column,
    }


def report_shape(report: Report) -> Shape:
    """Return everything that is wrong with one state of the config repository."""
    return {
        "valid": report.acceptable,
        "commit": commit_shape(report.commit),
        "environments": [{"name": each.name, "documents": each.documents} for each in report.environments],
        "findings": [{**remark_shape(remark), "environments": list(remark.environments)} for remark in report.remarks],
    }


def commit_text(commit: Commit) -> str:
    """Return a state of the config repository in one line."""
    if not commit.reproducible:
        return f"The files in {commit.repository} {commit.message.removeprefix('files ')}"
    return f"Commit {commit.sha[:12]} ({commit.ref}) by {commit.author.partition(' <')[0]}: {commit.message}"


def text_or_none(snapshot: SnapshotId | None) -> str | None:
    """Return the id's text form."""
    return None if snapshot is None else str(snapshot)
