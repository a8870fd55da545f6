"""One look at the backends: what they say, and what is missing because one of them does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from runpin.errors import RunpinError, StoreError
from runpin.model import Asked
from runpin.resolving import Resolution
from runpin.showing.facts import Count, Live, PinFacts, Problem

if TYPE_CHECKING:
    from runpin.model import Channel, ChannelMove, Commit, Pin, RunKey, Scope, SnapshotId
    from runpin.overrides import Override
    from runpin.showing.backends import Backends, Remembered

T = TypeVar("T")

PATIENCE = 4.0
"""Seconds after which a look asks nothing more that it can do without."""

PUBLICATIONS_SEARCHED = 1000
PINS_COUNTED = 100

_WHY = {
    Asked.CHANNEL: "its channel stood there when the run first read its configuration",
    Asked.PROPOSAL: "its channel stood there when the run started",
    Asked.PARENT: "the run that started it uses this one",
    Asked.OVERRIDE: "somebody named it for this run",
    Asked.SAFE_POINT: "the run switched to it at a safe point",
}
_WHY_LATER = {
    Asked.CHANNEL: "a rerun of the run decided so",
    Asked.OVERRIDE: "somebody named it, and a rerun or a safe point took it",
}


class Look:
    """
    Asks on behalf of one person, once.

    What a method cannot find out because a backend is away is None, and that backend is not asked again by this look.
    """

    def __init__(self, backends: Backends, remembered: Remembered) -> None:
        self._of = backends
        self._remembered = remembered
        self._ends = backends.clock.monotonic() + PATIENCE
        self._away: dict[str, Problem] = {}
        self._barred: dict[str, frozenset[SnapshotId] | None] = {}
        remembered.forget()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Which backends did not answer."""
        return tuple(self._away.values())

    @property
    def hurried(self) -> bool:
        """Whether it took so long already that only what matters most is asked."""
        return self._of.clock.monotonic() > self._ends

    def store(self, work: Callable[[], T]) -> T | None:
        """Return what *work*, a question to the store, returns; None if it is away."""
        return self._answered("store", lambda: self._of.store_circuit.ask(work))

    def ledger(self, work: Callable[[], T]) -> T | None:
        """Return what *work*, a question to the ledger, returns; None if it is away."""
        return self._answered("ledger", lambda: self._of.ledger_circuit.ask(work))

    def is_barred(self, snapshot: SnapshotId) -> bool:
        """Tell whether *snapshot* is barred from new pins; if the ledger is away, whether it was."""
        environment = snapshot.environment
        if environment not in self._barred:
            self._barred[environment] = self.ledger(lambda: self._of.ledger.barred(environment))
        barred = self._barred[environment]
        return self._of.resolver.known_barred(snapshot) if barred is None else snapshot in barred

    def commit_of(self, scope: Scope, snapshot: SnapshotId) -> Commit | None:
        """Return what *snapshot* was published from first, as far as the latest thousand publications tell."""
        known, key = self._remembered.commits, (scope, snapshot)
        if key not in known and not self.hurried:
            lines = self.store(lambda: self._of.store.publications(scope, PUBLICATIONS_SEARCHED))
            if lines is not None:
                # They come newest first. What was published too long ago is not looked for again either.
                known[key] = next((line.commit for line in reversed(lines) if line.snapshot == snapshot), None)
        return known.get(key)

    def move_to(self, channel: Channel) -> ChannelMove | None:
        """Return the move that brought *channel* to where it stands."""
        known = self._remembered.moves
        if channel not in known and not self.hurried:
            for line in self.store(lambda: self._of.store.moves(channel.scope, channel.name, 1)) or ():
                known[line.channel] = line
        return known.get(channel)

    def live(self, scope: Scope, name: str) -> Live | None:
        """Return where a channel stands; what this host saw last if the store is away, None if it never saw it."""
        try:
            now = self._answered("store", lambda: self._of.resolver.present(scope, name, patient=False))
            found = self._of.resolver.channel(scope, name) if now is None else Resolution(now)
        except RunpinError:
            return None
        return self.standing(found)

    def standing(self, found: Resolution) -> Live:
        """Return what is told of a channel that was found."""
        channel = found.channel
        move = None if found.stale else self.move_to(channel)
        return Live(
            channel.name,
            channel.snapshot,
            channel.digest,
            channel.revision,
            channel.moved_at,
            move.actor if move else None,
            move.reason if move else None,
            self.is_barred(channel.snapshot),
            found.stale,
            round(found.age.total_seconds(), 1),
        )

    def count(self, snapshot: SnapshotId) -> Count | None:
        """Return how many pins name *snapshot*, as far as the first page tells."""
        if self.hurried:
            return None
        page = self.ledger(lambda: self._of.ledger.runs_of(snapshot, limit=PINS_COUNTED))
        return None if page is None else Count(len(page.pins), page.next is not None)

    def pins_of(self, run: RunKey) -> list[Pin]:
        """Return every epoch of every pin of *run*, newest first; none of another run that has the same name."""
        found = self.ledger(lambda: self._of.ledger.pins_of_run(run.run_id, run.job)) or ()
        return sorted((pin for pin in found if pin.run == run), key=lambda pin: (pin.epoch, pin.at), reverse=True)

    def pin_of(self, run: RunKey, scope: Scope) -> Pin | None:
        """Return the newest epoch of one pin of *run*."""
        return self.ledger(lambda: self._of.ledger.get(run, scope))

    def override_of(self, run: RunKey, scope: Scope) -> Override | None:
        """Return what an operator wants of *run*, or wanted last."""
        return self.ledger(lambda: self._of.overrides.newest(run, scope))

    def epoch(self, pin: Pin) -> PinFacts:
        """Return what is told of one epoch of a pin."""
        return PinFacts(
            pin.epoch,
            pin.snapshot,
            pin.digest,
            pin.channel,
            pin.revision,
            pin.asked,
            why(pin),
            pin.at,
            pin.confirmed,
            self.is_barred(pin.snapshot),
            self.commit_of(pin.scope, pin.snapshot),
        )

    def _answered(self, who: str, work: Callable[[], T]) -> T | None:
        if who in self._away:
            return None
        try:
            return work()
        except StoreError as error:
            self._away[who] = away(who, error)
            return None


def away(who: str, error: RunpinError) -> Problem:
    """Return what to tell of a backend that did not answer: *who* is `store` or `ledger`."""
    if who == "store":
        shown = "where channels stand is what this host saw last"
        return Problem("store_away", "warning", f"{error.what}: {shown}", error.where, error.fix)
    shown = "runs that start now use what was proposed to them, or wait"
    return Problem("ledger_away", "error", f"{error.what}: {shown}", error.where, error.fix)


def why(pin: Pin) -> str:
    """Return why a run was given what *pin* says, as a clause for people."""
    return (_WHY | _WHY_LATER if pin.epoch else _WHY)[pin.asked]
