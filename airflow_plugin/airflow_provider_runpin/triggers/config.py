"""
The triggers behind config assets and deferred sensors; they run in the triggerer.

Which move of a channel is due is the core's matter, see `runpin.reacting`: what was told is on record in runpin's
store, so a triggerer that is killed goes on where it was.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent  # noqa: TID253 - only Airflow imports this

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable, Mapping

    from airflow.triggers.shared_stream import SharedStreamProducer


class ConfigVersionTrigger(BaseEventTrigger):
    """
    Fires when a channel has moved and *path* is different there.

    All triggers of one channel look once together. A move counts as told when Airflow has stored what follows from it;
    after a triggerer died before it heard of that, the next one finds the watermark that was stored with the event, see
    `airflow_provider_runpin.watermarks`. Where the channel stands at the very first look is no move.

    Args:
        path: `"application/document"`, or an application, any of whose documents counts.
        environment: the deployment target; RUNPIN_ENVIRONMENT of the triggerer by default.
        tenant: the tenant; RUNPIN_TENANT by default.
        channel: the channel; RUNPIN_CHANNEL by default.
    """

    def __init__(
        self, path: str, environment: str | None = None, tenant: str | None = None, channel: str | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow types its own loosely
        self.path = path
        self.environment = environment
        self.tenant = tenant
        self.channel = channel

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what this trigger is made from, which is also what tells it from others."""
        kwargs = {"environment": self.environment, "tenant": self.tenant, "channel": self.channel}
        return f"{__name__}.{type(self).__name__}", {"path": self.path, **kwargs}

    def shared_stream_key(self) -> Hashable | None:
        """Return the channel, which all its triggers look at together."""
        return ("runpin", *self.scope)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Return what looks at the channel, and records what Airflow has stored."""
        from airflow_provider_runpin.triggers.producing import Moves

        return Moves(cls(**kwargs).scope)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Fire for the moves that change *path* and that no event in Airflow's database tells of yet."""
        from airflow_provider_runpin.watermarks import is_stored

        async for move in shared_stream:
            payload = told_of(self.path, move)
            if payload is not None and not await is_stored(self.asset_state_store, payload):
                yield _event(payload)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Do the same alone, for an Airflow that cannot let triggers look together."""
        from airflow_provider_runpin.triggers.following import Following

        following = await asyncio.to_thread(Following.open, *self.scope)
        while True:
            move = await following.next()
            payload = told_of(self.path, move.payload)
            if payload is not None:
                yield _event(payload)
            await following.told(move)

    @property
    def scope(self) -> tuple[str, str | None, str | None, str | None]:
        """Application, environment, tenant and channel; None is what the settings say."""
        return self.path.partition("/")[0], self.environment, self.tenant, self.channel


class ConfigDiffersTrigger(BaseTrigger):
    """
    Fires once, as soon as a channel names a Snapshot in which *path* is not what it is in *since*.

    Args:
        path: see `ConfigVersionTrigger`.
        since: id of the Snapshot to compare with.
        environment: see `ConfigVersionTrigger`, as the others.
        tenant: the tenant.
        channel: the channel.
    """

    def __init__(
        self,
        path: str,
        since: str,
        environment: str | None = None,
        tenant: str | None = None,
        channel: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow types its own loosely
        self.path = path
        self.since = since
        self.environment = environment
        self.tenant = tenant
        self.channel = channel

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what this trigger is made from."""
        kwargs = {"environment": self.environment, "tenant": self.tenant, "channel": self.channel}
        return f"{__name__}.{type(self).__name__}", {"path": self.path, "since": self.since, **kwargs}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until it differs."""
        from airflow_provider_runpin.triggers.following import Waiting

        waiting = await asyncio.to_thread(
            Waiting.open, self.path, self.since, self.environment, self.tenant, self.channel
        )
        yield _event(await waiting.difference())


def told_of(path: str, move: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a trigger for *path*, a document or an application as a whole, tells of *move*; None if nothing."""
    concerned = "/" not in path or path in move["changed"]
    return {"path": path, **move} if concerned else None


def _event(payload: dict[str, Any]) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]  # Airflow types its own loosely
