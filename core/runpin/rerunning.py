"""
What a run uses when something happens to it: one pure function, and the words it is asked in.

    decision = decide(Situation(event=Event.CLEAR, policy=RerunPolicy.LATEST, own=Held.GOOD, whole=False))
    decision.take  # Take.OWN: the rest of the run keeps its Snapshot, so the cleared tasks do too

Engines translate what happened into a `Rerun`; `runpin.pinning` and `runpin.repeating` carry out what is decided. The
table that a test holds against this function is in `docs/reference/reruns.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from runpin.errors import InvalidProposal

Word = TypeVar("Word", bound=StrEnum)


class Event(StrEnum):
    """What happens to a run, in the words of neither engine."""

    START = "start"
    """A schedule or a person starts it."""
    RETRY = "retry"
    """A task of it is tried again, mapped, deferred or resumed."""
    CLEAR = "clear"
    """Somebody lets all or some of its tasks run again, under the same id (Airflow)."""
    REEXECUTE = "reexecute"
    """Somebody starts a new run that repeats it (Dagster)."""
    RUN_RETRY = "run_retry"
    """The engine itself starts a new run that repeats it."""
    BACKFILL = "backfill"
    """It is one of many that were asked for at once."""
    CHILD = "child"
    """Another run started it, and handed its pins on."""
    ASSET = "asset"
    """What other runs produced started it."""
    SAFE_POINT = "safe_point"
    """It declares that it may change its configuration here."""


class RerunPolicy(StrEnum):
    """What a job, or a deployment, wants of runs that are repeated."""

    KEEP = "keep"
    """What it had, unless somebody names another Snapshot."""
    LATEST = "latest"
    """What a new run would get, unless only a part of it is repeated."""
    NAMED = "named"
    """What somebody names, and nothing before that."""


class BackfillPolicy(StrEnum):
    """Which Snapshot the runs of a backfill use; never one that is only being rolled out."""

    LATEST = "latest"
    """Where the channel stands when the first of them reads; all use that one."""
    NAMED = "named"
    """What somebody names."""
    ORIGINAL = "original"
    """What the partition's earlier run used; where there was none, as `latest`."""
    AS_OF = "as_of"
    """Where the channel stood at each run's logical date, or at all of its dates."""


class Held(StrEnum):
    """A pin that may be there, and may be barred from new pins by now."""

    NONE = "none"
    GOOD = "good"
    BARRED = "barred"


class Take(StrEnum):
    """Where the Snapshot comes from."""

    OWN = "own"
    """The run keeps what it has."""
    EARLIER = "earlier"
    """What the run has that this one repeats."""
    PARENT = "parent"
    """What the run has that started this one."""
    GROUP = "group"
    """What its backfill has, which the first run of it decides from the channel's present Snapshot."""
    MOMENT = "moment"
    """Where the channel stood at the run's logical date."""
    ROUTE = "route"
    """Where the channel sends new runs."""
    STABLE = "stable"
    """Where the channel stands, whatever is being rolled out."""
    NAMED = "named"
    """What somebody named."""
    REFUSE = "refuse"
    """Nothing: a person has to choose."""


@dataclass(frozen=True, slots=True)
class Situation:
    """
    Everything that a decision depends on.

    Attributes:
        event: what happens.
        policy: what the job wants of repeated runs.
        backfill: what the backfill wants, if it is one.
        own: the pin that the run has.
        earlier: the pin of the run that this one repeats.
        parent: the pin that was handed on.
        named: whether somebody named a Snapshot for this: an Override that waits, or one that came with the start.
        chosen: whether the run's own pin was named by somebody.
        whole: whether all of the run is repeated; a part of it would leave one run with two configurations.
        partial: whether somebody explicitly accepts that.
    """

    event: Event
    policy: RerunPolicy = RerunPolicy.KEEP
    backfill: BackfillPolicy = BackfillPolicy.LATEST
    own: Held = Held.NONE
    earlier: Held = Held.NONE
    parent: Held = Held.NONE
    named: bool = False
    chosen: bool = False
    whole: bool = True
    partial: bool = False

    @property
    def movable(self) -> bool:
        """Whether the run may get another Snapshot without ending up with two."""
        return self.whole or self.partial


@dataclass(frozen=True, slots=True)
class Decision:
    """Where the Snapshot comes from, and why, as a clause for people: "it keeps its pin: `why`"."""

    take: Take
    why: str


@dataclass(frozen=True, slots=True)
class Rerun:
    """
    What an engine knows about how a run came to be.

    Attributes:
        event: what happened to it.
        policy: what its job wants of repeated runs.
        backfill: what its backfill wants.
        number: how often it was cleared; each clear is decided once.
        whole: whether all of it is repeated.
        partial: whether the job accepts one run with two configurations.
        dates: returns the logical dates of the first and the last thing that it makes, aware; asked for `as_of` only.
    """

    event: Event = Event.START
    policy: RerunPolicy = RerunPolicy.KEEP
    backfill: BackfillPolicy = BackfillPolicy.LATEST
    number: int = 0
    whole: bool = True
    partial: bool = False
    dates: Callable[[], tuple[datetime, datetime]] | None = None


FIRST = Rerun()
"""A run that repeats nothing."""


def decide(situation: Situation) -> Decision:
    """Return what a run uses in *situation*; nothing but the situation counts."""
    return _RULES[situation.event](situation)


def read_policy(word: str) -> RerunPolicy:
    """
    Return the policy that a job declares as text; none is `keep`.

    Raises:
        InvalidProposal: there is no such policy.
    """
    return _read(RerunPolicy, word or RerunPolicy.KEEP, "a policy for repeated runs")


