"""
A session of `appconfigdata`, by its rules.

A session's token is good for one request, and for a day. Its answer brings the next one and says how long to wait. An
empty answer means that nothing has changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpin.aws_appconfig.agent import Answer
from runpin.aws_appconfig.attempts import spread
from runpin.aws_appconfig.failures import code_of, fewer, is_throttled, problem_of
from runpin.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpin.aws_appconfig.clients import Clients
    from runpin.aws_appconfig.endpoint import Endpoint

_LEAST_INTERVAL = 15
"""Seconds between two polls; the service takes no less."""
_LONGEST_REST = 900.0


class Session:
    """
    One reader's session, for one thread; it is begun when it is needed, and anew when its token was lost.

    Attributes:
        where: what an error may say about the service.
    """

    def __init__(self, endpoint: Endpoint, names: Mapping[str, str], spread: Callable[[float], float] = spread) -> None:
        self.where = endpoint.where
        self._endpoint = endpoint
        self._names = {f"{kind.capitalize()}Identifier": name for kind, name in names.items()}
        self._names["ConfigurationProfileIdentifier"] = self._names.pop("ConfigurationIdentifier")
        self._spread = spread
        self._token: str | None = None
        self._due = 0.0
        self._throttled = 0
        self._last: Answer | None = None

    def latest(self) -> Answer:
        """
        Return what AppConfig serves; before the next poll is due, what it served last, without a request.

        Raises:
            StoreError: nothing was deployed yet, or the names are not known.
            StoreUnavailable: the next call begins a new session. Who was told to ask less often does not ask before a
                while has passed, which grows.
        """
        if self._endpoint.clock.monotonic() >= self._due:
            self._poll()
        elif self._last is None:
            raise fewer(self.where)
        if self._last is None:
            self._token = None
            raise StoreUnavailable("AWS AppConfig serves nothing yet", where=self.where)
        return self._last

    def _poll(self) -> None:
        ends = self._endpoint.ends()
        try:
            answer = self._polled(ends) or self._polled(ends)
        except StoreUnavailable as error:
            if is_throttled(error.__cause__):
                self._rest()
            raise
        if answer is None:
            raise StoreUnavailable("AWS AppConfig takes no token of its own", where=self.where)
        self._throttled = 0
        self._wait(answer.get("NextPollIntervalInSeconds", _LEAST_INTERVAL))
        if answer["body"]:
            self._last = Answer(answer["body"], answer.get("VersionLabel"))

    def _wait(self, seconds: float) -> None:
        self._due = self._endpoint.clock.monotonic() + max(_LEAST_INTERVAL, seconds)

    def _rest(self) -> None:
        longest = min(_LONGEST_REST, _LEAST_INTERVAL * 2.0**self._throttled)
        self._throttled += 1
        self._due = self._endpoint.clock.monotonic() + self._spread(longest)

    def _polled(self, ends: float) -> dict[str, Any] | None:
        """Spend the token; None if it is not taken any more, and the next call begins a new session."""
        if self._token is None:
            self._token = self._endpoint.attempt(self._begin, ends)
        token, self._token = self._token, None
        # Whether a lost answer has spent the token is not known: never repeated.
        answer = self._endpoint.attempt(lambda clients: _polled(clients, token), ends, again=False)
        if answer is not None:
            self._token = answer.get("NextPollConfigurationToken", token if "early" in answer else None)
        return answer

    def _begin(self, clients: Clients) -> str:
        least = {"RequiredMinimumPollIntervalInSeconds": _LEAST_INTERVAL}
        answer = clients.data.start_configuration_session(**self._names, **least)
        token: str = answer["InitialConfigurationToken"]
        return token


def _polled(clients: Clients, token: str) -> dict[str, Any] | None:
    from botocore.exceptions import ClientError  # type: ignore[import-untyped] # it ships no types

    try:
        answer = clients.data.get_latest_configuration(ConfigurationToken=token)
    except ClientError as error:
        if code_of(error) != "BadRequestException":
            raise
        # The clocks run differently, so the token was not spent, and nothing is known to have changed.
        early = problem_of(error) == "PollIntervalNotSatisfied"
        return {"early": True, "body": b""} if early else None
    return {**answer, "body": answer["Configuration"].read()}
