"""`runpin show`, `runpin history` and `runpin pins`: what is published, what happened, what runs have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runpin.canonical import thaw
from runpin.cli.lookup import channel_of, is_barred, publication_of, standing_of
from runpin.cli.options import (
    ApplicationName,
    AsJson,
    ChannelName,
    Environment,
    SnapshotOrApplication,
    Tenant,
    opened,
)
from runpin.cli.printing import columns, emit, fields, heading, moment, note, say, warn_stale
from runpin.cli.shapes import (
    commit_text,
    move_shape,
    pin_shape,
    publication_shape,
    scope_shape,
    snapshot_shape,
    standing_shape,
)
from runpin.errors import StoreUnavailable, UnknownDocument
from runpin.model import ChannelMove, SnapshotId
from runpin.parsing.nearest import advice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runpin.assembly import Runpin
    from runpin.model import Pin, Publication, Snapshot
    from runpin.resolving import Resolution


def show(
    snapshot: SnapshotOrApplication,
    *,
    document: Annotated[
        str | None, typer.Option("--document", "-d", metavar="NAME", help="Only this one. All by default.")
    ] = None,
    environment: Environment = None,
    tenant: Tenant = None,
    channel: ChannelName = None,
    as_json: AsJson = False,
) -> None:
    """Show a published snapshot: where it comes from, and its values; what this host has if no store answers."""
    with opened(environment, tenant, channel) as core:
        standing = None if "." in snapshot else standing_of(core, snapshot)
        found = _snapshot(core, snapshot, standing)
        publication = _publication(core, found)
        values = documents_of(core, found, document)
        barred = is_barred(core, found.id)
    if as_json:
        emit(
            {
                **snapshot_shape(found),
                **({} if standing is None else standing_shape(standing)),
                "quarantined": barred,
                "publication": publication_shape(publication) if publication else None,
                "values": values,
            }
        )
        return
    heading(str(found.id))
    if standing is not None:
        warn_stale(standing)
    _print_provenance(found, publication, barred=barred)
    for name, value in values.items():
        heading(name)
        say(*(f"  {line}" for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines()))


def _snapshot(core: Runpin, name: str, standing: Resolution | None) -> Snapshot:
    named = SnapshotId.parse(name) if standing is None else standing.channel.snapshot
    try:
        return core.asking.store.ask(core.store.find, named)
    except StoreUnavailable:
        return core.resolver.snapshot(core.resolver.find(named), named.sequence)


def _publication(core: Runpin, found: Snapshot) -> Publication | None:
    try:
        return core.asking.store.ask(publication_of, core, found)
    except StoreUnavailable:
        return None


def documents_of(core: Runpin, snapshot: Snapshot, only: str | None = None) -> dict[str, Any]:
    """
    Return the documents of *snapshot* by name, or the one named *only*.

    Raises:
        UnknownDocument: it has none of this name.
        StoreCorrupt, StoreUnavailable
    """
    if only is not None and only not in snapshot.documents:
        raise UnknownDocument(
            f"the snapshot has no document {only[:80]!r}", where=str(snapshot.id), fix=advice(only, snapshot.documents)
        )
    chosen = [only] if only else snapshot.documents
    return {name: thaw(_body(core, snapshot, name)) for name in chosen}


def _body(core: Runpin, snapshot: Snapshot, name: str) -> bytes:
    # Who looks wants to see what the store has, and not what this host kept of it.
    try:
        return core.asking.store.ask(core.store.get_object, snapshot.documents[name])
    except StoreUnavailable:
        return core.resolver.body(snapshot, name)


def history(
    application: ApplicationName,
    *,
    environment: Environment = None,
    tenant: Tenant = None,
    channel: ChannelName = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="At most so many lines.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List publications and moves of the channel, newest first."""
    with opened(environment, tenant, channel) as core:
        scope = channel_of(core, application).scope
        name = core.settings.channel
        events = _events(core.store.publications(scope, limit), core.store.moves(scope, name, limit))[:limit]
        barred = core.ledger.barred(scope.environment)
    if as_json:
        shapes = [move_shape(each) if isinstance(each, ChannelMove) else publication_shape(each) for each in events]
        quarantined = sorted(str(each) for each in barred if each.application == application)
        emit({**scope_shape(scope), "channel": name, "quarantined": quarantined, "events": shapes})
        return
    heading(f"{scope}, channel {name}")
    columns(("when", "what", "snapshot", "by", "why"), [_event_row(each, barred) for each in events], indent=2)


