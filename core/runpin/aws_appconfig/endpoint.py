"""
The service: one deadline for each call, and what to do when an attempt fails.

A request that is sent may be sent again: after a lost answer nobody knows whether it was carried out. What is written
through here is conditional on what it changes itself, so that a repeated request finds the first one's traces.
"""

from __future__ import annotations

from collections.abc import Callable
from random import uniform
from threading import Event, Lock
from typing import TYPE_CHECKING, Self, TypeVar

from runpin.aws_appconfig.address import parse
from runpin.aws_appconfig.clients import clients_of
from runpin.aws_appconfig.failures import errors, failure_of
from runpin.deadlines.timing import Timer

if TYPE_CHECKING:
    from runpin.aws_appconfig.address import Address
    from runpin.aws_appconfig.clients import Clients
    from runpin.ports import Clock

T = TypeVar("T")

# Their number ends the attempts even under a clock that stands still.
_ATTEMPTS = 8
_SHARE = 0.5
"""The part of the patience that one attempt may take, so that one lost packet leaves time for another attempt."""


class Endpoint:
    """
    AWS AppConfig in one region, for one process; threads may share it. Nothing is contacted before the first call.

    Attributes:
        clock: stamps the records and measures deadlines.
        address: where the service is.
        where: what an error may say about that.
    """

    def __init__(self, address: Address, clock: Clock, *, patience: float) -> None:
        self.clock = clock
        self.address = address
        self.where = address.where
        self._patience = patience
        self._timer = Timer(clock)
        self._lock = Lock()
        self._opened: Clients | None = None

    @classmethod
    def open(cls, url: str, *, clock: Clock, patience: float = 10.0) -> Self:
        """
        Return the service at *url*, which is not contacted yet.

        Args:
            url: `aws-appconfig://REGION`; `runpin.aws_appconfig.address` has the whole form.
            clock: stamps the records and measures deadlines.
            patience: seconds that one call may wait in all.

        Raises:
            SettingsError: the URL cannot be used.
        """
        return cls(parse(url), clock, patience=patience)

    def ends(self) -> float:
        """Return when a call that begins now has to be over, on the clock."""
        return self.clock.monotonic() + self._patience

    def attempt(self, work: Callable[[Clients], T], ends: float, *, again: bool = True) -> T:
        """
        Return what *work* gets from the vendor's clients, before the moment *ends* on the clock.

        Args:
            work: one or more requests.
            ends: when the call has to be over.
            again: whether *work* may be repeated after a failure whose outcome is not known.

        Raises:
            StoreUnavailable, StoreError
        """
        clients, expected = self._clients(), errors()
        for number in range(_ATTEMPTS):
            try:
                with self._timer.within(min(ends - self.clock.monotonic(), self._patience * _SHARE)):
                    return work(clients)
            except expected as error:
                failed = error
            failure = failure_of(failed, self.where)
            rest = uniform(0, 0.02 * 2**number)  # noqa: S311 - spreads attempts
            if not (again and failure.again) or self.clock.monotonic() + rest >= ends:
                break
            Event().wait(rest)
        raise failure.error from failed

    def close(self) -> None:
        """Let go of the connections; a later call opens anew."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.connections.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _clients(self) -> Clients:
        with self._lock:
            self._opened = self._opened or clients_of(self.address, self._timer)
            return self._opened
