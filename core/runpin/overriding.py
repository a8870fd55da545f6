"""
Naming the Snapshot that a run shall use from its next rerun or safe point on, and taking that back.

    pin = overriding.pin_of("scheduled__2026-03-01", "payments", "prod")
    overriding.name_for(Wish(pin, snapshot, OverrideKind.PINNED, "ada", "to repair March"))

Nothing changes for tasks that are under way; `runpin.repeating` and `runpin.switching` take what waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.errors import Conflict, NotFound, SnapshotQuarantined, UnknownSnapshot
from runpin.overrides import Override, OverrideKind, before_once, lasts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpin.model import Pin, RunKey, Scope, SnapshotId
    from runpin.ports import Clock, Overrides, Quarantine, RunSearch, SnapshotStore

WITHDRAWN = "withdrawn"
"""How the outcome of an Override begins that nobody wants any more."""


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What somebody wants of one run.

    Attributes:
        pin: what the run has.
        snapshot: what it shall use.
        kind: how long that lasts.
        actor: who wants it.
        reason: why.
        partial: whether it may be taken when only some tasks run again.
    """

    pin: Pin
    snapshot: SnapshotId
    kind: OverrideKind
    actor: str
    reason: str
    partial: bool = False


class Overriding:
    """Records wishes, after checking that they can come true."""

    def __init__(
        self, runs: RunSearch, store: SnapshotStore, quarantine: Quarantine, overrides: Overrides, clock: Clock
    ) -> None:
        self._runs = runs
        self._store = store
        self._quarantine = quarantine
        self._overrides = overrides
        self._clock = clock

    def pin_of(
        self, run_id: str, application: str, environment: str, *, job: str | None = None, deployment: str | None = None
    ) -> Pin:
        """
        Return the newest pin of *application* and *environment* that the run has which goes by *run_id*.

        Args:
            run_id: as its engine shows it.
            application: whose.
            environment: likewise.
            job: of which DAG or job; any by default.
            deployment: of which deployment of an engine; any by default.

        Raises:
            NotFound: no such run has read anything of the application yet.
            Conflict: several have.
            StoreUnavailable
        """
        everywhere = self._of(run_id, job, application, environment)
        found = [pin for pin in everywhere if deployment in {None, pin.run.deployment}]
        # Of a run that was deleted and created again, the newer one is meant.
        places = {(pin.run.engine, pin.run.deployment, pin.run.job): pin.run for pin in found}
        if not places:
            raise _elsewhere(run_id, everywhere) if everywhere else _unread(run_id, application, environment)
        if len(places) > 1:
            raise _ambiguous(run_id, sorted(places))
        (run,) = places.values()
        return max((pin for pin in found if pin.run == run), key=lambda pin: pin.epoch)

    def name_for(self, wish: Wish) -> Override:
        """
        Record what somebody wants, and return it; a wish that waited is replaced.

        Raises:
            UnknownSnapshot: there is no such snapshot, or it is one of another scope.
            SnapshotQuarantined: it is barred from new pins.
            Conflict: no reason is given, or the run uses the snapshot already, or somebody else was faster.
            StoreUnavailable
        """
        pin = wish.pin
        found = self._store.find(wish.snapshot)
        if found.scope != pin.scope:
            raise UnknownSnapshot(
                f"{wish.snapshot} is a snapshot of {found.scope}, and the run reads {pin.scope}", where=str(pin.run)
            )
        self._may_be_used(wish, found.digest == pin.digest)
        newest = self._overrides.newest(pin.run, pin.scope)
        # What was for one rerun only is nothing to go back to.
        before = before_once(pin, newest) or pin
        return self._overrides.record(
            Override(
                run=pin.run,
                scope=pin.scope,
                number=1 if newest is None else newest.number + 1,
                snapshot=found.id,
                digest=found.digest,
                since=before.snapshot,
                since_digest=before.digest,
                since_named=lasts(pin, newest),
                kind=wish.kind,
                actor=wish.actor,
                reason=wish.reason,
                at=self._clock.now(),
                partial=wish.partial,
            )
        )

    def newest(self, run: RunKey, scope: Scope) -> Override | None:
        """Return the newest wish for *run*, waiting or ended."""
        return self._overrides.newest(run, scope)

    def withdraw(self, run: RunKey, scope: Scope, actor: str) -> Override:
        """
        End the wish that waits for *run*.

        Raises:
            NotFound: none waits.
            StoreUnavailable
        """
        newest = self._overrides.newest(run, scope)
        outcome = f"{WITHDRAWN} by {actor}"
        if newest is not None and newest.outcome is None:
            ended = self._overrides.end(newest, outcome)
            if ended.outcome == outcome:
                return ended
            newest = ended
        last = "" if newest is None else f"; the newest one was {newest.outcome}"
        raise NotFound(f"no override waits for this run{last}", where=str(run))

    def _of(self, run_id: str, job: str | None, application: str, environment: str) -> Sequence[Pin]:
        found = self._runs.pins_of_run(run_id, job)
        return [pin for pin in found if (pin.scope.application, pin.scope.environment) == (application, environment)]

    def _may_be_used(self, wish: Wish, same: bool) -> None:  # noqa: FBT001 - a plain yes or no
        if not wish.reason.strip():
            raise Conflict("an override needs a reason", fix="say why, for those who look at the run: --reason TEXT")
        if wish.snapshot in self._quarantine.barred(wish.snapshot.environment):
            raise SnapshotQuarantined(
                f"{wish.snapshot} is barred from new pins",
                where=str(wish.pin.run),
                fix="name another one, or let it in again: `runpin quarantine lift`",
            )
        # To name what the run has is no mistake where its job wants a name for each rerun.
        if same and wish.kind is OverrideKind.ONCE:
            raise Conflict(f"the run uses {wish.snapshot} already", where=str(wish.pin.run))


def _unread(run_id: str, application: str, environment: str) -> NotFound:
    return NotFound(
        f"no run {run_id[:80]!r} has read anything of {application} in {environment}",
        where="the ledger",
        fix="start a run with its snapshot instead: the key 'runpin' of the conf in Airflow, "
        "the tag 'runpin.override' in Dagster",
    )


def _elsewhere(run_id: str, found: Sequence[Pin]) -> NotFound:
    deployments = ", ".join(sorted({pin.run.deployment for pin in found}))
    return NotFound(
        f"the deployment that is named has no run {run_id[:80]!r} that has read anything",
        where=deployments,
        fix="name the one that has it: --deployment NAME",
    )


def _ambiguous(run_id: str, places: Sequence[tuple[str, str, str]]) -> Conflict:
    engines, deployments, jobs = (set(each) for each in zip(*places, strict=True))
    options = [name for name, found in (("--job NAME", jobs), ("--deployment NAME", deployments)) if len(found) > 1]
    return Conflict(
        f"{len(places)} runs go by the id {run_id[:80]!r}",
        where=", ".join(f"{job} ({engine}, {deployment})" for engine, deployment, job in places),
        fix=f"name what tells them apart: {', '.join(options)}"
        if options
        else f"give {' and '.join(sorted(engines))} a RUNPIN_DEPLOYMENT of its own each; no option tells them apart",
    )
