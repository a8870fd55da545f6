"""
What readers of AWS AppConfig see, read as they read it.

They ask the Agent of their host if one is named, else the service, through a session of `appconfigdata`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from runpin.aws_appconfig.content import Whole, checked
from runpin.aws_appconfig.flags import require_served
from runpin.aws_appconfig.places import profile_of
from runpin.aws_appconfig.polling import Session
from runpin.errors import StoreCorrupt, UnknownSnapshot
from runpin.model import SnapshotId

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpin.aws_appconfig.agent import Agent, Answer
    from runpin.aws_appconfig.endpoint import Endpoint
    from runpin.model import Scope


class Source(Protocol):
    """Whoever serves one profile."""

    where: str

    def latest(self) -> Answer:
        """Return what is served."""
        ...


class LiveReader:
    """One reader of one channel's mirror, for one thread."""

    def __init__(self, endpoint: Endpoint, scope: Scope, name: str) -> None:
        self._source = source_of(endpoint, scope, name)
        self._scope = scope
        self._seen: Answer | None = None
        self._last: Whole | None = None

    def read(self) -> Whole:
        """
        Return what AppConfig serves, verified; before the next poll is due, what it served last, without a request.

        Raises:
            StoreCorrupt: it is no Snapshot of runpin, or that of another scope.
            StoreError: nothing was deployed yet, or the names are not known.
            StoreUnavailable: the next call begins anew.
        """
        answer = self._source.latest()
        if self._last is None or answer != self._seen:
            self._last = checked(answer.body, answer.label, self._scope, self._source.where)
            self._seen = answer
        return self._last


def served_by(endpoint: Endpoint, scope: Scope, name: str, whole: Callable[[SnapshotId], Whole]) -> SnapshotId:
    """
    Return the id of the Snapshot that AppConfig serves, or whose flags it serves, verified.

    Args:
        endpoint: the service; its address says whether the mirror is one of flags.
        scope: whose channel it is.
        name: the channel.
        whole: returns a Snapshot of the store. What readers get of flags proves nothing by itself, so it is compared.

    Raises:
        StoreCorrupt: it is not what runpin has put there.
        StoreError: nothing was deployed yet, or the names are not known.
        StoreUnavailable
    """
    flags = endpoint.address.flags
    if flags is None:
        return LiveReader(endpoint, scope, name).read().snapshot.id
    source = source_of(endpoint, scope, name)
    answer = source.latest()
    served = _named(answer.label, source.where)
    require_served(answer.body, whole(served), flags, source.where)
    return served


def _named(label: str | None, where: str) -> SnapshotId:
    try:
        return SnapshotId.parse(label or "")
    except UnknownSnapshot as error:
        what, fix = "the flags that AWS AppConfig serves are of no Snapshot", "look who else deploys to this profile"
        raise StoreCorrupt(what, where=where, fix=fix) from error


def source_of(endpoint: Endpoint, scope: Scope, name: str) -> Source:
    """Return who serves the profile of a channel's mirror to readers of this host."""
    names = {
        "application": scope.application,
        "environment": scope.environment,
        "configuration": profile_of(scope, name, endpoint.address.flags),
    }
    return Session(endpoint, names) if endpoint.agent is None else _FromAgent(endpoint.agent, names)


class _FromAgent:
    def __init__(self, agent: Agent, names: dict[str, str]) -> None:
        self.where = agent.where
        self._agent = agent
        self._names = names

    def latest(self) -> Answer:
        """Return what the Agent serves; it is the one who polls."""
        return self._agent.served(self._names)
