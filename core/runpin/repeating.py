"""
Cleared runs: what a rerun uses is decided once for each clear, and all of its tasks agree.

An engine counts how often it cleared a run. The first task that reads configuration after a clear decides by
`rerunning.decide`, and writes the decision into a line of the ledger's reactions, which takes one for each number.
The pin moves to a new epoch if the decision names another Snapshot, and then the decision is closed. Whoever is killed
in between is made up for by the next task: it finds the decision open, and carries out that one. If the run is cleared
again before that, the decision is abandoned, and an epoch with the same Snapshot shuts out whoever is still at it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runpin.errors import Conflict, EpochConflict, RepinRefused, SnapshotQuarantined
from runpin.model import Asked, Pin, RunKey, Scope
from runpin.overrides import TAKEN, Override, before_once, command, lasts, stays, withdrawing
from runpin.reactions import Reaction, ReactionKey
from runpin.rerunning import Decision, Held, Rerun, RerunPolicy, Situation, Take, decide

if TYPE_CHECKING:
    from runpin.ports import Clock, Overrides, PinLedger, Reactions

_log = logging.getLogger("runpin.repeating")

_ABANDONED = "never carried out"
"""How the outcome of a decision begins whose run was cleared again before the pin moved."""

# Others decide at the same moment, and each of them can be overtaken once or twice; more is no accident.
_ATTEMPTS = 10

_EPOCH = re.compile(r"epoch (\d+)\Z")
"""Where the outcome of a decision says at which epoch the run was after it."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """
    A run that was cleared, and what it asks.

    Attributes:
        run: which one.
        scope: of which application.
        channel: what it follows.
        rerun: what the engine knows of the clear.
        barred: tells whether a pin is of a snapshot that is barred from new pins.
        candidate: returns the pin that a decision leads to, for those that need more than the run's own.
        named: whether what repeats the run, a backfill, came with a snapshot of its own.
        fresh: whether the run's pin was decided a moment ago, by the rules of its first read.
    """

    run: RunKey
    scope: Scope
    channel: str
    rerun: Rerun
    barred: Callable[[Pin], bool]
    candidate: Callable[[Take], Pin]
    named: bool = False
    fresh: bool = False


class Repeats:
    """Decides what cleared runs use."""

    def __init__(self, ledger: PinLedger, reactions: Reactions, overrides: Overrides, clock: Clock) -> None:
        self._ledger = ledger
        self._reactions = reactions
        self._overrides = overrides
        self._clock = clock

    def settle(self, cleared: Cleared) -> Pin:
        """
        Return the pin of a run that has one, after the decision of its newest clear.

        Raises:
            RepinRefused: the clear asks for what would give one run two snapshots, or for a name that nobody gave.
            SnapshotQuarantined: the snapshot that was named is barred from new pins.
            StoreUnavailable
        """
        key, number = _line_of(cleared), cleared.rerun.number
        for _ in range(_ATTEMPTS):
            # The pin before the line: whoever moves it, or abandons the line, meanwhile makes our own move fail.
            pin, line = self._on_record(cleared), self._reactions.newest(key)
            if line is not None and _behind(pin, line) and not self._is_dropped(cleared, pin, line):
                # The ledger has lost what it led to. If somebody has moved the pin meanwhile, this does nothing.
                self._moved(cleared, pin, line)
            elif line is None or line.revision < number:
                self._begin(cleared, key, line)
            elif line.revision > number or line.outcome is not None:
                # After the line: what it led to is on record by then.
                return self._on_record(cleared)
            elif (moved := self._moved(cleared, pin, line)) is not None:
                self._close(cleared, line, moved)
                return moved
        raise Conflict("the run's pin moved again and again while a rerun was decided", where=str(cleared.run))

    def waiting(self, run: RunKey, scope: Scope) -> Override | None:
        """Return the Override that waits for the run's next rerun or safe point."""
        newest = self._overrides.newest(run, scope)
        return newest if newest is not None and newest.outcome is None else None

    def stays(self, pin: Pin) -> bool:
        """Tell whether somebody named what the run has until further notice, though it had that before."""
        return stays(pin, self._overrides.newest(pin.run, pin.scope))

    def take(self, override: Override, where: str) -> None:
        """Record that *override* was taken at *where*."""
        self._overrides.end(override, f"{TAKEN} at {where}")

    def _is_dropped(self, cleared: Cleared, pin: Pin, line: Reaction) -> bool:
        """Tell whether nobody can carry out again what an earlier clear led to, so that the newest one goes on."""
        target = replace(pin, snapshot=line.snapshot, digest=line.digest)
        return line.revision < cleared.rerun.number and cleared.barred(target)

    def _on_record(self, cleared: Cleared) -> Pin:
        pin = self._ledger.get(cleared.run, cleared.scope)
        if pin is None:
            raise Conflict("the run's pin is gone from the ledger", where=str(cleared.run))
        return pin

    def _begin(self, cleared: Cleared, key: ReactionKey, before: Reaction | None) -> None:
        """Write down what the clear leads to, unless somebody else is faster or the pin moves meanwhile."""
        number = cleared.rerun.number
        if before is not None and before.outcome is None:
            before = self._reactions.end(before, f"{_ABANDONED}: cleared again, rerun {number} decides")
        # After the line before: whatever it led to shows in the pin.
        pin: Pin | None = self._on_record(cleared)
        if pin is not None and before is not None and (before.outcome or "").startswith(_ABANDONED):
            pin = self._fenced(pin)
        if pin is None:
            return
        target = self._target(cleared, pin)
        self._reactions.begin(
            Reaction(
                key=key,
                revision=number,
                snapshot=target.snapshot,
                digest=target.digest,
                since=pin.snapshot,
                at=self._clock.now(),
            )
        )

    def _fenced(self, pin: Pin) -> Pin | None:
        """Open an epoch that changes nothing, so that no move to the next one counts; None if somebody was faster."""
        try:
            return self._ledger.advance(replace(pin, at=self._clock.now(), epoch=pin.epoch + 1))
        except EpochConflict:
            return None

    def _target(self, cleared: Cleared, pin: Pin) -> Pin:
        newest, rerun = self._overrides.newest(cleared.run, cleared.scope), cleared.rerun
        waiting = newest if newest is not None and newest.outcome is None else None
        if cleared.fresh and waiting is None:
            return pin
        before = before_once(pin, newest)
        situation = Situation(
            event=rerun.event,
            policy=rerun.policy,
            backfill=rerun.backfill,
            own=Held.BARRED if cleared.barred(pin) else Held.GOOD,
            named=cleared.named or waiting is not None,
            chosen=lasts(pin, newest),
            whole=rerun.whole,
            partial=rerun.partial or (waiting is not None and waiting.partial),
        )
        decision = decide(situation)
        if decision.take is Take.REFUSE:
            raise _refused(cleared, decision, waiting)
        if decision.take is Take.OWN:
            _tell(cleared, pin, decision)
            return _let_in(cleared, pin, before if before is not None and situation.movable else pin)
        if waiting is None:
            return _let_in(cleared, pin, cleared.candidate(decision.take))
        return self._named(cleared, pin, waiting)

    def _named(self, cleared: Cleared, pin: Pin, waiting: Override) -> Pin:
        named = replace(pin, snapshot=waiting.snapshot, digest=waiting.digest)
        if cleared.barred(named):
            raise _barred(cleared, waiting)
        return named

    def _moved(self, cleared: Cleared, pin: Pin, line: Reaction) -> Pin | None:
        """Return the pin at the line's snapshot, moved there if need be; None if somebody else moved it meanwhile."""
        if pin.digest == line.digest:
            return pin
        target = replace(
            pin,
            snapshot=line.snapshot,
            digest=line.digest,
            at=self._clock.now(),
            epoch=pin.epoch + 1,
            revision=None,
            asked=self._asked(pin, line),
        )
        try:
            return self._ledger.advance(target)
        except EpochConflict:
            return None
        except SnapshotQuarantined as barred:
            # The decision stays open: who comes next shall not go on with what the run had, as if that were decided.
            raise _barred_meanwhile(cleared, line) from barred

    def _asked(self, pin: Pin, line: Reaction) -> Asked:
        newest = self._overrides.newest(pin.run, pin.scope)
        # Taken already: the ledger has lost what came of that.
        takes = {None, f"{TAKEN} at {_where(line)}"}
        if newest is not None and newest.outcome in takes and newest.digest == line.digest:
            return Asked.OVERRIDE
        before = before_once(pin, newest)
        return before.asked if before is not None and before.digest == line.digest else Asked.CHANNEL

    def _close(self, cleared: Cleared, line: Reaction, pin: Pin) -> None:
        where = _where(line)
        waiting = self.waiting(cleared.run, cleared.scope)
        if waiting is not None and waiting.digest == line.digest:
            self.take(waiting, where)
        self._reactions.end(line, f"{where} uses {pin.snapshot}, epoch {pin.epoch}")


