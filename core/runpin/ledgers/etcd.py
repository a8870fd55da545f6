"""The ledger in an etcd cluster: pins as write-once keys, and the quarantine that fences them."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from uuid import uuid4

from runpin.errors import EpochConflict, NotFound, SnapshotQuarantined, UnknownSnapshot
from runpin.etcd.cluster import Call, Cluster, in_parts
from runpin.etcd.keys import downwards
from runpin.etcd.records import pin_record, stamp, told, told_pin, written
from runpin.etcd.transactions import (
    Answer,
    Condition,
    Entry,
    Operation,
    absent,
    delete,
    end_of,
    first,
    one,
    present,
    put,
    unchanged,
)
from runpin.failpoints import failpoint
from runpin.model import Pin, PinPage, RunKey, Scope, SnapshotId

_MOST_FOUND = 1000
_LINES_SEARCHED = 20
_AFTER = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}/[a-z0-9_-]+/[0-9a-f]{16}/[0-9a-f]{64}/[0-9]{12}", re.ASCII)


class EtcdLedger:
    """
    Decides pins and bars snapshots, in one cluster.

    While a snapshot is barred there is a key that says so, and the transaction that writes a pin demands that there is
    none, unless the run has that snapshot already. etcd carries transactions out one after the other, so a decision
    comes before `bar` or sees it; one that is sent before and arrives later writes nothing.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._keys = cluster.keys

    def put_if_absent(self, pin: Pin) -> Pin:
        """
        Record *pin* unless the run has one, and return what is recorded: the newest epoch.

        A pin of a barred snapshot that is recorded already is returned: runs in flight keep theirs.

        Raises:
            SnapshotQuarantined: the run has no pin and the candidate is barred. Nothing was written.
            EpochConflict: *pin* is of a later epoch, which only `advance` may open.
            UnknownSnapshot: *pin* names a snapshot of another application or environment.
            StoreUnavailable
        """
        if pin.epoch:
            raise EpochConflict("a run's first pin has epoch 0", where=_shown(pin), fix="advance to later epochs")
        # Who is not the first to ask writes nothing, and gets an answer even from a cluster that is full.
        return self.get(pin.run, pin.scope) or self._put(pin)

    def get(self, run: RunKey, scope: Scope) -> Pin | None:
        """Return the newest epoch of the run's pin."""
        (found,) = self._cluster.call().read(first(self._keys.pins(run, scope), 1))
        return self._newest(found, scope)

    def advance(self, pin: Pin) -> Pin:
        """
        Record *pin* as the epoch after `pin.epoch - 1`; recording the very same pin again changes nothing.

        Raises:
            EpochConflict: the run is not at that epoch.
            SnapshotQuarantined: its snapshot is barred, and not the one that the run has.
            UnknownSnapshot, StoreUnavailable
        """
        follows = [absent(self._keys.pin(pin, pin.epoch)), present(self._keys.pin(pin, pin.epoch - 1))]
        answer = self._write(pin, [*follows, self._free(pin)])
        held = pin if answer.held else self._newest(answer.found[0], pin.scope)
        if held is not None and held.epoch == pin.epoch - 1 and held.digest == pin.digest:
            # Barred, but the run has it: no epoch is ever rewritten, so that still holds where this one follows.
            answer = self._write(pin, follows)
            held = pin if answer.held else self._newest(answer.found[0], pin.scope)
        if held == pin:
            return pin
        if held is not None and held.epoch == pin.epoch - 1 and answer.found[1]:
            raise _barred(pin)
        at = "has no pin" if held is None else f"is at epoch {held.epoch}"
        raise EpochConflict(
            f"the run {at}, so epoch {pin.epoch} did not follow", where=_shown(pin), fix="read the run's pin again"
        )

    def runs_of(self, snapshot: SnapshotId, *, after: str | None = None, limit: int = 100) -> PinPage:
        """
        Return one page of the pins that name *snapshot*, oldest first.

        Raises:
            NotFound: *after* is not a cursor of this ledger.
            StoreUnavailable
        """
        prefix, most = self._keys.pinned(snapshot), max(limit, 1)
        begin = "" if after is None else prefix + _read_cursor(after)
        call = self._cluster.call()
        (found,) = call.read(first(prefix, most + 1, after=begin, keys_only=True))
        page = [entry.key for entry in found[:most]]
        behind = self._read_each(call, (self._keys.pin_behind(snapshot, key) for key in page))
        pins = tuple(told_pin(entry, snapshot.environment, snapshot.application) for entry in behind)
        return PinPage(pins, _cursor(page[-1].removeprefix(prefix)) if len(found) > most else None)

    def pins_of_run(self, run_id: str, job: str | None = None) -> tuple[Pin, ...]:
        """
        Return every pin of the runs that go by this run id, of *job* or of any, of any deployment and epoch.

        For people who look a run up; at most 1,000, oldest first. It takes a request for each environment, tenant and
        application that has pins.
        """
        call, pins = self._cluster.call(), list[Pin]()
        for place in self._places(call):
            (found,) = call.read(first(self._keys.pins_of_id(place, run_id), _MOST_FOUND))
            environment, _, application = place.split("/")
            pins += (told_pin(entry, environment, application) for entry in found)
        chosen = (pin for pin in pins if pin.run.run_id == run_id and job in (None, pin.run.job))
        return tuple(sorted(chosen, key=lambda pin: (pin.at, pin.run.digest, pin.epoch))[:_MOST_FOUND])

    def bar(self, snapshot: SnapshotId, *, actor: str, reason: str) -> None:
        """
        Bar *snapshot*; pins that are being decided come before, or lose.

        Raises:
            StoreUnavailable: it is not known whether it was barred.
        """
        self._change(snapshot, "bar", actor, reason)

    def lift(self, snapshot: SnapshotId, *, actor: str, reason: str) -> None:
        """Let *snapshot* be pinned again."""
        self._change(snapshot, "lift", actor, reason)

    def barred(self, environment: str) -> frozenset[SnapshotId]:
        """Return the snapshots barred in *environment*."""
        prefix = self._keys.quarantine(environment)
        (found,) = self._cluster.call().read(first(prefix, keys_only=True))
        return frozenset(_told_id(environment, entry.key.removeprefix(prefix)) for entry in found)

    def _put(self, pin: Pin) -> Pin:
        failpoint("before_pin")
        answer = self._write(pin, [absent(self._keys.pin(pin, 0)), self._free(pin)])
        failpoint("after_pin")
        held = pin if answer.held else self._newest(answer.found[0], pin.scope)
        if held is None:
            raise _barred(pin)
        return held

    def _write(self, pin: Pin, conditions: list[Condition]) -> Answer:
        scope, snapshot = pin.scope, pin.snapshot
        if (snapshot.application, snapshot.environment) != (scope.application, scope.environment):
            raise UnknownSnapshot(f"{snapshot} is not a snapshot of {scope}", where=_shown(pin))
        return self._cluster.call().transact(
            conditions,
            [put(self._keys.pin(pin, pin.epoch), written(pin_record(pin))), put(self._keys.pinned_by(pin), b"")],
            [first(self._keys.pins(pin.run, scope), 1), one(self._keys.barred(snapshot))],
        )

    def _free(self, pin: Pin) -> Condition:
        return absent(self._keys.barred(pin.snapshot))

    def _newest(self, found: tuple[Entry, ...], scope: Scope) -> Pin | None:
        return told_pin(found[0], scope.environment, scope.application) if found else None

    def _read_each(self, call: Call, keys: Iterable[str]) -> Iterator[Entry]:
        for part in in_parts([one(key) for key in keys]):
            for found in call.read(*part):
                yield from found

    def _places(self, call: Call) -> Iterator[str]:
        """Yield each environment, tenant and application that has pins, as keys spell them."""
        everything, after = self._keys.all_pins(), ""
        while True:
            (found,) = call.read(first(everything, 1, after=after, keys_only=True))
            if not found:
                return
            place = "/".join(found[0].key.removeprefix(everything).split("/", 3)[:3])
            yield place
            after = end_of(f"{everything}{place}/")

    def _change(self, snapshot: SnapshotId, event: str, actor: str, reason: str) -> None:
        note = {"event": event, "snapshot": str(snapshot), "actor": actor, "reason": reason}
        note |= {"at": stamp(self._cluster.clock.now()), "operation": uuid4().hex}
        call = self._cluster.call()
        call.until_done(lambda: self._try_to_change(call, snapshot, note))

    def _try_to_change(self, call: Call, snapshot: SnapshotId, note: dict[str, str]) -> bool | None:
        keys = self._keys
        count, barred, lines = call.read(
            one(keys.fence(snapshot)), one(keys.barred(snapshot)), first(keys.bars(snapshot), _LINES_SEARCHED)
        )
        done = any(told(line, lambda record: record["operation"]) == note["operation"] for line in lines)
        if done or bool(barred) == (note["event"] == "bar"):
            return True
        # Whoever changes the quarantine changes the count, so this is carried out once at most, or not at all.
        nobody_else = unchanged(keys.fence(snapshot), next(iter(count), None))
        return call.transact([nobody_else], self._event(note, snapshot, count)).held or None

    def _event(self, note: dict[str, str], snapshot: SnapshotId, count: tuple[Entry, ...]) -> list[Operation]:
        number = 1 + (told(count[0], lambda record: int(record["count"])) if count else 0)
        barred, line = self._keys.barred(snapshot), f"{self._keys.bars(snapshot)}{downwards(number)}"
        change = put(barred, written(note)) if note["event"] == "bar" else delete(barred)
        return [put(self._keys.fence(snapshot), written({"count": number})), put(line, written(note)), change]


def _told_id(environment: str, tail: str) -> SnapshotId:
    application, _, numbered = tail.partition("/")
    sequence, _, short = numbered.partition(".")
    return SnapshotId(application, environment, int(sequence), short)


def _shown(pin: Pin) -> str:
    return str(pin.run).encode("utf-8", "backslashreplace").decode()


def _barred(pin: Pin) -> SnapshotQuarantined:
    return SnapshotQuarantined(
        f"{pin.snapshot} is barred from new pins", where=_shown(pin), fix="let the run take what its channel names now"
    )


def _cursor(tail: str) -> str:
    return urlsafe_b64encode(json.dumps(tail).encode()).decode()


def _read_cursor(cursor: str) -> str:
    try:
        tail = json.loads(urlsafe_b64decode(cursor))
    except ValueError as error:
        raise NotFound("this is not a cursor of this ledger", fix="begin again without one") from error
    if not isinstance(tail, str) or not _AFTER.fullmatch(tail):
        raise NotFound("this is not a cursor of this ledger", fix="begin again without one")
    return tail
