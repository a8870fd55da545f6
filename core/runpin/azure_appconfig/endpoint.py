"""
The service: one deadline for each call, and what to do when an attempt fails.

A request that is sent may be sent again: after a lost answer nobody knows whether it was carried out. Everything
written through here is therefore conditional on something that it changes itself, so that it is carried out once at
most, however late the first attempt arrives.

A read may be some seconds old. The service promises a fresh one only to who shows the token of an earlier answer, and
the vendor's client shows the tokens of its own process
(https://learn.microsoft.com/azure/azure-app-configuration/rest-api-consistency). A condition is never old: it is
checked where the key-value is written. So everything here decides by conditions, and reads only to prepare them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from operator import itemgetter
from random import uniform
from threading import Event
from typing import TYPE_CHECKING, Self, TypeVar

from runpin.azure_appconfig.address import access_key, parse
from runpin.azure_appconfig.failures import errors, failure_of
from runpin.azure_appconfig.keys import Keys
from runpin.azure_appconfig.transport import client_of
from runpin.deadlines.timing import Timer

if TYPE_CHECKING:
    from azure.appconfiguration import AzureAppConfigurationClient

    from runpin.azure_appconfig.address import AccessKey, Address
    from runpin.azure_appconfig.failures import Failure
    from runpin.ports import Clock

T = TypeVar("T")

# Their number ends the attempts even under a clock that stands still.
_ATTEMPTS = 12
_SHARE = 0.5
"""The part of the patience that one attempt may take, so that one lost packet leaves time for another attempt."""


class Endpoint:
    """
    One App Configuration store, and the keys below one prefix of it.

    It may be shared between threads, and used on both sides of a fork. Nothing is opened before the first call.
    Always one endpoint: the replicas of a store that is geo-replicated agree on no condition.

    Attributes:
        address: where the store is, and what is published there for Azure's own readers.
        where: what an error may say about that.
        keys: where everything lies.
        patience: seconds that one call may wait in all.
        clock: stamps the records and measures deadlines.
    """

    def __init__(self, address: Address, key: AccessKey | None, clock: Clock, *, patience: float) -> None:
        self.clock = clock
        self.where = address.where
        self.keys = Keys(address.root)
        self.patience = patience
        self.address = address
        self._key = key
        self._timer = Timer(clock)
        self._opened: tuple[int, AzureAppConfigurationClient] | None = None
        self._resting: tuple[float, Failure | None] = (float("-inf"), None)

    @classmethod
    def open(cls, url: str, *, clock: Clock, connection_string: str | None = None, patience: float = 5.0) -> Self:
        """
        Return the store at *url*, which is not contacted yet.

        Args:
            url: `azure-appconfig://NAME.azconfig.io/prefix`; `runpin.azure_appconfig.address` has the whole form.
            clock: stamps the records and measures deadlines.
            connection_string: read only if the URL says `auth=connection-string`.
            patience: seconds that one call may wait in all.

        Raises:
            SettingsError: the URL or the connection string cannot be used.
        """
        address = parse(url)
        key = access_key(connection_string, address) if address.by_key else None
        return cls(address, key, clock, patience=patience)

    def attempt(
        self,
        work: Callable[[AzureAppConfigurationClient], T],
        ends: float,
        *,
        tries: int = _ATTEMPTS,
        on_failure: Callable[[Failure], None] = lambda _: None,
    ) -> T:
        """
        Return what *work* gets from the vendor's client, before the moment *ends* on the clock.

        While the service wants to be left alone, nobody in this process asks it, whoever it said so to.

        Args:
            work: repeated after a failure whose outcome is not known.
            ends: when the call is over.
            tries: how often at most.
            on_failure: called with each failure, whatever follows from it.

        Raises:
            StoreUnavailable, StoreError
        """
        client, expected = self._client(), errors()
        for number in range(1, tries + 1):
            self._leave_alone(ends, on_failure)
            try:
                with self._timer.within(min(ends - self.clock.monotonic(), self.patience * _SHARE)):
                    return work(client)
            except expected as error:
                failed = error
            failure = failure_of(failed, self.where)
            on_failure(failure)
            self._resting = max(self._resting, (self.clock.monotonic() + failure.rest, failure), key=itemgetter(0))
            rest = max(failure.rest, uniform(0, 0.01 * 2 ** min(number, 6)))  # noqa: S311 - spreads attempts
            if number == tries or not failure.again or self.clock.monotonic() + rest >= ends:
                break
            Event().wait(rest)
        raise failure.error from failed

    def close(self) -> None:
        """Let go of the connections; a later call opens anew."""
        opened, self._opened = self._opened, None
        if opened is not None and opened[0] == os.getpid():
            opened[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _leave_alone(self, ends: float, on_failure: Callable[[Failure], None]) -> None:
        """Wait as long as the service wants to be left alone, or raise if that is longer than the call may take."""
        until, failure = self._resting
        now = self.clock.monotonic()
        if failure is None or now >= until:
            return
        if until >= ends:
            unasked = failure.unasked(until - now)
            on_failure(unasked)
            raise unasked.error
        Event().wait(until - now)

    def _client(self) -> AzureAppConfigurationClient:
        # What a forked child has inherited is the parent's: connections, and locks that a thread may have held.
        opened = self._opened
        if opened is not None and opened[0] == os.getpid():
            return opened[1]
        opened = self._opened = (os.getpid(), client_of(self.address, self._key, self._timer))
        return opened[1]