def read_backfill(word: str) -> BackfillPolicy:
    """
    Return the policy that a backfill declares as text; none is `latest`.

    Raises:
        InvalidProposal: there is no such policy.
    """
    return _read(BackfillPolicy, word or BackfillPolicy.LATEST, "a policy for backfills")


def read_parts(word: str, where: str, how: str = "write allow") -> bool:
    """
    Tell whether a declaration lets a part of a run use another snapshot than the rest; none does not.

    Args:
        word: what is declared.
        where: where that stands, for people.
        how: what to do so that it does, for people.

    Raises:
        InvalidProposal: *word* says something else than `allow`.
    """
    if word not in {"", "allow"}:
        raise InvalidProposal(
            f"{word[:40]!r} says nothing about repeating a part of a run",
            where=where,
            fix=f"{how}, or leave the tag out",
        )
    return word == "allow"


def _start(now: Situation) -> Decision:
    if now.own is not Held.NONE:
        return Decision(Take.OWN, "it has one")
    return _named(now) or Decision(Take.ROUTE, "it is a new run")


def _retry(now: Situation) -> Decision:
    # However often a task is tried, its run is the same one.
    return _start(now)


def _clear(now: Situation) -> Decision:
    if now.own is Held.NONE:
        return _start(now)
    if now.named:
        if now.movable:
            return Decision(Take.NAMED, "somebody named another snapshot for this rerun")
        return Decision(Take.REFUSE, _PARTIAL)
    if now.policy is RerunPolicy.NAMED:
        return Decision(Take.REFUSE, _NAMELESS)
    return _kept(now) or Decision(Take.ROUTE, "its job wants reruns to use the latest")


def _kept(now: Situation) -> Decision | None:
    if now.chosen:
        return Decision(Take.OWN, _CHOSEN)
    if now.policy is RerunPolicy.KEEP:
        return Decision(Take.OWN, "a rerun keeps its snapshot")
    return None if now.movable else Decision(Take.OWN, _PARTIAL)


def _reexecute(now: Situation) -> Decision:
    if now.own is not Held.NONE or now.named or now.earlier is Held.NONE:
        return _start(now)
    if now.policy is RerunPolicy.NAMED:
        return Decision(Take.REFUSE, _NAMELESS)
    if now.policy is RerunPolicy.LATEST and now.movable:
        return Decision(Take.ROUTE, "its job wants reruns to use the latest")
    if now.earlier is Held.BARRED:
        return Decision(Take.REFUSE, "the run that it repeats uses a snapshot that is barred from new pins now")
    return Decision(Take.EARLIER, "it repeats another run")


def _run_retry(now: Situation) -> Decision:
    if now.own is not Held.NONE or now.named or now.earlier is Held.NONE:
        return _start(now)
    if now.earlier is Held.GOOD:
        return Decision(Take.EARLIER, "it repeats another run")
    if now.movable:
        return Decision(Take.STABLE, "the run that it repeats uses a snapshot that is barred from new pins now")
    return Decision(Take.REFUSE, "it repeats only a part of a run whose snapshot is barred from new pins now")


def _backfill(now: Situation) -> Decision:
    if now.named:
        if now.movable:
            return Decision(Take.NAMED, "somebody named the snapshot of the backfill")
        return Decision(Take.REFUSE, _PARTIAL)
    if now.backfill is BackfillPolicy.NAMED:
        return Decision(Take.REFUSE, "the backfill wants a snapshot to be named")
    return _original(now) or _anew(now)


def _original(now: Situation) -> Decision | None:
    if now.own is not Held.NONE and not now.movable:
        return Decision(Take.OWN, _PARTIAL)
    if now.backfill is not BackfillPolicy.ORIGINAL or now.own is now.earlier is Held.NONE:
        return None
    take = Take.EARLIER if now.own is Held.NONE else Take.OWN
    return Decision(take, "the backfill wants what each partition used originally")


def _anew(now: Situation) -> Decision:
    if now.backfill is BackfillPolicy.AS_OF:
        return Decision(Take.MOMENT, "the backfill wants what was live at each run's logical date")
    return Decision(Take.GROUP, "all runs of a backfill use one snapshot")


def _child(now: Situation) -> Decision:
    if now.own is Held.NONE and not now.named and now.parent is Held.GOOD:
        return Decision(Take.PARENT, "it was started by another run")
    return _start(now)


def _safe_point(now: Situation) -> Decision:
    if now.named:
        return Decision(Take.NAMED, "somebody named another snapshot")
    if now.chosen:
        return Decision(Take.OWN, _CHOSEN)
    return Decision(Take.ROUTE, "it declared a safe point")


def _named(now: Situation) -> Decision | None:
    return Decision(Take.NAMED, "somebody named it") if now.named else None


def _read(kind: type[Word], word: str, what: str) -> Word:
    try:
        return kind(word)
    except ValueError:
        raise InvalidProposal(
            f"{word[:40]!r} is not {what}",
            where="what the job or the run declares",
            fix=f"declare {', '.join(kind)}, or nothing",
        ) from None


_PARTIAL = "only a part of the run is repeated, and it must not end up with two snapshots"
_NAMELESS = "its job wants a snapshot to be named for each rerun"
_CHOSEN = "somebody named its snapshot, and that stays"

_RULES: Mapping[Event, Callable[[Situation], Decision]] = {
    Event.START: _start,
    Event.RETRY: _retry,
    Event.CLEAR: _clear,
    Event.REEXECUTE: _reexecute,
    Event.RUN_RETRY: _run_retry,
    Event.BACKFILL: _backfill,
    Event.CHILD: _child,
    Event.ASSET: _start,
    Event.SAFE_POINT: _safe_point,
}
