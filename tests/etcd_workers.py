"""
Processes that work on one etcd cluster while its members are harmed, and leave behind what they saw.

They ask the members in turn, so that a member that was away is asked as soon as it is back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from threading import Event
from time import monotonic

from pin_workers import Journal, kept_busy
from runpin.clock import SystemClock
from runpin.errors import RevisionConflict, SnapshotQuarantined, StoreUnavailable
from runpin.etcd.cluster import Call, Cluster
from runpin.etcd.records import pin_record, written
from runpin.etcd.transactions import Answer, Operation, put
from runpin.ledgers.etcd import EtcdLedger
from runpin.model import Pin, RunKey, Scope, SnapshotId
from runpin.stores.etcd import EtcdStore
from runpin.testing.contracts import Ledger
from runpin.testing.ledger_contract import SCOPE, pin_of
from runpin.testing.linearizability import Kind

KEY_LIVES = 0.05
"""Seconds after which all workers turn to a new key, so that each is contested first."""

REMEMBERED = 60
"""How many of the last keys are read again: those that were written while a member was away among them."""

PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class EtcdTask:
    """What a worker is to do: on which cluster, through which ledger, and where it writes what it saw."""

    url: str
    ledger: Callable[[Cluster], Ledger]
    file: Path
    number: int
    patience: float = PATIENCE


class Restless(Cluster):
    """Begins each call at the next member."""

    def call(self, patience: float | None = None) -> Call:
        """Begin a call."""
        self._turn += 1
        return super().call(patience)


def race_for_registers(task: EtcdTask) -> None:
    """Put and get the key of the moment, and get older ones, until killed."""
    random = Random(task.number)  # noqa: S311 - a repeatable choice of calls
    journal = Journal(task.file)
    ledger = task.ledger(Restless.open(task.url, clock=SystemClock(), patience=task.patience))
    candidate = task.number * 100_000
    while True:
        key = int(monotonic() / KEY_LIVES) & 0x7FFFFFFF
        candidate += 1
        choice = random.random()
        with suppress(StoreUnavailable):
            if choice < 0.4:
                journal.begin(Kind.PUT, key, candidate)
                journal.end(ledger.put_if_absent(pin_of(candidate, _run(key))).snapshot.sequence)
            else:
                key -= 0 if choice < 0.6 else random.randrange(REMEMBERED)
                journal.begin(Kind.GET, key, 0)
                held = ledger.get(_run(key), SCOPE)
                journal.end(None if held is None else held.snapshot.sequence)


def pin_until_barred(task: EtcdTask) -> None:
    """Pin one run after the other to a snapshot until it is barred, then to the next one, until killed."""
    ledger = task.ledger(Restless.open(task.url, clock=SystemClock(), patience=task.patience))
    snapshot, run = 1, 0
    while True:
        run += 1
        try:
            ledger.put_if_absent(pin_of(snapshot, RunKey("airflow", "main", "etl", f"{task.number}-{run}")))
        except SnapshotQuarantined:
            snapshot += 1
        except StoreUnavailable:
            Event().wait(0.01)


def move_a_channel(task: EtcdTask, to: tuple[SnapshotId, ...]) -> None:
    """Move one channel from wherever it stands, and note each move that was acknowledged, until killed."""
    store = EtcdStore(Restless.open(task.url, clock=SystemClock(), patience=task.patience))
    with task.file.open("a", buffering=1) as file:
        for number in range(1_000_000):
            with suppress(StoreUnavailable, RevisionConflict):
                standing = store.moves(SCOPE, "stable", 1)
                revision = standing[0].channel.revision if standing else 0
                reason = f"{task.number}-{number}"
                target = to[number % len(to)]
                store.move(SCOPE, "stable", target, expected_revision=revision, actor="ada", reason=reason)
                file.write(f"{revision + 1} {reason}\n")


@contextmanager
def crew(work: Callable[[EtcdTask], None], first: EtcdTask, size: int) -> Iterator[Callable[[int], None]]:
    """
    Keep *size* workers busy with tasks like *first*, each with a file of its own in that folder.

    Yields a function that kills the worker in a place, and puts another there; all of them are killed at the end.
    """

    def task(number: int) -> EtcdTask:
        return EtcdTask(first.url, first.ledger, first.file / f"{number:06}", number, first.patience)

    with kept_busy(work, task, size) as kill:
        yield kill


class PutsBlindly(EtcdLedger):
    """A seeded bug: after an error the pin is written whatever is there."""

    def put_if_absent(self, pin: Pin) -> Pin:
        """Try as it should be, then insist."""
        try:
            return super().put_if_absent(pin)
        except StoreUnavailable:
            self._cluster.call().transact((), [put(self._keys.pin(pin, 0), written(pin_record(pin)))])
            return pin


class _LocalCall(Call):
    """A call that asks only the member it talks to."""

    def read_one(self, operation: Operation) -> Answer:
        """Read without asking whether the member is up to date."""
        return super().read_one(Operation({"request_range": {**operation["request_range"], "serializable": True}}))


class _LocalCluster(Restless):
    """A cluster whose reads are answered by one member alone."""

    def call(self, patience: float | None = None) -> Call:
        """Begin a call."""
        self._turn += 1
        return _LocalCall(self, patience or self.patience)


class ReadsLocally(EtcdLedger):
    """A seeded bug: a read is serializable, so a member that was away answers from its past."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._local = EtcdLedger(_LocalCluster(cluster._address, cluster.clock, patience=cluster.patience))  # noqa: SLF001

    def get(self, run: RunKey, scope: Scope) -> Pin | None:
        """Believe the member."""
        return self._local.get(run, scope)


class LooksBefore(EtcdLedger):
    """A seeded bug: whether the snapshot is barred is asked before the transaction, not in it."""

    def put_if_absent(self, pin: Pin) -> Pin:
        """Look, wait, then write whatever happened meanwhile."""
        if pin.snapshot in self.barred(pin.scope.environment):
            raise SnapshotQuarantined("it is barred")
        Event().wait(0.003)
        content = [put(self._keys.pin(pin, 0), written(pin_record(pin))), put(self._keys.pinned_by(pin), b"")]
        self._cluster.call().transact((), content)
        return pin


def _run(key: int) -> RunKey:
    return RunKey("airflow", "main", "etl", str(key))


def moving(to: tuple[SnapshotId, ...]) -> Callable[[EtcdTask], None]:
    """Return the work of moving a channel between *to*."""
    return partial(move_a_channel, to=to)
