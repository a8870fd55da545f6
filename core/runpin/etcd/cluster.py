"""
The cluster: several endpoints, one deadline for each call, and what to do when an attempt fails.

A request that is sent may be sent again, to the same endpoint or another: after a lost answer nobody knows whether it
was carried out. Everything written through here is therefore conditional on something that it changes itself, so that
it is carried out once at most, however late the first attempt arrives.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from random import randrange, uniform
from threading import Event
from typing import Any, Self, TypeVar
from weakref import WeakSet

from runpin.deadlines.racing import until_done
from runpin.deadlines.timing import Timer
from runpin.errors import StoreUnavailable
from runpin.etcd.address import Address, parse
from runpin.etcd.endpoint import ERRORS, Endpoint
from runpin.etcd.keys import Keys
from runpin.etcd.transactions import MOST_OPERATIONS, Answer, Condition, Entry, Operation, transaction
from runpin.ports import Clock

T = TypeVar("T")

# Their number ends the attempts even under a clock that stands still.
_PAUSES = (0.02, 0.04, 0.08, 0.16, 0.32, *[0.5] * 30)
_SHARES = (0.6, 0.3)
"""The part of a call that one attempt may take, with one endpoint and with several: time is left for the others."""


class Cluster:
    """
    One etcd cluster, and the keys below one prefix of it.

    It may be shared between threads, and used on both sides of a fork. Nothing is opened before the first call.
    """

    def __init__(self, address: Address, clock: Clock, *, patience: float) -> None:
        self.clock = clock
        self.where = address.where
        self.keys = Keys(address.root)
        self.timer = Timer(clock)
        self.patience = patience
        self._address = address
        # Each process begins elsewhere, which spreads the load.
        self._turn = randrange(len(address.endpoints))  # noqa: S311 - spreads load, keeps no secret
        self._endpoints: list[Endpoint] = []
        _clusters.add(self)

    @classmethod
    def open(cls, url: str, *, clock: Clock, patience: float = 5.0) -> Self:
        """
        Return the cluster at *url*, which is not contacted yet.

        Args:
            url: `etcd://host1:2379,host2:2379/prefix`; `runpin.etcd.address` has the whole form.
            clock: stamps the records and measures deadlines.
            patience: seconds that one call may wait in all.

        Raises:
            SettingsError: the URL cannot be used, or the client is missing.
        """
        return cls(parse(url), clock, patience=patience)

    def call(self, patience: float | None = None) -> Call:
        """
        Begin what has to be over after the patience: one request, or several that belong together.

        Args:
            patience: seconds for this one, where no run waits for it.
        """
        return Call(self, self.patience if patience is None else patience)

    def statuses(self) -> dict[str, dict[str, Any] | None]:
        """Return what each endpoint says about itself, None where it does not answer or lets nobody in."""
        return {endpoint.name: self._status(endpoint) for endpoint in self._opened()}

    def attempt(self, work: Callable[[Endpoint], T], ends: float, patience: float) -> T:
        """
        Return what *work* gets from an endpoint, trying them in turn until the moment *ends* on the clock.

        Each attempt may take a part of *patience*. *work* is repeated after a failure whose outcome is not known.

        Raises:
            StoreUnavailable, StoreError
        """
        failed: Exception | None = None
        endpoints = self._opened()
        longest = patience * _SHARES[len(endpoints) > 1]
        for number in range(len(_PAUSES) * len(endpoints)):
            turn = self._turn
            endpoint = endpoints[turn % len(endpoints)]
            try:
                with self.timer.within(min(ends - self.clock.monotonic(), longest)):
                    return work(endpoint)
            except ERRORS as error:
                failed = error
            failure = endpoint.failure(failed)
            if not failure.again:
                raise failure.error from failed
            if self._turn == turn and not failure.login:  # threads that failed together move on together
                self._turn = turn + 1
            rest = 0.0 if (number + 1) % len(endpoints) else _PAUSES[number // len(endpoints)]
            if self.clock.monotonic() + rest >= ends:
                raise failure.error from failed
            Event().wait(rest * uniform(0.5, 1.0))  # noqa: S311 - spreads attempts, keeps no secret
        raise StoreUnavailable("etcd does not answer", where=self.where) from failed

    def close(self) -> None:
        """Let go of the connections; a later call opens anew."""
        for endpoint in self._endpoints:
            endpoint.close()

    def renew(self) -> None:
        """Forget what a forked child has inherited, without touching it: it is the parent's."""
        _inherited.append(self._endpoints)
        self._endpoints = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> list[Endpoint]:
        # Not before they are needed: most children of an engine never ask.
        if not self._endpoints:
            self._endpoints = [Endpoint(self._address, n, self.timer) for n in range(len(self._address.endpoints))]
        return self._endpoints

    def _status(self, endpoint: Endpoint) -> dict[str, Any] | None:
        try:
            with self.timer.within(self.patience * _SHARES[1]):
                return endpoint.status()
        except ERRORS:
            return None


class Call:
    """What one caller wants, in one or several requests, within *patience* seconds in all."""

    def __init__(self, cluster: Cluster, patience: float) -> None:
        self._cluster = cluster
        self._patience = patience
        self._ends = cluster.clock.monotonic() + patience

    def read(self, *operations: Operation) -> tuple[tuple[Entry, ...], ...]:
        """
        Return what each of *operations* finds, all at one moment and never stale.

        Raises:
            StoreUnavailable, StoreError
        """
        if len(operations) == 1:
            return self.read_one(operations[0]).found
        return self.transact((), operations).found

    def read_one(self, operation: Operation) -> Answer:
        """
        Return what *operation* finds, and where the store stands; a cluster that is full answers this too.

        Raises:
            StoreUnavailable, StoreError
        """
        content = operation["request_range"]
        return self._attempt(lambda endpoint: Answer.read_one(endpoint.range(content)))

    def transact(
        self, conditions: Sequence[Condition], then: Sequence[Operation], otherwise: Sequence[Operation] = ()
    ) -> Answer:
        """
        Do *then* if every condition holds, and *otherwise* if not.

        An answer that says they did not hold may mean that an earlier attempt of this very call was carried out.

        Raises:
            StoreUnavailable, StoreError
        """
        content = transaction(conditions, then, otherwise)
        return self._attempt(lambda endpoint: Answer.read(endpoint.transaction(content), content))

    def until_done(self, step: Callable[[], T | None]) -> T:
        """
        Return what *step* returns, as soon as that is not None.

        A step reads, and then writes on condition that nothing has changed; None means that something had.

        Raises:
            StoreUnavailable: there was always somebody faster.
        """
        return until_done(step, self._cluster.clock, self._ends, self._cluster.where, apart=0.01)

    def _attempt(self, work: Callable[[Endpoint], Answer]) -> Answer:
        return self._cluster.attempt(work, self._ends, self._patience)


def in_parts(operations: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield *operations* in parts that a transaction takes."""
    for begin in range(0, len(operations), MOST_OPERATIONS):
        yield operations[begin : begin + MOST_OPERATIONS]


_clusters: WeakSet[Cluster] = WeakSet()
_inherited: list[list[Endpoint]] = []  # what a thread of the parent had locked in these stays locked in the child


def _renew_all() -> None:
    for cluster in list(_clusters):
        cluster.renew()


os.register_at_fork(after_in_child=_renew_all)
