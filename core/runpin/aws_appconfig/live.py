"""
What readers of AWS AppConfig see, read as they read it: through a session of `appconfigdata`.

A session's token is good for one request, whose answer brings the next one and says how long to wait. An empty answer
means that nothing has changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpin.aws_appconfig.content import Whole, unpacked
from runpin.aws_appconfig.failures import code_of
from runpin.aws_appconfig.places import profile_of
from runpin.errors import StoreUnavailable

if TYPE_CHECKING:
    from runpin.aws_appconfig.clients import Clients
    from runpin.aws_appconfig.endpoint import Endpoint
    from runpin.model import Scope

_LEAST_INTERVAL = 15
"""Seconds between two polls; the service takes no less."""


class LiveReader:
    """One reader of one channel's mirror, for one thread."""

    def __init__(self, endpoint: Endpoint, scope: Scope, name: str) -> None:
        self._endpoint = endpoint
        self._names = {
            "ApplicationIdentifier": scope.application,
            "EnvironmentIdentifier": scope.environment,
            "ConfigurationProfileIdentifier": profile_of(scope, name),
        }
        self._token: str | None = None
        self._due = 0.0
        self._last: Whole | None = None

    def read(self) -> Whole:
        """
        Return what AppConfig serves, verified; before the next poll is due, what it served last, without a request.

        Raises:
            StoreCorrupt: it is no Snapshot of runpin.
            StoreError: nothing was deployed yet, or the names are not known.
            StoreUnavailable: the next call begins a new session.
        """
        if self._last is not None and self._endpoint.clock.monotonic() < self._due:
            return self._last
        ends = self._endpoint.ends()
        answer = self._polled(ends) or self._polled(ends)
        if answer is None:
            raise StoreUnavailable("AWS AppConfig takes no token of its own", where=self._endpoint.where)
        self._due = self._endpoint.clock.monotonic() + answer["NextPollIntervalInSeconds"]
        if answer["body"]:
            self._last = unpacked(answer["body"], self._endpoint.where)
        if self._last is None:
            self._token = None
            raise StoreUnavailable("AWS AppConfig serves nothing yet", where=self._endpoint.where)
        return self._last

    def _polled(self, ends: float) -> dict[str, Any] | None:
        """Spend the token; None if it is not taken any more, and the next call begins a new session."""
        if self._token is None:
            self._token = self._endpoint.attempt(self._begin, ends)
        token, self._token = self._token, None
        # Whether a lost answer has spent the token is not known: never repeated.
        answer = self._endpoint.attempt(lambda clients: _poll(clients, token), ends, again=False)
        self._token = None if answer is None else answer["NextPollConfigurationToken"]
        return answer

    def _begin(self, clients: Clients) -> str:
        least = {"RequiredMinimumPollIntervalInSeconds": _LEAST_INTERVAL}
        answer = clients.data.start_configuration_session(**self._names, **least)
        token: str = answer["InitialConfigurationToken"]
        return token


def _poll(clients: Clients, token: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError  # type: ignore[import-untyped] # it ships no types

    try:
        answer = clients.data.get_latest_configuration(ConfigurationToken=token)
    except ClientError as error:
        if code_of(error) != "BadRequestException":
            raise
        return None
    return {**answer, "body": answer["Configuration"].read()}
