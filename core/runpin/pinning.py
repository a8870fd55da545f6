"""
The pin protocol: one run, one Snapshot.

Decide: the first read asks the ledger, set-if-absent; the candidate is the run's proposal unless it is quarantined,
else where the channel stands now. The ledger's answer is the pin.
Repeat: every later read, in any process, gets the same answer.
Switch: only `switch`, called at a declared safe point, opens a new epoch.
Fail static: when the ledger does not answer, what this host knows about the run is used, or the proposal, marked as
unconfirmed; with neither there is an error that can be retried, never a guess.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from runpin.errors import (
    ConfigUnavailable,
    EpochConflict,
    PinConflict,
    SnapshotQuarantined,
    StoreUnavailable,
    UnknownSnapshot,
)
from runpin.model import STABLE, Asked, Pin, RunKey, Scope, SnapshotId, as_digest

if TYPE_CHECKING:
    from runpin.ports import Cache, Clock, PinLedger, Quarantine
    from runpin.proposing import Proposal
    from runpin.resolving import Resolver

# A channel that moves between our reading it and our pinning is normal; one that does so this often is not.
_ATTEMPTS = 5


class Pinner:
    """Decides pins, repeats them, and switches them at safe points."""

    def __init__(
        self, ledger: PinLedger, quarantine: Quarantine, resolver: Resolver, cache: Cache, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._quarantine = quarantine
        self._resolver = resolver
        self._cache = cache
        self._clock = clock

    def pin(self, run: RunKey, scope: Scope, proposal: Proposal, channel: str = STABLE) -> Pin:
        """
        Return the run's pin, deciding it on the first call only.

        Raises:
            UnknownChannel: nothing was published for *scope* yet.
            SnapshotQuarantined: an Override names a snapshot that is barred.
            UnknownSnapshot: an Override names a snapshot that does not exist, or one of another scope.
            PinConflict: the run read one snapshot while the ledger was away, and the ledger says another.
            ConfigUnavailable: the ledger does not answer and nothing is known about the run.
        """
        known = self._recall(run, scope)
        try:
            pin = self._ledger.get(run, scope)
            unconfirmed = self._unconfirmed(known)
            if pin is None:
                pin = self._decide(run, scope, proposal, channel, unconfirmed)
            _agree(pin, unconfirmed)
        except StoreUnavailable as unavailable:
            return known or self._fail_static(run, scope, proposal, channel, unavailable)
        if pin != known:
            self._remember(pin)
        return pin

    def switch(self, pin: Pin) -> Pin:
        """
        Move a run to where its channel stands now, and return its pin after that.

        Nothing changes when the channel did not move on, when its snapshot is barred, or when the store does not
        answer. Two processes of one run that switch at once get the same answer.
        """
        try:
            now = self._resolver.channel(pin.scope, pin.channel)
            if now.stale or now.channel.digest == pin.digest or now.channel.revision <= (pin.revision or 0):
                return pin
            target = replace(
                pin,
                snapshot=now.channel.snapshot,
                digest=now.channel.digest,
                at=self._clock.now(),
                epoch=pin.epoch + 1,
                revision=now.channel.revision,
                asked=Asked.SAFE_POINT,
            )
            switched = self._advance(target)
        except (StoreUnavailable, SnapshotQuarantined):
            return pin
        self._remember(switched)
        return switched

    def _decide(self, run: RunKey, scope: Scope, proposal: Proposal, channel: str, unconfirmed: Pin | None) -> Pin:
        # For the day the ledger is away: then this host has to know by itself what is barred.
        self._resolver.note_barred(scope.environment, self._quarantine.barred(scope.environment))
        if unconfirmed is not None:
            return self._confirm(unconfirmed)
        candidate = self._proposed(run, scope, proposal, channel)
        for _ in range(_ATTEMPTS):
            if candidate is None:
                candidate = self._from_channel(run, scope, channel)
            try:
                return self._ledger.put_if_absent(candidate)
            except SnapshotQuarantined:
                if candidate.asked is Asked.OVERRIDE:
                    raise
                candidate = None
        raise SnapshotQuarantined(
            f"channel {channel!r} of {scope} points at a snapshot that is barred from new pins",
            fix=f"move it: `runpin rollback {scope.application} --environment {scope.environment}`",
        )

    def _confirm(self, unconfirmed: Pin) -> Pin:
        try:
            return self._ledger.put_if_absent(replace(unconfirmed, confirmed=True))
        except SnapshotQuarantined as barred:
            raise _conflict(unconfirmed, "it is barred from new pins now") from barred

    def _proposed(self, run: RunKey, scope: Scope, proposal: Proposal, channel: str) -> Pin | None:
        snapshot = proposal.pins.get(scope.application)
        if snapshot is None:
            return None
        asked = proposal.asked(scope.application)
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
        return Pin(run, scope, snapshot, digest, self._clock.now(), channel=channel, asked=asked)

    def _from_channel(self, run: RunKey, scope: Scope, channel: str) -> Pin:
        now = self._resolver.channel(scope, channel)
        if now.stale:
            raise StoreUnavailable("the store does not answer", where=f"channel {channel!r} of {scope}")
        found = now.channel
        return Pin(
            run, scope, found.snapshot, found.digest, self._clock.now(), channel=channel, revision=found.revision
        )

    def _advance(self, target: Pin) -> Pin:
        try:
            return self._ledger.advance(target)
        except EpochConflict:
            held = self._ledger.get(target.run, target.scope)
            if held is None:
                raise
            return held

    def _fail_static(
        self, run: RunKey, scope: Scope, proposal: Proposal, channel: str, unavailable: StoreUnavailable
    ) -> Pin:
        try:
            proposed = self._proposed(run, scope, proposal, channel)
        except StoreUnavailable:
            proposed = None
        if proposed is None or self._resolver.known_barred(proposed.snapshot):
            raise ConfigUnavailable(
                f"no snapshot of {scope} can be decided for this run: the ledger does not answer",
                where=str(run),
                fix="let the engine retry the task; `runpin doctor` says which backend is away",
            ) from unavailable
        pin = replace(proposed, confirmed=False)
        self._remember(pin)
        return pin

    def _unconfirmed(self, known: Pin | None) -> Pin | None:
        return known if known is not None and not known.confirmed else None

    def _remember(self, pin: Pin) -> None:
        self._cache.remember("pin", _note_key(pin.run, pin.scope), _write(pin))

    def _recall(self, run: RunKey, scope: Scope) -> Pin | None:
        note = self._cache.recall("pin", _note_key(run, scope))
        return None if note is None else _read(note, run, scope)


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


def _note_key(run: RunKey, scope: Scope) -> str:
    return f"{run.digest}/{scope}"


def _write(pin: Pin) -> bytes:
    note = {
        "snapshot": str(pin.snapshot),
        "digest": pin.digest,
        "at": pin.at.isoformat(),
        "epoch": pin.epoch,
        "channel": pin.channel,
        "revision": pin.revision,
        "asked": str(pin.asked),
        "confirmed": pin.confirmed,
    }
    return json.dumps(note, sort_keys=True).encode()


def _read(note: bytes, run: RunKey, scope: Scope) -> Pin:
    content = json.loads(note)
    return Pin(
        run=run,
        scope=scope,
        snapshot=SnapshotId.parse(content["snapshot"]),
        digest=as_digest(content["digest"]),
        at=datetime.fromisoformat(content["at"]),
        epoch=content["epoch"],
        channel=content["channel"],
        revision=content["revision"],
        asked=Asked(content["asked"]),
        confirmed=content["confirmed"],
    )
