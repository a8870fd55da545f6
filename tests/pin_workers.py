"""
Processes that work on one ledger at once, are killed at any moment, and leave behind what they saw.

Each writes its history before and after every call, so that a call without an answer is known to have begun.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from struct import Struct
from threading import Event
from time import monotonic
from typing import Any, TypeVar

import sqlalchemy as sa  # noqa: TID253 - the seeded bugs write rows

from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.database.schema import pins
from runpin.errors import SnapshotQuarantined, StoreUnavailable
from runpin.ledgers.pin_rows import pin_key, pin_values
from runpin.ledgers.sql import SqlLedger
from runpin.model import Pin, RunKey, Scope
from runpin.testing.contracts import Ledger
from runpin.testing.ledger_contract import SCOPE, pin_of
from runpin.testing.linearizability import Kind, Operation

T = TypeVar("T")

KEY_LIVES = 0.03
"""Seconds after which all workers turn to a new key: each is contested first and read many times after."""

_RECORD = Struct("<?Biqd")
_KINDS = (Kind.PUT, Kind.GET)
_ABSENT = -1


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is to do: on which database, through which ledger, and where it writes what it saw."""

    url: str
    ledger: Callable[[Database], Ledger]
    file: Path
    number: int


class Journal:
    """One worker's history, as records that survive its death."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def begin(self, kind: Kind, key: int, candidate: int) -> None:
        """Note that a call begins."""
        self._write(False, _KINDS.index(kind), key, candidate)  # noqa: FBT003 - the record's first field

    def end(self, answer: int | None) -> None:
        """Note what the call answered."""
        self._write(True, 0, 0, _ABSENT if answer is None else answer)  # noqa: FBT003 - the record's first field

    def _write(self, ended: bool, kind: int, key: int, value: int) -> None:  # noqa: FBT001 - private
        os.write(self._descriptor, _RECORD.pack(ended, kind, key, value, monotonic()))


def read_journal(file: Path) -> Iterator[Operation]:
    """Yield the calls that a worker began, the one it died in included."""
    content = file.read_bytes()
    whole = len(content) - len(content) % _RECORD.size
    begun: tuple[Kind, int, int, float] | None = None
    for ended, kind, key, value, moment in _RECORD.iter_unpack(content[:whole]):
        if begun is not None:
            operation = Operation(begun[0], begun[1], begun[3], candidate=begun[2])
            answer = None if value == _ABSENT else value
            yield replace(operation, ended=moment, answer=answer) if ended else operation
        begun = None if ended else (_KINDS[kind], key, value, moment)
    if begun is not None:
        yield Operation(begun[0], begun[1], begun[3], candidate=begun[2])


def calls_begun(folder: Path) -> int:
    """Return how many calls the workers of *folder* have begun and ended so far, about."""
    return sum(file.stat().st_size for file in folder.iterdir()) // (2 * _RECORD.size)


def work_on_registers(task: Task) -> None:
    """Put and get the key of the moment until killed."""
    random = Random(task.number)  # noqa: S311 - a repeatable choice of calls
    journal = Journal(task.file)
    ledger = task.ledger(Database.open(task.url, clock=SystemClock()))
    candidate = task.number * 100_000
    while True:
        key = int(monotonic() / KEY_LIVES) & 0x7FFFFFFF
        run = RunKey("airflow", "main", "etl", str(key))
        candidate += 1
        with suppress(StoreUnavailable):
            if random.random() < 0.5:
                journal.begin(Kind.GET, key, 0)
                held = ledger.get(run, SCOPE)
                journal.end(None if held is None else held.snapshot.sequence)
            else:
                journal.begin(Kind.PUT, key, candidate)
                journal.end(ledger.put_if_absent(pin_of(candidate, run)).snapshot.sequence)


def work_on_channel(task: Task) -> None:
    """Pin one run after the other to a snapshot until it is barred, then to the next one, until killed."""
    ledger = task.ledger(Database.open(task.url, clock=SystemClock()))
    snapshot, run = 1, 0
    while True:
        run += 1
        try:
            ledger.put_if_absent(pin_of(snapshot, RunKey("airflow", "main", "etl", f"{task.number}-{run}")))
        except SnapshotQuarantined:
            snapshot += 1
        except StoreUnavailable:
            Event().wait(0.01)


def open_database(url: str) -> None:
    """Open a database and bring its tables up to date."""
    with Database.open(url, clock=SystemClock()) as database:
        database.ready()


class Nursery:
    """
    Gives orders to a process that has imported everything, and forks workers from it within milliseconds.

    It is nobody else's. The fork server of `multiprocessing` is one for the whole test session: Dagster's executor
    chooses what that one imports, and workers that import everything themselves are killed before they have begun.
    """

    def __init__(self, orders: Connection) -> None:
        self._orders = orders

    def begin(self, target: Callable[..., None], *arguments: Any) -> int:
        """Start *target* in a process of its own, and return its process id."""
        return self._ask("begin", target, *arguments)

    def kill(self, pid: int) -> int:
        """Kill a worker, and return its exit code."""
        return self._ask("kill", pid)

    def wait(self, pid: int) -> int:
        """Wait for the end of a worker, and return its exit code."""
        return self._ask("wait", pid)

    def _ask(self, *order: Any) -> int:
        self._orders.send(order)
        answer = self._orders.recv()
        assert isinstance(answer, int)
        return answer


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Give a nursery; all of its workers are killed at the end, and whenever this process ends."""
    spawning = get_context("spawn")
    ours, theirs = spawning.Pipe()
    nurse = spawning.Process(target=_nurse, args=(theirs,))
    nurse.start()
    theirs.close()
    try:
        yield Nursery(ours)
    finally:
        ours.close()
        nurse.join(30)
        _end(nurse)


