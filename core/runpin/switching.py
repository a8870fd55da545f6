"""
Switching at a safe point: a run that declared one may move to where its channel stands, or to what was named for it.

Two tasks of one run that come to a safe point at once get the same answer: the pin moves by compare-and-set.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runpin.declining import Switched, offer
from runpin.errors import EpochConflict, SnapshotQuarantined, StoreUnavailable
from runpin.model import Asked
from runpin.rerunning import Event, Held, Situation, Take, decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpin.circuit import Circuit
    from runpin.declining import Declined, Offer
    from runpin.model import Channel, Pin
    from runpin.overrides import Override
    from runpin.ports import Clock, PinLedger
    from runpin.repeating import Repeats
    from runpin.resolving import Resolver


class Switcher:
    """Moves pins at safe points."""

    def __init__(
        self,
        ledger: PinLedger,
        resolver: Resolver,
        clock: Clock,
        circuit: Circuit,
        repeats: Callable[[], Repeats] | None,
        declined: Declined | None,
    ) -> None:
        self._ledger = ledger
        self._resolver = resolver
        self._clock = clock
        self._circuit = circuit
        self._repeats = repeats
        self._declined = declined

    def switch(self, pin: Pin, accept: Callable[[Offer], bool] | None = None) -> Switched:
        """
        Move a run to where its channel stands now, or to what somebody named, and return its pin after that.

        Nothing changes when the channel did not move on, when its snapshot is barred, when a backend does not answer,
        when somebody chose the run's snapshot by name, or when the run has declined what the channel names.

        Args:
            pin: what the run has, on record.
            accept: is asked first, unless the run has declined already; it may decline by answering false. What
                somebody named is no offer.
        """
        try:
            waiting = self._waiting(pin)
            chosen = pin.asked is Asked.OVERRIDE or self._stays(pin)
            take = decide(Situation(Event.SAFE_POINT, own=Held.GOOD, named=waiting is not None, chosen=chosen)).take
            if waiting is not None and take is Take.NAMED:
                return Switched(self._taken(pin, waiting))
            return Switched(pin) if take is Take.OWN else self._followed(pin, accept)
        except (StoreUnavailable, SnapshotQuarantined):
            return Switched(pin)

    def _followed(self, pin: Pin, accept: Callable[[Offer], bool] | None) -> Switched:
        now = self._resolver.present(pin.scope, pin.channel, patient=False)
        if now.digest == pin.digest or now.revision <= (pin.revision or 0):
            return Switched(pin)
        if self._declines(pin, now, accept):
            return Switched(pin, now.snapshot)
        target = replace(pin, snapshot=now.snapshot, digest=now.digest, revision=now.revision, asked=Asked.SAFE_POINT)
        return Switched(self._advance(target))

    def _waiting(self, pin: Pin) -> Override | None:
        return None if self._repeats is None else self._circuit.insist(self._repeats().waiting, pin.run, pin.scope)

    def _stays(self, pin: Pin) -> bool:
        return self._repeats is not None and self._circuit.insist(self._repeats().stays, pin)

    def _taken(self, pin: Pin, waiting: Override) -> Pin:
        target = replace(pin, snapshot=waiting.snapshot, digest=waiting.digest, asked=Asked.OVERRIDE)
        taken = pin if pin.digest == waiting.digest else self._advance(target)
        if self._repeats is not None and taken.digest == waiting.digest:
            self._circuit.insist(self._repeats().take, waiting, f"a safe point, epoch {taken.epoch}")
        return taken

    def _declines(self, pin: Pin, now: Channel, accept: Callable[[Offer], bool] | None) -> bool:
        declined = self._declined
        if declined is not None and self._circuit.insist(declined.has, pin, now):
            return True
        if accept is None:
            return False
        present, target = (self._resolver.snapshot(to.digest, to.snapshot.sequence) for to in (pin, now))
        if accept(offer(pin, now, present, target)):
            return False
        if declined is not None:
            self._circuit.insist(declined.note, pin, now)
        return True

    def _advance(self, target: Pin) -> Pin:
        after = replace(target, at=self._clock.now(), epoch=target.epoch + 1)
        try:
            return self._circuit.insist(self._ledger.advance, after)
        except EpochConflict:
            held = self._circuit.insist(self._ledger.get, target.run, target.scope)
            if held is None:
                raise
            return held