def pins(
    *,
    run: Annotated[str | None, typer.Option("--run", metavar="ID", help="The pins of this run.")] = None,
    job: Annotated[
        str | None, typer.Option("--job", metavar="NAME", help="With --run: only of this DAG or job; faster.")
    ] = None,
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", metavar="SNAPSHOT", help="The pins of this snapshot, oldest first.")
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="CURSOR", help="With --snapshot: the page after this one.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, max=1000, help="With --snapshot: lines of a page.")
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """List what runs were given: by run, or by snapshot."""
    if (run is None) == (snapshot is None):
        raise typer.BadParameter("name either a run or a snapshot", param_hint="--run / --snapshot")
    cursor = None
    with opened() as core:
        if run is not None:
            found: Sequence[Pin] = core.ledger.pins_of_run(run, job)
        else:
            page = core.ledger.runs_of(core.store.find(SnapshotId.parse(str(snapshot))).id, after=after, limit=limit)
            found, cursor = page.pins, page.next
    if as_json:
        emit({"pins": [pin_shape(pin) for pin in found], "next": cursor})
        return
    _print_pins(found)
    if cursor:
        note("There are more:")
        say(f"  runpin pins --snapshot {snapshot} --limit {limit} --after {cursor}")


def _events(publications: Sequence[Publication], moves: Sequence[ChannelMove]) -> list[Publication | ChannelMove]:
    """Return both, newest first; a move is later than the publication it follows from, however fast that was."""
    events: list[Publication | ChannelMove] = [*moves, *publications]
    return sorted(events, key=_when, reverse=True)


def _when(event: Publication | ChannelMove) -> datetime:
    return event.channel.moved_at if isinstance(event, ChannelMove) else event.at


def _event_row(event: Publication | ChannelMove, barred: frozenset[SnapshotId]) -> tuple[str, ...]:
    if isinstance(event, ChannelMove):
        snapshot, at = event.channel.snapshot, event.channel.moved_at
        what, why = f"moved, revision {event.channel.revision}", event.reason
    else:
        snapshot, at = event.snapshot, event.at
        what, why = "published", commit_text(event.commit)
    mark = " (quarantined)" if snapshot in barred else ""
    return moment(at), what, f"{snapshot}{mark}", event.actor, why


def _print_provenance(snapshot: Snapshot, publication: Publication | None, *, barred: bool) -> None:
    pairs: list[tuple[str, object]] = [("of", snapshot.scope), ("digest", snapshot.digest)]
    if publication:
        commit = publication.commit
        pairs += [
            ("commit", f"{commit.sha} ({commit.ref})"),
            ("from", commit.repository),
            ("author", f"{commit.author}, {moment(commit.at)}"),
            ("message", commit.message),
            ("published", f"by {publication.actor}, {moment(publication.at)}"),
        ]
    if barred:
        pairs.append(("quarantined", "yes: no new run gets it"))
    fields(pairs)


def _print_pins(found: Sequence[Pin]) -> None:
    if not found:
        note("No pin.")
        return
    header = ("job", "run", "of", "snapshot", "epoch", "asked", "at", "engine")
    rows = [
        (
            pin.run.job,
            pin.run.run_id,
            str(pin.scope),
            str(pin.snapshot),
            str(pin.epoch),
            str(pin.asked),
            moment(pin.at),
            f"{pin.run.engine}, {pin.run.deployment}",
        )
        for pin in found
    ]
    columns(header, rows)
