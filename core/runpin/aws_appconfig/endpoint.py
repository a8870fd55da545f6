"""
The service: one deadline for each call, and what to do when an attempt fails.

A request that is sent may be sent again: after a lost answer nobody knows whether it was carried out. What is written
through here is conditional on what it changes itself, so that a repeated request finds the first one's traces.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Self, TypeVar

from runpin.aws_appconfig.address import parse
from runpin.aws_appconfig.agent import Agent
from runpin.aws_appconfig.attempts import Attempts
from runpin.aws_appconfig.clients import clients_of
from runpin.aws_appconfig.failures import errors, failure_of
from runpin.deadlines.timing import Timer

if TYPE_CHECKING:
    from runpin.aws_appconfig.address import Address
    from runpin.aws_appconfig.clients import Clients
    from runpin.ports import Clock

T = TypeVar("T")


class Endpoint:
    """
    AWS AppConfig in one region, for one process; threads may share it. Nothing is contacted before the first call.

    Attributes:
        clock: stamps the records and measures deadlines.
        address: where the service is.
        where: what an error may say about that.
        agent: the AppConfig Agent of this host, which readers ask in the place of the service; None if none is named.
    """

    def __init__(self, address: Address, clock: Clock, *, patience: float) -> None:
        self.clock = clock
        self.address = address
        self.where = address.where
        self._timer = Timer(clock)
        self._attempts = Attempts(clock, self._timer, patience, errors, lambda error: failure_of(error, self.where))
        self.agent = None if address.agent is None else Agent(address.agent, address.agent_token, clock, patience)
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
        return self._attempts.ends()

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
        clients = self._clients()
        return self._attempts.run(lambda: work(clients), ends, again=again)

    def close(self) -> None:
        """Let go of the connections; a later call opens anew."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.connections.clear()
        if self.agent is not None:
            self.agent.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _clients(self) -> Clients:
        with self._lock:
            self._opened = self._opened or clients_of(self.address, self._timer)
            return self._opened
