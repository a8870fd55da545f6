"""What one run uses and why, what live and the run before have, and which runs used one snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.errors import UnknownSnapshot
from runpin.model import Scope
from runpin.showing.facts import (
    NamedSnapshot,
    Parent,
    PinnedRun,
    Previous,
    RunApplication,
    RunFacts,
    SnapshotRuns,
)
from runpin.showing.looking import why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runpin.model import Pin, RunKey, SnapshotId
    from runpin.showing.backends import Backends
    from runpin.showing.looking import Look
    from runpin.showing.story import SeenLink, SeenRun, Story

_PAGE = 100
_PARENTS = 100


def show_run(look: Look, of: Backends, story: Story) -> RunFacts:
    """Return the facts about the run of *story*."""
    key = story.run.key
    by_scope = _by_scope(look.pins_of(key))
    for application in story.run.proposal.pins:
        by_scope.setdefault(of.scope(application), [])
    told = [_application(look, of, story, scope, by_scope[scope]) for scope in sorted(by_scope, key=str)]
    parents = _parents(look, story.parents)
    here = (of.environment, of.tenant, key.deployment)
    return RunFacts(key.job, key.run_id, *here, tuple(told), parents, look.problems)


def show_runs_on(
    look: Look, of: Backends, snapshot: SnapshotId, after: str | None, belongs: Callable[[RunKey], bool | None]
) -> SnapshotRuns:
    """
    Return a page of the runs that used *snapshot*.

    Args:
        look: asks.
        of: what it asks.
        snapshot: which one.
        after: the cursor of the page, None for the first one.
        belongs: tells whether a run is to be told; None if it is of another installation.

    Raises:
        UnknownSnapshot: there is no such snapshot here.
        NotFound: *after* is no cursor.
        StoreUnavailable
    """
    scope = of.scope(snapshot.application)
    digest = of.resolver.find(snapshot)
    if of.resolver.snapshot(digest, snapshot.sequence).scope != scope:
        raise UnknownSnapshot(f"{snapshot} is not a snapshot of {scope}", where="what was asked for")
    page = of.ledger_circuit.ask(of.ledger.runs_of, snapshot, after=after, limit=_PAGE)
    verdicts = [(pin, belongs(pin.run)) for pin in page.pins if pin.scope == scope]
    return SnapshotRuns(
        snapshot,
        digest,
        look.is_barred(snapshot),
        look.commit_of(scope, snapshot),
        tuple(_pinned(pin) for pin, own in verdicts if own),
        sum(own is None for _, own in verdicts),
        page.next,
    )


def _by_scope(pins: Iterable[Pin]) -> dict[Scope, list[Pin]]:
    found: dict[Scope, list[Pin]] = {}
    for pin in pins:
        found.setdefault(pin.scope, []).append(pin)
    return found


def _application(look: Look, of: Backends, story: Story, scope: Scope, pins: Sequence[Pin]) -> RunApplication:
    # What a run carries is for the environment and tenant that it runs for.
    proposed = story.run.proposal.pins.get(scope.application) if scope == of.scope(scope.application) else None
    used = pins[0].snapshot if pins else proposed
    live = look.live(scope, pins[0].channel if pins else of.channel)
    return RunApplication(
        scope.application,
        scope.environment,
        scope.tenant,
        tuple(look.epoch(pin) for pin in pins),
        proposed,
        look.override_of(story.run.key, scope),
        live,
        None if live is None or used is None else live.snapshot != used,
        _previous(look, story.previous, scope, used),
    )


def _previous(look: Look, run: SeenRun | None, scope: Scope, used: SnapshotId | None) -> Previous | None:
    if run is None:
        return None
    pin = look.pin_of(run.key, scope)
    if pin is None:
        return Previous(run.key.run_id, None, None)
    return Previous(run.key.run_id, pin.snapshot, None if used is None else pin.snapshot != used)


def _parents(look: Look, links: Sequence[SeenLink]) -> tuple[Parent, ...]:
    told = []
    for link in links[:_PARENTS]:
        newest = (
            {} if look.hurried else {scope: pins[0] for scope, pins in _by_scope(look.pins_of(link.run.key)).items()}
        )
        used = tuple(NamedSnapshot(scope.application, newest[scope].snapshot) for scope in sorted(newest, key=str))
        told.append(Parent(link.kind, link.run.key.job, link.run.key.run_id, link.asset, used))
    return tuple(told)


def _pinned(pin: Pin) -> PinnedRun:
    return PinnedRun(pin.run.job, pin.run.run_id, pin.epoch, pin.asked, why(pin), pin.at, pin.confirmed)