def _nurse(orders: Connection) -> None:
    """Follow orders until nobody is there to give any."""
    crew: dict[int, BaseProcess] = {}
    try:
        while True:
            orders.send(_follow(crew, orders, *orders.recv()))
    except (EOFError, ConnectionError):
        for worker in crew.values():
            _end(worker)


def _follow(crew: dict[int, BaseProcess], orders: Connection, order: str, subject: Any, *arguments: Any) -> int | None:
    if order == "begin":
        begun = get_context("fork").Process(target=_work, args=(orders, subject, *arguments), daemon=True)
        begun.start()
        assert begun.pid is not None
        crew[begun.pid] = begun
        return begun.pid
    worker = crew.pop(subject)
    if order == "wait":
        worker.join(60)
    return _end(worker)


def _work(orders: Connection, target: Callable[..., None], *arguments: Any) -> None:
    orders.close()
    target(*arguments)


def _end(process: BaseProcess) -> int | None:
    process.kill()
    process.join(10)
    code = process.exitcode
    process.close()
    return code


@contextmanager
def workers(
    target: Callable[[Task], None], url: str, ledger: Callable[[Database], Ledger], folder: Path, count: int
) -> Iterator[Callable[[int], None]]:
    """Keep *count* workers busy on one database, each with a file of its own in *folder*; see `kept_busy`."""
    with kept_busy(target, lambda number: Task(url, ledger, folder / f"{number:06}", number), count) as kill:
        yield kill


@contextmanager
def kept_busy(target: Callable[[T], None], task: Callable[[int], T], count: int) -> Iterator[Callable[[int], None]]:
    """
    Keep *count* workers busy; yield a function that kills the one in a place, and puts another there.

    All of them are killed at the end. *task* makes what a worker is to do, of its number, which no other one has.
    """
    numbers = iter(range(1, 1_000_000))
    with nursery() as home:

        def begin() -> int:
            return home.begin(target, task(next(numbers)))

        def kill(place: int) -> None:
            home.kill(crew[place])
            crew[place] = begin()

        crew = [begin() for _ in range(count)]
        yield kill


class ReadsThenWrites(SqlLedger):
    """A seeded bug: what the read saw is not checked again by the write, and the last writer wins."""

    def put_if_absent(self, pin: Pin) -> Pin:
        """Look, wait, then write whatever happened meanwhile."""
        held = self.get(pin.run, pin.scope)
        if held is not None:
            return held
        Event().wait(KEY_LIVES / 3)
        return overwritten(self._database, pin)


class ForgetsToLook(SqlLedger):
    """A seeded bug: absence is remembered for a while, as a replica that lags behind would report it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._absent: dict[RunKey, float] = {}

    def get(self, run: RunKey, scope: Scope) -> Pin | None:
        """Answer from memory what was absent a moment ago."""
        if monotonic() - self._absent.get(run, 0.0) < KEY_LIVES / 2:
            return None
        held = super().get(run, scope)
        if held is None:
            self._absent[run] = monotonic()
        return held


class LooksOutside(SqlLedger):
    """A seeded bug: whether the snapshot is barred is asked before the transaction, not in it."""

    def put_if_absent(self, pin: Pin) -> Pin:
        """Look, wait, then write whatever happened meanwhile."""
        if pin.snapshot in self.barred(pin.scope.environment):
            raise SnapshotQuarantined("it is barred")
        Event().wait(0.003)
        return overwritten(self._database, pin)


def overwritten(database: Database, pin: Pin) -> Pin:
    """Write the row of *pin* whatever is there, and return it."""
    key = pin_key(pin.run, pin.scope)
    values = pin_values(pin, key)
    row = {column.name: values[column.name] for column in pins.c}

    def write(connection: sa.Connection) -> None:
        connection.execute(pins.delete().where(pins.c.pin_key == key))
        connection.execute(pins.insert().values(row))

    database.write(write)
    return pin
