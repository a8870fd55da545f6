"""
Channels as a triggerer follows them: asked by its event loop, looked at in threads, because runpin's stores block.

What a trigger fires with is JSON:

    {
      "path": "payments/etl", "application": "payments", "environment": "prod", "tenant": null, "channel": "stable",
      "revision": 7, "snapshot": "payments.prod.v42.3f9a1c2b7d10", "since": "payments.prod.v41.0c9d5e6f7a8b",
      "changed": ["payments/etl"]
    }
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_runpin.triggers.config import told_of
from runpin.assembly import default
from runpin.errors import RunpinError
from runpin.model import Scope, SnapshotId
from runpin.reactions import Reaction, ReactionKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from runpin.assembly import Runpin

    T = TypeVar("T")

_log = logging.getLogger("airflow_provider_runpin")

TOLD = "told to Airflow's assets"


@dataclass(frozen=True, slots=True)
class Move:
    """A move of a channel that has to be told, and what to tell."""

    payload: dict[str, Any]
    reaction: Reaction


@dataclass(frozen=True, slots=True)
class Place:
    """The channel of one scope."""

    core: Runpin
    scope: Scope
    channel: str

    @classmethod
    def of(cls, application: str, environment: str | None, tenant: str | None, channel: str | None) -> Place:
        """Return the channel that is named, the rest taken from the settings of this process."""
        core = default()
        scope = Scope(application, environment or core.settings.environment, tenant or core.settings.tenant)
        return cls(core, scope, channel or core.settings.channel)

    def payload(self, reaction: Reaction) -> dict[str, Any]:
        """Return what is told of a move."""
        return {
            "application": self.scope.application,
            "environment": self.scope.environment,
            "tenant": self.scope.tenant,
            "channel": self.channel,
            "revision": reaction.revision,
            "snapshot": str(reaction.snapshot),
            "since": None if reaction.since is None else str(reaction.since),
            "changed": sorted(self.core.reactor.changed(reaction)),
        }


class Following:
    """The moves of one channel, one after the other, each offered until it was told."""

    def __init__(self, place: Place) -> None:
        self._place = place
        settings = place.core.settings
        self._key = ReactionKey("airflow", settings.deployment, "assets", place.scope, place.channel)
        self._patiently = _Patiently(f"the moves of {place.channel} of {place.scope}", settings.refresh_interval)

    @classmethod
    def open(
        cls, application: str, environment: str | None = None, tenant: str | None = None, channel: str | None = None
    ) -> Following:
        """
        Return the moves of a channel; see `Place.of`.

        Raises:
            SettingsError, NotFound
        """
        return cls(Place.of(application, environment, tenant, channel))

    async def next(self) -> Move:
        """Return the move that is due, as soon as one is; the same one until it was told."""
        return await self._patiently.until(self._look)

    async def told(self, move: Move) -> None:
        """Record that *move* was told, as soon as the store takes it."""
        await self._patiently.until(lambda: self._place.core.reactor.end(move.reaction, TOLD))

    def _look(self) -> Move | None:
        due = self._place.core.reactor.look(self._key).due
        return None if due is None else Move(self._place.payload(due), due)


class Waiting:
    """One channel, until a document there differs from what it was in a Snapshot."""

    def __init__(self, place: Place, path: str, since: SnapshotId) -> None:
        self._place = place
        self._path = path
        self._since = since
        pace = place.core.settings.refresh_interval
        self._patiently = _Patiently(f"{path} of {place.channel} of {place.scope}", pace)

    @classmethod
    def open(cls, path: str, since: str, environment: str | None, tenant: str | None, channel: str | None) -> Waiting:
        """
        Return the wait for *path* to differ from what it is in the Snapshot *since*.

        Raises:
            SettingsError, NotFound
        """
        place = Place.of(path.partition("/")[0], environment, tenant, channel)
        return cls(place, path, SnapshotId.parse(since))

    async def difference(self) -> dict[str, Any]:
        """Return what a trigger fires with, as soon as it differs."""
        return await self._patiently.until(self.look)

    def look(self) -> dict[str, Any] | None:
        """
        Return what a trigger fires with, None if nothing differs.

        Raises:
            StoreUnavailable, UnknownChannel, StoreError
        """
        found = self._place.core.resolver.channel(self._place.scope, self._place.channel)
        now = found.channel
        if found.stale or now.snapshot == self._since:
            return None
        key = ReactionKey("airflow", "", "wait", now.scope, now.name)
        at = self._place.core.clock.now()
        payload = self._place.payload(Reaction(key, now.revision, now.snapshot, now.digest, self._since, at))
        return told_of(self._path, payload)


class _Patiently:
    """
    Tries again and again, at the pace at which channels are looked at.

    Airflow does not start a trigger anew that has failed, so no error of a store ends one; it is told to the log once.
    """

    def __init__(self, what: str, pace: float) -> None:
        self._what = what
        self._pace = pace
        self._complained = False

    async def until(self, step: Callable[[], T | None]) -> T:
        """Return what *step* returns, as soon as that is not None."""
        while True:
            done = await self._tried(step)
            if done is not None:
                return done
            await asyncio.sleep(self._pace)

    async def _tried(self, step: Callable[[], T | None]) -> T | None:
        try:
            done = await asyncio.to_thread(step)
        except RunpinError as error:
            if not self._complained:
                _log.warning("runpin cannot follow %s now and keeps trying: %s", self._what, error)
            self._complained = True
            return None
        self._complained = False
        return done
