"""What a run asks the pin protocol, and the errors that answer it when nobody can decide."""

from __future__ import annotations

from dataclasses import dataclass, field

from runpin.ancestry import ALONE, Ancestry
from runpin.errors import ConfigUnavailable, PinConflict, RepinRefused, SnapshotQuarantined, UnknownSnapshot
from runpin.model import STABLE, Asked, Behavior, Pin, RunKey, Scope, SnapshotId
from runpin.proposing import Proposal
from runpin.rerunning import FIRST, BackfillPolicy, Decision, Event, Held, Rerun, RerunPolicy, Situation


@dataclass(frozen=True, slots=True)
class Question:
    """
    What is asked for, and all that the run brings along.

    Attributes:
        run: who asks.
        scope: for the configuration of which application, environment and tenant.
        proposal: the snapshots that were suggested to it.
        channel: what it follows.
        ancestry: whom it has to agree with.
        behavior: whether it may switch at safe points.
        rerun: how it came to be.
    """

    run: RunKey
    scope: Scope
    proposal: Proposal = field(default_factory=Proposal)
    channel: str = STABLE
    ancestry: Ancestry = ALONE
    behavior: Behavior = Behavior.PINNED
    rerun: Rerun = FIRST

    @property
    def named(self) -> bool:
        """Whether whoever started the run chose its snapshot."""
        return self.asked is Asked.OVERRIDE

    @property
    def asked(self) -> Asked | None:
        """Who suggests a snapshot, None if nobody does."""
        application = self.scope.application
        return self.proposal.asked(application) if application in self.proposal.pins else None

    @property
    def follows(self) -> bool:
        """Whether other runs come before the proposal; an Override comes before other runs."""
        return bool(self.ancestry) and not self.named

    @property
    def is_anew(self) -> bool:
        """
        Whether the run's newest clear has it decided anew, whatever it read before.

        That is so for all of a run, and for a part of one whose job accepts two snapshots.
        """
        rerun = self.rerun
        if not (rerun.whole or rerun.partial):
            return False
        if rerun.event is Event.BACKFILL:
            return rerun.backfill is not BackfillPolicy.ORIGINAL
        return rerun.policy is RerunPolicy.LATEST

    @property
    def event(self) -> Event:
        """What happened to the run; who has ancestors repeats them, whatever its engine calls that."""
        if self.rerun.event is not Event.START:
            return self.rerun.event
        if self.ancestry:
            return Event.REEXECUTE if self.ancestry.runs else Event.BACKFILL
        return Event.CHILD if self.asked is Asked.PARENT else Event.START


def situation_of(question: Question, earlier: Pin | None, *, barred: bool) -> Situation:
    """
    Return the situation of a run that has no pin.

    Args:
        question: what it asks.
        earlier: the pin of the run that it repeats.
        barred: whether that one's snapshot is barred from new pins.
    """
    rerun = question.rerun
    return Situation(
        event=question.event,
        policy=rerun.policy,
        backfill=rerun.backfill,
        earlier=Held.NONE if earlier is None else Held.BARRED if barred else Held.GOOD,
        parent=Held.GOOD if question.asked is Asked.PARENT else Held.NONE,
        named=question.named,
        whole=rerun.whole,
        partial=rerun.partial,
    )


def barred_before(question: Question, followed: Pin) -> SnapshotQuarantined:
    """Return the error of a run that has to agree with one whose snapshot is barred from new pins now."""
    how = "belongs to" if followed.run == question.ancestry.group else "repeats"
    return SnapshotQuarantined(
        f"{followed.run.run_id}, which this run {how}, uses {followed.snapshot}, barred from new pins now",
        where=str(question.run),
        fix="launch a new run, or repeat all steps with an Override that names another snapshot",
    )


def nothing_live(question: Question) -> SnapshotQuarantined:
    """Return the error of a run whose channel points at a snapshot that is barred from new pins."""
    scope = question.scope
    return SnapshotQuarantined(
        f"channel {question.channel!r} of {scope} points at a snapshot that is barred from new pins",
        fix=f"move it: `runpin rollback {scope.application} --environment {scope.environment}`",
    )


def undecided(question: Question) -> ConfigUnavailable:
    """Return the error of a run that has to wait for the ledger."""
    return ConfigUnavailable(
        f"no snapshot of {question.scope} can be decided for this run: the ledger does not answer",
        where=str(question.run),
        fix="let the engine retry the task; `runpin doctor` says which backend is away",
    )


def agree(decided: Pin, known: Pin | None) -> None:
    """
    Check that the ledger says what was read on this host, while it was away or on record.

    Raises:
        PinConflict: it does not.
    """
    if known is not None and (contradicts(decided, known) or not known.confirmed) and known.digest != decided.digest:
        raise disagreed(known, f"the ledger says {decided.snapshot}")


def contradicts(decided: Pin | None, known: Pin | None) -> bool:
    """Tell whether the ledger does not say any more what it said: an epoch never changes, and none is taken back."""
    if decided is None or known is None or not known.confirmed:
        return False
    return decided.epoch <= known.epoch and decided.digest != known.digest


def needs_ledger(question: Question) -> bool:
    """Tell whether what this host knows is no answer, because the run is to have something else."""
    rerun = question.rerun
    if question.named:
        return False
    return rerun.policy is not RerunPolicy.KEEP or rerun.backfill is not BackfillPolicy.LATEST


def refused(question: Question, decision: Decision) -> RepinRefused:
    """Return the error of a run for which a person has to choose."""
    return RepinRefused(
        f"nothing says which snapshot of {question.scope} this run shall use: {decision.why}",
        where=str(question.run),
        fix="start it with one: the key 'runpin' of the run's conf in Airflow, the tag 'runpin.override' in Dagster",
    )


def two_live(question: Question, first: SnapshotId, other: SnapshotId) -> RepinRefused:
    """Return the error of a run of several dates at which not the same snapshot was live."""
    return RepinRefused(
        f"its backfill wants what was live at each date, and between those that this run makes the channel moved from "
        f"{first} to {other}",
        where=str(question.run),
        fix="let each run make one of them, choose `latest`, or name a snapshot",
    )


def conflict(run: RunKey, read: SnapshotId, why: str, *, on_record: bool = False) -> PinConflict:
    """Return the error of a run that *read* something else while the ledger was away, or had it *on_record*."""
    when = "as the ledger said, which has lost that" if on_record else "while the ledger was away"
    return PinConflict(
        f"this run read {read} {when}, but {why}",
        where=str(run),
        fix="trigger the run anew: some of its tasks have read another snapshot than the rest would",
    )


def disagreed(read: Pin, why: str) -> PinConflict:
    """Return the same of a run whose pin this host has *read*."""
    return conflict(read.run, read.snapshot, why, on_record=read.confirmed)


def foreign(snapshot: SnapshotId, scope: Scope) -> UnknownSnapshot:
    """Return the error of a run that was started with a snapshot of another scope."""
    return UnknownSnapshot(
        f"{snapshot} is not a snapshot of {scope}",
        where="the run's parameters, key 'runpin'",
        fix=f"choose one that `runpin history {scope.application} --environment {scope.environment}` lists",
    )
