"""
The pin protocol: one run, one Snapshot.

Decide: the first read asks the ledger, set-if-absent. The candidate is the run's Override; else what the run that it
repeats, or its group, has; else its proposal unless that is quarantined; else where the channel stands now.
The ledger's answer is the pin.
Repeat: every later read, in any process, gets the same answer.
Switch: only `switch`, called at a declared safe point, opens a new epoch.
Fail static: when the ledger does not answer, what this host knows about the run is used, or the proposal, marked as
unconfirmed; with neither there is an error that can be retried, never a guess. Once the ledger answers again, what was
read has to agree with it, and with the run that this one repeats. A ledger that takes its time is waited for, but not
by a run whose pin this host has seen on record.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runpin.ancestry import ALONE, Ancestry
from runpin.circuit import Circuit
from runpin.errors import (
    ConfigUnavailable,
    EpochConflict,
    PinConflict,
    SnapshotQuarantined,
    StoreError,
    StoreUnavailable,
    UnknownSnapshot,
)
from runpin.model import STABLE, Asked, Behavior, Pin, RunKey, Scope, SnapshotId
from runpin.remembering import PinNotes

if TYPE_CHECKING:
    from runpin.ports import Cache, Clock, PinLedger, Quarantine
    from runpin.proposing import Proposal
    from runpin.resolving import Resolver

_log = logging.getLogger("runpin.pinning")

# A channel that moves between our reading it and our pinning is normal; one that does so this often is not.
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked for, and all that the run brings along."""

    run: RunKey
    scope: Scope
    proposal: Proposal
    channel: str
    ancestry: Ancestry

    @property
    def follows(self) -> bool:
        """Whether other runs come before the proposal; an Override comes before other runs."""
        application = self.scope.application
        chosen = application in self.proposal.pins and self.proposal.asked(application) is Asked.OVERRIDE
        return bool(self.ancestry) and not chosen


