"""
The pin protocol: one run, one Snapshot.

Decide: the first read asks the ledger, set-if-absent; the ledger's answer is the pin. `rerunning.decide` says where the
candidate comes from: what somebody chose, what the run that this one repeats has, a proposal, the channel.
Repeat: every later read, in any process, gets the same answer.
Switch: a declared safe point, see `switching`, or a rerun, see `repeating`, may open a new epoch; nothing else does.
Fail static: when the ledger does not answer, what this host knows about the run is used, or the proposal, marked as
unconfirmed; with neither there is an error that can be retried, never a guess. Once the ledger answers again, what was
read has to agree with it, and with the run that this one repeats. A ledger that takes its time is waited for, but not
by a run whose pin this host has seen on record.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from runpin.ancestry import ALONE, Ancestry
from runpin.candidates import Candidates
from runpin.circuit import Circuit
from runpin.declining import Switched
from runpin.errors import RepinRefused, SnapshotQuarantined, StoreError, StoreUnavailable
from runpin.model import Asked, Behavior, Pin, RunKey, Scope
from runpin.questions import (
    Question,
    agree,
    barred_before,
    conflict,
    contradicts,
    disagreed,
    needs_ledger,
    nothing_live,
    refused,
    situation_of,
    undecided,
)
from runpin.remembering import PinNotes
from runpin.repeating import Cleared
from runpin.rerunning import FIRST, Event, RerunPolicy, Take, decide
from runpin.restoring import restored
from runpin.switching import Switcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpin.breaking_glass import BreakGlass
    from runpin.declining import Declined, Offer
    from runpin.ports import Cache, Clock, History, PinLedger, Quarantine
    from runpin.repeating import Repeats
    from runpin.resolving import Resolver

_log = logging.getLogger("runpin.pinning")

# A channel that moves between our reading and our pinning is normal; one that does so this often is not.
_ATTEMPTS = 5


class Pinner:
    """Decides pins, repeats them, and switches them at safe points."""

    def __init__(  # noqa: PLR0913 - by keyword, and only the assembly gives all of them
        self,
        ledger: PinLedger,
        quarantine: Quarantine,
        resolver: Resolver,
        cache: Cache,
        clock: Clock,
        *,
        circuit: Circuit | None = None,
        repeats: Callable[[], Repeats] | None = None,
        history: History | None = None,
        declined: Declined | None = None,
        glass: BreakGlass | None = None,
    ) -> None:
        self._ledger = ledger
        self._quarantine = quarantine
        self._resolver = resolver
        self._notes = PinNotes(cache)
        self._clock = clock
        self._circuit = circuit or Circuit(clock, "the ledger", local=True)
        self._repeats = repeats
        self._candidates = Candidates(resolver, clock, self._circuit, history)
        self._glass = glass
        self._switcher = Switcher(ledger, resolver, clock, self._circuit, repeats, declined)

    def pin(self, question: Question) -> Pin:
        """
        Return the run's pin, deciding it on the first call, and once more for each time the run was cleared.

        A `PINNED` run whose pin this host has seen on record waits for no ledger that takes its time; an `AUTO_UPGRADE`
        one may have switched elsewhere, so it goes on from what this host has seen only if the ledger is known to be
        away.

        Raises:
            UnknownChannel: nothing was published for the scope yet.
            SnapshotQuarantined: an Override names a snapshot that is barred, or the run that this one repeats has one.
            UnknownSnapshot: an Override names a snapshot that does not exist, or one of another scope.
            PinConflict: the run, or the one that it repeats, read one snapshot while the ledger was away, or as the
                ledger said before it lost that, and the ledger says another.
            RepinRefused: the run is repeated, and its job wants a name that nobody gave, or what would give it two
                snapshots.
            ConfigUnavailable: the ledger does not answer and nothing is known about the run.
        """
        run, scope = question.run, question.scope
        known = self._notes.recall(run, scope)
        settled = self._notes.is_settled(run, scope, question.rerun.number)
        try:
            # Where a clear is not decided yet, what this host knows is from before it, and no other answer.
            pin = self._on_record(run, scope, known, question.behavior if settled else None)
            # Nothing but a clear that decides anew may pass over what was read and is not on record any more.
            read = None if not settled and self._is_over(pin, known) and self._is_anew(question) else known
            fresh = pin is None and read == known and not (known and known.confirmed)
            if pin is None:
                pin = self._decide(question) if read is None else self._confirm(question, read)
            agree(pin, read)
            if known is not None:
                # Whoever saw what is passed over finds a later epoch, as after any switch, and no contradiction.
                seen = read or replace(pin, epoch=known.epoch + 1)
                pin = restored(self._ledger, self._circuit, pin, seen)
            if not settled:
                pin = self._settle(question, fresh=fresh)
        except StoreUnavailable as unavailable:
            if not settled and known is not None:
                return self._assumed(question, known, unavailable)
            return known or self._fail_static(question, unavailable)
        except StoreError as lying:
            # What the clear led to may be on record already, for others to read; what this host knows is from before.
            if not settled or known is None or not known.confirmed:
                raise
            _log.warning("%s goes on with the pin that this host has seen on record, for: %s", run, lying.what)
            return known
        if pin != known:
            self._notes.remember(pin)
        return pin

    def switch(self, pin: Pin, accept: Callable[[Offer], bool] | None = None) -> Switched:
        """Move a run to where its channel stands now, and return its pin after that; see `Switcher.switch`."""
        if not pin.confirmed:
            # There is nothing on record yet that an epoch could follow.
            return Switched(pin)
        switched = self._switcher.switch(pin, accept)
        if switched.pin != pin:
            self._notes.remember(switched.pin)
        return switched

    def _on_record(
        self, run: RunKey, scope: Scope, known: Pin | None = None, hurried: Behavior | None = None
    ) -> Pin | None:
        ask = self._circuit.insist
        if known is not None and hurried is not None:
            # What was on record stays there, so the note of it is as good as an answer, but for later epochs.
            ask = self._circuit.hurry if known.confirmed and hurried is Behavior.PINNED else self._circuit.ask
        pin = ask(self._ledger.get, run, scope)
        # A bit that was flipped on the way is another one the next time.
        return self._circuit.insist(self._ledger.get, run, scope) if contradicts(pin, known) else pin

    def _is_over(self, pin: Pin | None, known: Pin | None) -> bool:
        """Tell whether what was read can not come back: the ledger says something else, or takes it no more."""
        if pin is not None or known is None:
            return contradicts(pin, known)
        self._note_barred(known.scope.environment)
        return self._resolver.known_barred(known.snapshot)

    def _is_anew(self, question: Question) -> bool:
        if question.is_anew or self._repeats is None:
            return question.is_anew
        waiting = self._circuit.insist(self._repeats().waiting, question.run, question.scope)
        return waiting is not None and (question.rerun.whole or waiting.partial)

    def _note_barred(self, environment: str) -> None:
        # For the day the ledger is away: then this host has to know by itself what is barred.
        self._resolver.note_barred(environment, self._circuit.insist(self._quarantine.barred, environment))

    def _settle(self, question: Question, *, fresh: bool) -> Pin:
        """Return the pin after the newest clear of a run that has one."""
        run, scope, rerun = question.run, question.scope, question.rerun
        if self._repeats is None:
            raise RepinRefused("this run was cleared, and nothing here decides what it uses then", where=str(run))
        self._note_barred(scope.environment)
        cleared = Cleared(
            *(run, scope, question.channel, rerun),
            barred=lambda pin: self._resolver.known_barred(pin.snapshot),
            candidate=lambda take: self._anew(question, take),
            named=question.named and question.event is Event.BACKFILL,
            fresh=fresh,
        )
        pin = self._circuit.insist(self._repeats().settle, cleared)
        assumed = self._notes.assumed(run, scope, rerun.number)
        if assumed is not None and assumed != pin.snapshot:
            raise conflict(run, assumed, f"the ledger says {pin.snapshot}")
        self._notes.remember(pin)
        self._notes.settle(run, scope, rerun.number)
        return pin

    def _assumed(self, question: Question, known: Pin, unavailable: StoreUnavailable) -> Pin:
        """Return what a cleared run goes on with on this host while nobody can decide what it uses."""
        if question.rerun.policy is not RerunPolicy.KEEP or question.event is Event.BACKFILL:
            raise undecided(question) from unavailable
        self._notes.assume(known, question.rerun.number)
        return known

    def _anew(self, question: Question, take: Take) -> Pin:
        """Return what a decision leads to that needs more than the run's own pin; nothing is written for the run."""
        if take is Take.MOMENT:
            return self._candidates.at_its_moment(question)
        if take is Take.NAMED:
            return self._candidates.proposed(question) or self._candidates.from_channel(question)
        if take is Take.GROUP and question.ancestry.group is not None:
            return self._of_group(question, question.ancestry.group)
        return self._candidates.from_channel(question)

    def _decide(self, question: Question) -> Pin:
        self._note_barred(question.scope.environment)
        earlier = self._earlier(question) if question.follows else None
        barred = earlier is not None and self._resolver.known_barred(earlier.snapshot)
        decision = decide(situation_of(question, earlier, barred=barred))
        if earlier is not None and (decision.take is Take.EARLIER or (barred and decision.take is Take.REFUSE)):
            # Of one that is barred the ledger says so.
            return self._follow(question, earlier)
        if decision.take is Take.REFUSE:
            raise refused(question, decision)
        if decision.take is Take.MOMENT:
            return self._candidates.record(self._ledger, self._candidates.at_its_moment(question))
        if question.ancestry.group is not None and decision.take is not Take.NAMED:
            return self._follow(question, self._of_group(question, question.ancestry.group))
        # What was proposed to a run that repeats another is what the other one had.
        return self._decide_alone(question, propose=earlier is None or decision.take is Take.NAMED)

    def _decide_alone(self, question: Question, *, propose: bool = True) -> Pin:
        candidate = self._candidates.proposed(question) if propose else None
        for _ in range(_ATTEMPTS):
            candidate = candidate or self._candidates.from_channel(question)
            try:
                return self._candidates.record(self._ledger, candidate)
            except SnapshotQuarantined:
                if candidate.asked is Asked.OVERRIDE:
                    raise
                candidate = None
        raise nothing_live(question)

    def _earlier(self, question: Question) -> Pin | None:
        runs = question.ancestry.repeated(self._circuit)
        for place, earlier in enumerate(runs):
            beyond = replace(question, run=earlier, ancestry=Ancestry(runs[place + 1 :]), rerun=FIRST)
            held = self._on_record(earlier, question.scope) or self._caught_up(beyond)
            if held is not None:
                return held
        return None

    def _of_group(self, question: Question, group: RunKey) -> Pin:
        alone = replace(question, run=group, ancestry=ALONE, rerun=FIRST)
        held = self._on_record(group, question.scope) or self._caught_up(alone) or self._decide_alone(alone)
        # No process is the group, so nobody else would write down for the next member what this host knows of it.
        self._notes.remember(held)
        return held

    def _followed(self, question: Question) -> Pin | None:
        group = question.ancestry.group
        return self._earlier(question) or (None if group is None else self._of_group(question, group))

    def _caught_up(self, question: Question) -> Pin | None:
        known = self._notes.recall(question.run, question.scope)
        if known is None or (known.confirmed and self._resolver.known_barred(known.snapshot)):
            # The ledger takes that one no more; whoever follows the run is told what it has.
            return known
        # The ledger was away when it read, or lost what it had since: its own next read would do the same.
        pin = self._confirm(question, known)
        return restored(self._ledger, self._circuit, pin, known) if pin.digest == known.digest else pin

    def _follow(self, question: Question, followed: Pin) -> Pin:
        try:
            return self._candidates.record(self._ledger, self._as_own(question, followed))
        except SnapshotQuarantined as barred:
            # Another snapshot would give one piece of work two configurations, so a person has to choose.
            raise barred_before(question, followed) from barred

    def _as_own(self, question: Question, followed: Pin) -> Pin:
        asked = Asked.OVERRIDE if followed.asked is Asked.OVERRIDE else Asked.PARENT
        return replace(followed, run=question.run, at=self._clock.now(), epoch=0, asked=asked, confirmed=True)

    def _confirm(self, question: Question, read: Pin) -> Pin:
        self._note_barred(read.scope.environment)
        # What was on record had followed already; whom it followed may have switched since.
        follows = read.asked is Asked.PARENT and not read.confirmed
        followed = self._followed(question) if follows else None
        if followed is not None and followed.digest != read.digest:
            # It switched, or decided, where this host did not see it.
            raise disagreed(read, f"{followed.run.run_id}, which it follows, uses {followed.snapshot}")
        try:
            pin = self._circuit.insist(self._ledger.put_if_absent, replace(read, epoch=0, confirmed=True))
        except SnapshotQuarantined as barred:
            raise disagreed(read, "it is barred from new pins now") from barred
        if read.confirmed and pin.digest == read.digest:
            _log.warning("the ledger had lost the pin of %s and has it again: %s", read.run, read.snapshot)
        return pin

    def _fail_static(self, question: Question, unavailable: StoreUnavailable) -> Pin:
        try:
            found = self._recalled(question) if question.follows else self._candidates.proposed(question)
        except StoreUnavailable:
            found = None
        if self._glass is not None and not question.follows:
            found = self._glass.pin_for(question) or found
        if found is None or self._resolver.known_barred(found.snapshot) or needs_ledger(question):
            raise undecided(question) from unavailable
        self._notes.remember(pin := replace(found, confirmed=False))
        return pin

    def _recalled(self, question: Question) -> Pin | None:
        # Only the nearest: it may have switched where this host did not see it, and then an earlier one misleads.
        nearest = next(iter(question.ancestry.runs), question.ancestry.group)
        held = None if nearest is None else self._notes.recall(nearest, question.scope)
        return None if held is None else self._as_own(question, held)