def _line_of(cleared: Cleared) -> ReactionKey:
    run = cleared.run
    return ReactionKey(run.engine, run.deployment, f"rerun:{run.digest}", cleared.scope, cleared.channel)


def _where(line: Reaction) -> str:
    return f"rerun {line.revision}"


def _behind(pin: Pin, line: Reaction) -> bool:
    """Tell whether the ledger has lost what a decision led to: the pin is from before it, and of another Snapshot."""
    at = _EPOCH.search(line.outcome or "")
    return at is not None and pin.epoch < int(at[1]) and pin.digest != line.digest


def _let_in(cleared: Cleared, pin: Pin, target: Pin) -> Pin:
    # Before the decision is written down: a later try would take it for done, and go on with what the run has.
    if target.digest == pin.digest or not cleared.barred(target):
        return target
    raise SnapshotQuarantined(
        f"rerun {cleared.rerun.number} of this run would use {target.snapshot}, barred from new pins now",
        where=str(cleared.run),
        fix=f"name another one: `{_naming(cleared.run)}`",
    )


def _tell(cleared: Cleared, pin: Pin, decision: Decision) -> None:
    # Who wanted another snapshot shall see why there is none; a rerun that keeps its own is what everybody expects.
    if cleared.rerun.policy is not RerunPolicy.KEEP:
        _log.warning("%s keeps %s at rerun %d: %s", cleared.run, pin.snapshot, cleared.rerun.number, decision.why)