class Pinner:
    """Decides pins, repeats them, and switches them at safe points."""

    def __init__(
        self,
        ledger: PinLedger,
        quarantine: Quarantine,
        resolver: Resolver,
        cache: Cache,
        clock: Clock,
        *,
        circuit: Circuit | None = None,
    ) -> None:
        self._ledger = ledger
        self._quarantine = quarantine
        self._resolver = resolver
        self._notes = PinNotes(cache)
        self._clock = clock
        self._circuit = circuit or Circuit(clock, "the ledger", local=True)

    def pin(
        self,
        run: RunKey,
        scope: Scope,
        proposal: Proposal,
        channel: str = STABLE,
        ancestry: Ancestry = ALONE,
        behavior: Behavior = Behavior.PINNED,
    ) -> Pin:
        """
        Return the run's pin, deciding it on the first call only.

        A `PINNED` run whose pin this host has seen on record waits for no ledger that takes its time; an `AUTO_UPGRADE`
        one may have switched elsewhere, so it goes on from what this host has seen only if the ledger is known to be
        away.

        Raises:
            UnknownChannel: nothing was published for *scope* yet.
            SnapshotQuarantined: an Override names a snapshot that is barred, or the run that this one repeats has one.
            UnknownSnapshot: an Override names a snapshot that does not exist, or one of another scope.
            PinConflict: the run, or the one that it repeats, read one snapshot while the ledger was away, and the
                ledger says another.
            ConfigUnavailable: the ledger does not answer and nothing is known about the run.
        """
        known = self._notes.recall(run, scope)
        question = _Question(run, scope, proposal, channel, ancestry)
        try:
            pin = self._on_record(run, scope, known, behavior)
            unconfirmed = self._unconfirmed(known)
            if pin is None:
                pin = self._decide(question) if unconfirmed is None else self._confirm(question, unconfirmed)
            _agree(pin, unconfirmed)
        except StoreUnavailable as unavailable:
            return known or self._fail_static(question, unavailable)
        except StoreError as lying:
            if known is None or not known.confirmed:
                raise
            _log.warning("%s goes on with the pin that this host has seen on record, for: %s", run, lying.what)
            return known
        if pin != known:
            self._notes.remember(pin)
        return pin

    def switch(self, pin: Pin) -> Pin:
        """
        Move a run to where its channel stands now, and return its pin after that.

        Nothing changes when the channel did not move on, when its snapshot is barred, when the store does not
        answer, when somebody chose the run's snapshot by name, or while the pin is unconfirmed: there is nothing on
        record yet that an epoch could follow. Two processes of one run that switch at once get the same answer.
        """
        if pin.asked is Asked.OVERRIDE or not pin.confirmed:
            return pin
        try:
            now = self._resolver.present(pin.scope, pin.channel, patient=False)
            if now.digest == pin.digest or now.revision <= (pin.revision or 0):
                return pin
            target = replace(
                pin,
                snapshot=now.snapshot,
                digest=now.digest,
                at=self._clock.now(),
                epoch=pin.epoch + 1,
                revision=now.revision,
                asked=Asked.SAFE_POINT,
            )
            switched = self._advance(target)
        except (StoreUnavailable, SnapshotQuarantined):
            return pin
        self._notes.remember(switched)
        return switched

    def _on_record(
        self, run: RunKey, scope: Scope, known: Pin | None = None, behavior: Behavior = Behavior.PINNED
    ) -> Pin | None:
        if known is None:
            return self._circuit.insist(self._ledger.get, run, scope)
        # What was on record stays there, so the note of it is as good as an answer, but for later epochs.
        as_good = known.confirmed and behavior is Behavior.PINNED
        ask = self._circuit.hurry if as_good else self._circuit.ask
        return ask(self._ledger.get, run, scope)

    def _note_barred(self, environment: str) -> None:
        # For the day the ledger is away: then this host has to know by itself what is barred.
        self._resolver.note_barred(environment, self._circuit.insist(self._quarantine.barred, environment))

    def _decide(self, question: _Question) -> Pin:
        self._note_barred(question.scope.environment)
        followed = self._followed(question) if question.follows else None
        return self._decide_alone(question) if followed is None else self._follow(question, followed)

    def _decide_alone(self, question: _Question) -> Pin:
        scope, channel = question.scope, question.channel
        candidate = self._proposed(question)
        for _ in range(_ATTEMPTS):
            if candidate is None:
                candidate = self._from_channel(question)
            try:
                return self._circuit.insist(self._ledger.put_if_absent, candidate)
            except SnapshotQuarantined:
                if candidate.asked is Asked.OVERRIDE:
                    raise
                candidate = None
        raise SnapshotQuarantined(
            f"channel {channel!r} of {scope} points at a snapshot that is barred from new pins",
            fix=f"move it: `runpin rollback {scope.application} --environment {scope.environment}`",
        )

    def _followed(self, question: _Question) -> Pin | None:
        runs, group = question.ancestry.runs, question.ancestry.group
        for place, earlier in enumerate(runs):
            beyond = replace(question, run=earlier, ancestry=Ancestry(runs[place + 1 :]))
            held = self._on_record(earlier, question.scope) or self._caught_up(beyond)
            if held is not None:
                return held
        if group is None:
            return None
        held = self._on_record(group, question.scope) or self._decide_alone(replace(question, run=group))
        # No process is the group, so nobody else would write down for the next member what this host knows of it.
        self._notes.remember(held)
        return held

    def _caught_up(self, question: _Question) -> Pin | None:
        # It read while the ledger was away, and nobody asked for it since: its own next read would do the same.
        unconfirmed = self._unconfirmed(self._notes.recall(question.run, question.scope))
        return None if unconfirmed is None else self._confirm(question, unconfirmed)

    def _follow(self, question: _Question, followed: Pin) -> Pin:
        try:
            return self._circuit.insist(self._ledger.put_if_absent, self._as_own(question, followed))
        except SnapshotQuarantined as barred:
            # Another snapshot would give one piece of work two configurations, so a person has to choose.
            how = "belongs to" if followed.run == question.ancestry.group else "repeats"
            raise SnapshotQuarantined(
                f"{followed.run.run_id}, which this run {how}, uses {followed.snapshot}, barred from new pins now",
                where=str(question.run),
                fix="launch a new run, or repeat all steps with an Override that names another snapshot",
            ) from barred

    def _as_own(self, question: _Question, followed: Pin) -> Pin:
        asked = Asked.OVERRIDE if followed.asked is Asked.OVERRIDE else Asked.PARENT
        return replace(followed, run=question.run, at=self._clock.now(), epoch=0, asked=asked, confirmed=True)

    def _confirm(self, question: _Question, unconfirmed: Pin) -> Pin:
        self._note_barred(unconfirmed.scope.environment)
        followed = self._followed(question) if unconfirmed.asked is Asked.PARENT else None
        if followed is not None and followed.digest != unconfirmed.digest:
            # It switched, or decided, where this host did not see it.
            raise _conflict(unconfirmed, f"{followed.run.run_id}, which it follows, uses {followed.snapshot}")
        try:
            return self._circuit.insist(self._ledger.put_if_absent, replace(unconfirmed, confirmed=True))
        except SnapshotQuarantined as barred:
            raise _conflict(unconfirmed, "it is barred from new pins now") from barred

    def _proposed(self, question: _Question) -> Pin | None:
        scope = question.scope
        snapshot = question.proposal.pins.get(scope.application)
        if snapshot is None:
            return None
        asked = question.proposal.asked(scope.application)
        if snapshot.environment != scope.environment:
            if asked is Asked.OVERRIDE:
                raise _foreign(snapshot, scope)
            return None
        try:
            digest = self._resolver.find(snapshot)
        except UnknownSnapshot:
            if asked is Asked.PROPOSAL:
                return None
            raise
        if self._resolver.snapshot(digest, snapshot.sequence).scope != scope:
            if asked is Asked.OVERRIDE:
                raise _foreign(snapshot, scope)
            return None
        return Pin(question.run, scope, snapshot, digest, self._clock.now(), channel=question.channel, asked=asked)

    def _from_channel(self, question: _Question) -> Pin:
        scope, channel = question.scope, question.channel
        found, at = self._resolver.present(scope, channel), self._clock.now()
        return Pin(question.run, scope, found.snapshot, found.digest, at, channel=channel, revision=found.revision)

    def _advance(self, target: Pin) -> Pin:
        try:
            return self._circuit.insist(self._ledger.advance, target)
        except EpochConflict:
            held = self._on_record(target.run, target.scope)
            if held is None:
                raise
            return held

    def _fail_static(self, question: _Question, unavailable: StoreUnavailable) -> Pin:
        try:
            found = self._recalled(question) if question.follows else self._proposed(question)
        except StoreUnavailable:
            found = None
        if found is None or self._resolver.known_barred(found.snapshot):
            raise ConfigUnavailable(
                f"no snapshot of {question.scope} can be decided for this run: the ledger does not answer",
                where=str(question.run),
                fix="let the engine retry the task; `runpin doctor` says which backend is away",
            ) from unavailable
        pin = replace(found, confirmed=False)
        self._notes.remember(pin)
        return pin

    def _unconfirmed(self, known: Pin | None) -> Pin | None:
        return known if known is not None and not known.confirmed else None

    def _recalled(self, question: _Question) -> Pin | None:
        # Only the nearest: it may have switched where this host did not see it, and then an earlier one misleads.
        nearest = question.ancestry.runs[0] if question.ancestry.runs else question.ancestry.group
        held = None if nearest is None else self._notes.recall(nearest, question.scope)
        return None if held is None else self._as_own(question, held)


def _agree(decided: Pin, unconfirmed: Pin | None) -> None:
    if unconfirmed is not None and unconfirmed.digest != decided.digest:
        raise _conflict(unconfirmed, f"the ledger says {decided.snapshot}")


def _conflict(unconfirmed: Pin, why: str) -> PinConflict:
    return PinConflict(
        f"this run read {unconfirmed.snapshot} while the ledger was away, but {why}",
        where=str(unconfirmed.run),
        fix="trigger the run anew: some of its tasks have read another snapshot than the rest would",
    )


def _foreign(snapshot: SnapshotId, scope: Scope) -> UnknownSnapshot:
    return UnknownSnapshot(
        f"{snapshot} is not a snapshot of {scope}",
        where="the run's parameters, key 'runpin'",
        fix=f"choose one that `runpin history {scope.application} --environment {scope.environment}` lists",
    )
