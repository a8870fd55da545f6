"""`runpin diff`: what changed from one snapshot to another, and which line changed it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runpin.cli.looking import documents_of
from runpin.cli.lookup import channel_of, publication_of, snapshot_named
from runpin.cli.options import (
    AsJson,
    ChannelName,
    Environment,
    Repository,
    SnapshotOrApplication,
    Tenant,
    opened,
)
from runpin.cli.printing import columns, emit, heading, note, value_text
from runpin.cli.shapes import Shape, commit_shape, commit_text, origin_shape, snapshot_shape
from runpin.comparing import Change, Kind, compare
from runpin.errors import Conflict, RunpinError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runpin.assembly import Runpin
    from runpin.model import Commit, Snapshot
    from runpin.showing import Traced

_SIGNS = {Kind.ADDED: "+", Kind.CHANGED: "~", Kind.REMOVED: "-"}


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two snapshots, and the lines that set its values, as far as they can be had."""

    snapshot: Snapshot
    values: Mapping[str, Any]
    commit: Commit | None
    lines: Traced


def diff(
    before: SnapshotOrApplication,
    after: Annotated[
        str | None,
        typer.Argument(
            metavar="[SNAPSHOT|APPLICATION]",
            help="The other side. Without it: what the last move of the application's channel changed, "
            "or from the snapshot to where its channel stands now.",
        ),
    ] = None,
    *,
    environment: Environment = None,
    tenant: Tenant = None,
    channel: ChannelName = None,
    repository: Repository = None,
    as_json: AsJson = False,
) -> None:
    """Compare two snapshots value by value."""
    with opened(environment, tenant, channel) as core:
        first, second = _pair(core, before, after)
        old, new = (_side(core, snapshot, repository) for snapshot in (first, second))
    changes = compare(old.values, new.values)
    if as_json:
        emit(
            {
                "before": _side_shape(old),
                "after": _side_shape(new),
                "changes": [_change_shape(change, old, new) for change in changes],
            }
        )
    else:
        _print(changes, old, new)


def _pair(core: Runpin, before: str, after: str | None) -> tuple[Snapshot, Snapshot]:
    first = snapshot_named(core, before)
    if after is not None:
        return first, snapshot_named(core, after)
    if "." in before:
        present = core.store.channel(first.scope, core.settings.channel)
        return first, core.store.find(present.snapshot)
    channel = channel_of(core, before)
    (latest,) = core.store.moves(channel.scope, channel.name, 1)
    if latest.previous is None:
        raise Conflict(
            f"channel {channel.name!r} of {channel.scope} has moved once only, so there is nothing to compare",
            where=str(channel.snapshot),
            fix="name the other snapshot as well",
        )
    return core.store.find(latest.previous), core.store.find(latest.channel.snapshot)


def _side(core: Runpin, snapshot: Snapshot, repository: str | None) -> _Side:
    from runpin.showcase import documents_at
    from runpin.showing import Traced, lines_in, traced

    def find(snapshot: Snapshot, commit: Commit) -> Traced:
        try:
            return lines_in(documents_at(core, snapshot, commit, repository), snapshot)
        except RunpinError as error:
            return Traced(missing=error.what)

    values, publication = documents_of(core, snapshot), publication_of(core, snapshot)
    commit = None if publication is None else publication.commit
    return _Side(snapshot, values, commit, traced(snapshot, commit, find))


def _side_shape(side: _Side) -> Shape:
    return {**snapshot_shape(side.snapshot), "commit": commit_shape(side.commit) if side.commit else None}


def _change_shape(change: Change, old: _Side, new: _Side) -> Shape:
    return {
        "document": change.document,
        "pointer": change.pointer,
        "kind": str(change.kind),
        "before": change.before,
        "after": change.after,
        "before_origin": None if change.kind is Kind.ADDED else origin_shape(old.lines.origin(change)),
        "after_origin": None if change.kind is Kind.REMOVED else origin_shape(new.lines.origin(change)),
    }


def _print(changes: Sequence[Change], old: _Side, new: _Side) -> None:
    for label, side in (("from", old), ("to  ", new)):
        heading(f"{label}  {side.snapshot.id}")
        note(f"      {commit_text(side.commit)}" if side.commit else "      its commit is not known")
    grouped: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        grouped[change.document].append(change)
    for document, rows in grouped.items():
        heading(document)
        columns(("", "", "", ""), [_row(change, old, new) for change in rows], indent=2)
    if not changes:
        note("No value differs.")
    for label, side in (("first", old), ("second", new)):
        if changes and side.lines.missing:
            note(f"Lines of the {label} snapshot are not known: {side.lines.missing}.")


def _row(change: Change, old: _Side, new: _Side) -> tuple[str, str, str, str]:
    side = old if change.kind is Kind.REMOVED else new
    values = {
        Kind.ADDED: value_text(change.after),
        Kind.CHANGED: f"{value_text(change.before)} → {value_text(change.after)}",
        Kind.REMOVED: value_text(change.before),
    }
    origin = side.lines.origin(change)
    place = f"{origin}@{side.commit.sha[:12]}" if origin and side.commit else ""
    return _SIGNS[change.kind], change.pointer or "(whole document)", values[change.kind], place
