"""Processes that race for the same channel and the same numbers in a double of Azure App Configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from random import Random
from threading import Lock
from time import monotonic
from typing import TypeVar

from azure_double_server import Fault, Server
from azure_double_wire import Request
from runpin.azure_appconfig.endpoint import Endpoint
from runpin.clock import SystemClock
from runpin.errors import RevisionConflict, StoreUnavailable
from runpin.model import SnapshotId
from runpin.stores.azure import AzureStore
from runpin.testing import MemoryLedger
from runpin.testing.store_contract import COMMIT, SCOPE, publish

T = TypeVar("T")

FAULTS = (Fault.RESET, Fault.LOST, Fault.LATE, Fault.BROKEN, Fault.THROTTLED)


@dataclass(frozen=True, slots=True)
class Event:
    """
    One call as its caller saw it, between two moments of the clock that all processes share.

    `revision` is what it was told, None if it was told that nobody knows; `name` is of the move, None for a read.
    """

    began: float
    ended: float
    revision: int | None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process finds the double."""

    url: str
    connection_string: str

    @contextmanager
    def store(self) -> Iterator[AzureStore]:
        """Open a store of its own."""
        with Endpoint.open(self.url, clock=SystemClock(), connection_string=self.connection_string) as endpoint:
            yield AzureStore(endpoint, MemoryLedger())


def place_of(server: Server) -> Place:
    """Return where other processes find *server*."""
    return Place(server.url, server.connection_string)


def in_processes(count: int, work: Callable[[int], T]) -> list[T]:
    """Return what *work* answers for 0 to *count* - 1, each in a process of its own."""
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as processes:
        return list(processes.map(work, range(count)))


def sometimes(share: float, seed: int) -> Callable[[Request], Fault | None]:
    """Return what lets one of the faults happen to a *share* of the requests."""
    random, lock = Random(seed), Lock()  # noqa: S311 - faults that can be repeated, and no secret

    def choose(_: Request) -> Fault | None:
        with lock:
            return random.choice(FAULTS) if random.random() < share else None

    return choose


def move_often(place: Place, to: tuple[SnapshotId, ...], times: int, number: int) -> list[Event]:
    """Read where the channel stands and move it on from there, *times* in all."""
    with place.store() as store:
        events = [partial(_read_and_move, store, to[each % len(to)], f"{number}-{each}")() for each in range(times)]
    return [event for pair in events for event in pair]


def _read_and_move(store: AzureStore, to: SnapshotId, name: str) -> list[Event]:
    began = monotonic()
    try:
        revision = store.channel(SCOPE, "stable").revision
    except StoreUnavailable:
        return []
    read = Event(began, monotonic(), revision)
    began = monotonic()
    try:
        moved = store.move(SCOPE, "stable", to, expected_revision=revision, actor="ada", reason=name)
    except RevisionConflict:
        return [read]
    except StoreUnavailable:
        return [read, Event(began, monotonic(), None, name)]
    return [read, Event(began, monotonic(), moved.revision, name)]


def publish_often(place: Place, contents: int, times: int, number: int) -> list[tuple[int, SnapshotId]]:
    """Publish one of *contents* contents, *times* in all, and return which got which number."""
    random = Random(number)  # noqa: S311 - a load that can be repeated
    listed = []
    with place.store() as store:
        for each in range(times):
            content = random.randrange(contents)
            commit = replace(COMMIT, sha=f"{number:020x}{each:020x}")
            try:
                listed.append((content, publish(store, content, commit=commit).id))
            except StoreUnavailable:
                continue
    return listed


def read_on_both_sides_of_a_fork(place: Place, _: int) -> list[int]:
    """Return the revisions that a parent and its forked child read, by the endpoint that the parent opened."""
    with place.store() as store:
        before = store.channel(SCOPE, "stable").revision
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, bytes([store.channel(SCOPE, "stable").revision]))
            os._exit(0)
        os.close(writing)
        told = os.read(reading, 1)
        os.close(reading)
        os.waitpid(child, 0)
        return [before, *told, store.channel(SCOPE, "stable").revision]