def _barred_meanwhile(cleared: Cleared, line: Reaction) -> SnapshotQuarantined:
    return SnapshotQuarantined(
        f"rerun {line.revision} of this run is to use {line.snapshot}, which was barred from new pins meanwhile",
        where=str(cleared.run),
        fix="clear the run again, which decides anew; or let that snapshot in again: `runpin quarantine lift`",
    )


def _naming(run: RunKey) -> str:
    return command(run, "--snapshot", "ID", "--reason", "TEXT")


def _refused(cleared: Cleared, decision: Decision, waiting: Override | None) -> RepinRefused:
    run = cleared.run
    if waiting is None:
        return RepinRefused(
            f"nothing says what rerun {cleared.rerun.number} of this run shall use: {decision.why}",
            where=str(run),
            fix=f"name it: `{_naming(run)}`, then clear the run again",
        )
    again = command(run, "--snapshot", str(waiting.snapshot), "--reason", waiting.reason, "--partial")
    return RepinRefused(
        f"this rerun does not take {waiting.snapshot}, which {waiting.actor} named: {decision.why}",
        where=str(run),
        fix=f"clear the whole run, or accept two snapshots in one run: `{again}`, "
        f"or take it back: `{withdrawing(run, cleared.scope)}`",
    )


def _barred(cleared: Cleared, waiting: Override) -> SnapshotQuarantined:
    return SnapshotQuarantined(
        f"{waiting.snapshot}, which {waiting.actor} named for this rerun, is barred from new pins now",
        where=str(cleared.run),
        fix=f"name another one, or take it back: `{withdrawing(cleared.run, cleared.scope)}`",
    )
