"""Where a pin may come from that is not another run's: what was proposed, where the channel stands, or stood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.errors import RepinRefused, UnknownSnapshot
from runpin.looking_back import states_between
from runpin.model import Asked, Pin
from runpin.observing import decided
from runpin.questions import foreign, two_live

if TYPE_CHECKING:
    from runpin.circuit import Circuit
    from runpin.ports import Clock, History, PinLedger
    from runpin.questions import Question
    from runpin.resolving import Resolver


class Candidates:
    """Makes pins that nobody has recorded yet."""

    def __init__(self, resolver: Resolver, clock: Clock, circuit: Circuit, history: History | None) -> None:
        self._resolver = resolver
        self._clock = clock
        self._circuit = circuit
        self._history = history

    def record(self, ledger: PinLedger, candidate: Pin) -> Pin:
        """
        Record *candidate* unless the run has a pin, and return what is on record then.

        Raises:
            SnapshotQuarantined: the run has no pin and the candidate is barred.
            StoreUnavailable
        """
        pin = self._circuit.insist(ledger.put_if_absent, candidate)
        # Of processes that wanted the same at once, the moment tells whose it is; it does so after a lost answer, too.
        if pin == candidate:
            decided(pin)
        return pin

    def proposed(self, question: Question) -> Pin | None:
        """
        Return the pin that was proposed or chosen, None if there is none that could be.

        Raises:
            UnknownSnapshot: what was chosen does not exist, or is of another scope.
            StoreUnavailable
        """
        scope = question.scope
        snapshot = question.proposal.pins.get(scope.application)
        if snapshot is None:
            return None
        asked = question.proposal.asked(scope.application)
        if snapshot.environment != scope.environment:
            if asked is Asked.OVERRIDE:
                raise foreign(snapshot, scope)
            return None
        try:
            digest = self._resolver.find(snapshot)
        except UnknownSnapshot:
            if asked is Asked.PROPOSAL:
                return None
            raise
        if self._resolver.snapshot(digest, snapshot.sequence).scope != scope:
            if asked is Asked.OVERRIDE:
                raise foreign(snapshot, scope)
            return None
        return Pin(question.run, scope, snapshot, digest, self._clock.now(), channel=question.channel, asked=asked)

    def from_channel(self, question: Question) -> Pin:
        """
        Return the pin to where the channel stands.

        Raises:
            UnknownChannel, StoreUnavailable
        """
        scope, channel = question.scope, question.channel
        found, at = self._resolver.present(scope, channel), self._clock.now()
        return Pin(question.run, scope, found.snapshot, found.digest, at, channel=channel, revision=found.revision)

    def at_its_moment(self, question: Question) -> Pin:
        """
        Return the pin to where the channel stood at the run's logical date, or at all of them.

        Raises:
            RepinRefused: the run has none, or the channel moved to another snapshot between the first and the last.
            UnknownChannel: there was no such channel then.
            StoreUnavailable
        """
        run, scope, dates = question.run, question.scope, question.rerun.dates
        if self._history is None or dates is None:
            raise RepinRefused(
                "its backfill wants what was live at each run's logical date, and this run has none",
                where=str(run),
                fix="choose `latest` or `original`, or name a snapshot",
            )
        *later, then = self._circuit.insist(states_between, self._history, scope, question.channel, *dates())
        for other in later:
            if other.digest != then.digest:
                raise two_live(question, then.snapshot, other.snapshot)
        return Pin(
            run,
            scope,
            then.snapshot,
            then.digest,
            self._clock.now(),
            channel=question.channel,
            revision=then.revision,
        )
