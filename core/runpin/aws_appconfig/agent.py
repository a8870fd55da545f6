"""
The AppConfig Agent: a program of AWS's beside the readers of one host, which polls for them and keeps what it got.

It answers over HTTP, in the clear, so it is asked on this host alone, and without a proxy. What it may answer:
https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-integration-containers-agent-retrieving-data.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runpin.aws_appconfig.attempts import Attempts
from runpin.aws_appconfig.failures import Failure
from runpin.deadlines.timing import Timer
from runpin.errors import SettingsError, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from runpin.ports import Clock

_START = "start the Agent on this host, or take agent= out of the URL"
_LET_IN = "name a file with its ACCESS_TOKEN as agent_token= in the URL"
_FIND = "look at the names, whether anything was deployed, and whether the Agent's identity may read it"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is served: its bytes, and the label of the version that they are, None if there is none."""

    body: bytes
    label: str | None


class Agent:
    """
    The Agent at one URL; threads may share it. Nothing is contacted before the first call.

    Attributes:
        where: what an error may say about it.
    """

    def __init__(self, url: str, token: str | None, clock: Clock, patience: float) -> None:
        self.where = url
        self._url = url.rstrip("/")
        self._token = token
        self._timer = Timer(clock)
        self._attempts = Attempts(clock, self._timer, patience, _errors, self._judged)

    def served(self, names: Mapping[str, str]) -> Answer:
        """
        Return what the Agent serves.

        Args:
            names: of the `application`, `environment` and `configuration`.

        Raises:
            StoreUnavailable: it does not answer, not in time, or does not let us in.
            StoreError: it has nothing of that name.
            SettingsError: the file with its token cannot be read.
        """
        path = "/".join(f"{kind}s/{quote(name, safe='')}" for kind, name in names.items())
        headers = self._headers()
        return self._attempts.run(lambda: self._got(f"{self._url}/{path}", headers), self._attempts.ends())

    def close(self) -> None:
        """Let go of the connections; a later call opens anew."""
        if "_connections" in self.__dict__:
            self._connections.clear()

    @cached_property
    def _connections(self) -> Any:
        try:
            from urllib3 import PoolManager
        except ImportError as missing:
            fix = "pip install 'runpin[appconfig]'"
            raise SettingsError("the client for AWS is not installed", where="mirror", fix=fix) from missing
        from runpin.deadlines.pools import pools

        connections = PoolManager(maxsize=8)
        connections.pool_classes_by_scheme = pools(self._timer)
        return connections

    def _headers(self) -> dict[str, str]:
        if self._token is None:
            return {}
        try:
            return {"Authorization": f"Bearer {Path(self._token).read_text(encoding='ascii').strip()}"}
        except (OSError, ValueError) as error:
            fix = "correct agent_token= in the URL"
            raise SettingsError("the file with the Agent's token cannot be read", where="mirror", fix=fix) from error

    def _got(self, url: str, headers: Mapping[str, str]) -> Answer:
        answer = self._connections.request(
            "GET", url, headers=headers, retries=False, redirect=False, decode_content=False
        )
        if answer.status != 200:
            raise _Refused(answer.status)
        return Answer(answer.data, answer.headers.get("Version-Label"))

    def _judged(self, error: Exception) -> Failure:
        status = error.status if isinstance(error, _Refused) else 0
        if status in {401, 403}:
            return Failure(StoreUnavailable("the AppConfig Agent does not let us in", where=self.where, fix=_LET_IN))
        if 400 <= status < 500 and status not in {408, 429}:
            what = f"the AppConfig Agent does not have what was asked for ({status})"
            return Failure(StoreError(what, where=self.where, fix=_FIND))
        away = StoreUnavailable("the AppConfig Agent does not answer", where=self.where, fix=_START)
        return Failure(away, again=True, throttled=status == 429)


class _Refused(Exception):
    """The Agent answers with another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


def _errors() -> tuple[type[Exception], ...]:
    from urllib3.exceptions import HTTPError

    return (HTTPError, OSError, ValueError, _Refused)
