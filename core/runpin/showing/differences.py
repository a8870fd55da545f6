"""What differs between a run's snapshot and another one, with the lines that set each value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runpin.canonical import thaw
from runpin.comparing import Kind, compare
from runpin.errors import UnknownSnapshot
from runpin.model import SnapshotId
from runpin.showing.backends import Traced
from runpin.showing.facts import Difference, DiffFacts, Side, Value
from runpin.showing.tracing import traced

if TYPE_CHECKING:
    from collections.abc import Collection

    from runpin.comparing import Change
    from runpin.model import Pin, Scope, Snapshot
    from runpin.showing.backends import Backends
    from runpin.showing.looking import Look
    from runpin.showing.story import SeenRun, Story

LONGEST_VALUE = 2000
"""Characters of a value that are told."""

MOST_CHANGES = 500


def show_diff(look: Look, of: Backends, story: Story, application: str, against: str) -> DiffFacts:
    """
    Return what differs between what the run of *story* uses of *application* and another snapshot.

    Args:
        look: asks.
        of: what it asks.
        story: the run, and the one before it.
        application: of which application.
        against: `live`, `previous`, or the id of a snapshot.

    Raises:
        UnknownApplication: it cannot be the name of one.
        UnknownSnapshot: one of the two is not known, or of another scope, or the run has read none.
        StoreUnavailable, StoreCorrupt
    """
    scope = of.scope(application)
    own = _pinned(of, story.run, scope)
    if own is None:
        raise UnknownSnapshot(f"the run has read no configuration of {application!r}", where=story.run.key.run_id)
    other = _other(look, of, story, own, against)
    role = against if against in _ROLES else "named"
    # What is live now comes after the run; anything else came before it.
    pairs = (("run", own.snapshot), (role, other)) if role == "live" else ((role, other), ("run", own.snapshot))
    (before_role, before), (after_role, after) = ((name, _found(of, scope, each)) for name, each in pairs)
    return _diff(look, of, (before_role, before), (after_role, after))


_ROLES = frozenset({"live", "previous"})
_Named = tuple[str, "Snapshot"]


def _pinned(of: Backends, run: SeenRun, scope: Scope) -> Pin | None:
    # What a run carries was written by whoever triggered it; only what it has read is shown to who may see the run.
    return of.ledger_circuit.ask(of.ledger.get, run.key, scope)


def _other(look: Look, of: Backends, story: Story, own: Pin, against: str) -> SnapshotId:
    if against == "live":
        live = look.live(own.scope, own.channel)
        if live is None:
            raise UnknownSnapshot(f"it is not known where channel {own.channel!r} stands", where=str(own.scope))
        return live.snapshot
    if against != "previous":
        return SnapshotId.parse(against)
    found = None if story.previous is None else _pinned(of, story.previous, own.scope)
    if found is None:
        raise UnknownSnapshot("no run before this one has read this configuration", where=story.run.key.run_id)
    return found.snapshot


def _found(of: Backends, scope: Scope, named: SnapshotId) -> Snapshot:
    found = of.resolver.snapshot(of.resolver.find(named), named.sequence)
    if found.scope != scope:
        raise UnknownSnapshot(f"{named} is not a snapshot of {scope}", where="what was asked for")
    return found


def _diff(look: Look, of: Backends, before: _Named, after: _Named) -> DiffFacts:
    (_, old), (_, new) = before, after
    # Documents that are the same bytes need not be read.
    differing = [
        name for name in {*old.documents, *new.documents} if old.documents.get(name) != new.documents.get(name)
    ]
    changes = compare(_values(of, old, differing), _values(of, new, differing))
    first, then = _traced(look, of, old, changes), _traced(look, of, new, changes)
    told = tuple(_difference(change, first, then) for change in changes[:MOST_CHANGES])
    application = old.scope.application
    return DiffFacts(application, _side(look, *before, first), _side(look, *after, then), told, len(changes))


def _values(of: Backends, snapshot: Snapshot, names: Collection[str]) -> dict[str, Any]:
    return {name: thaw(of.resolver.body(snapshot, name)) for name in names if name in snapshot.documents}


def _traced(look: Look, of: Backends, snapshot: Snapshot, changes: Collection[Change]) -> Traced:
    if not changes:
        return Traced()
    return traced(snapshot, look.commit_of(snapshot.scope, snapshot.id), of.trace)


def _side(look: Look, role: str, snapshot: Snapshot, lines: Traced) -> Side:
    commit = look.commit_of(snapshot.scope, snapshot.id)
    return Side(role, snapshot.id, snapshot.digest, commit, lines.missing)


def _difference(change: Change, old: Traced, new: Traced) -> Difference:
    before, after = change.kind is not Kind.ADDED, change.kind is not Kind.REMOVED
    return Difference(
        change.document,
        change.pointer,
        change.kind,
        _value(change.before) if before else None,
        _value(change.after) if after else None,
        old.origin(change) if before else None,
        new.origin(change) if after else None,
    )


def _value(value: Any) -> Value:
    text = json.dumps(value, ensure_ascii=False)
    return Value(text[:LONGEST_VALUE], len(text) > LONGEST_VALUE, len(text))
