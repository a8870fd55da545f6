"""
The mirror: brings AWS AppConfig to where a channel stands, as often as it is asked to.

The store decides where a channel stands; AppConfig is told. There is no queue of what is still to be told: each call
compares the channel with the newest deployment and does what is missing, so that a call that died is finished by the
next one. The deployments are looked at before the channel, and one is started on condition that none was started
since. So what is deployed never goes back to an earlier stand of the channel, whoever is late.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from runpin.aws_appconfig.address import SCHEME
from runpin.aws_appconfig.content import whole_of
from runpin.aws_appconfig.deployments import COMPLETE, TAKEN_BACK, Deployment, Seen, look, start, stop
from runpin.aws_appconfig.flags import content_of
from runpin.aws_appconfig.live import served_by
from runpin.aws_appconfig.places import Place, place_of, profile_of
from runpin.aws_appconfig.versions import published
from runpin.errors import SnapshotRefused, StoreUnavailable, UnknownSnapshot
from runpin.mirrors import MirrorState, Standing
from runpin.model import SnapshotId
from runpin.ports import ChannelStore, SnapshotStore
from runpin.reactions import Reaction, ReactionKey

if TYPE_CHECKING:
    from runpin.aws_appconfig.clients import Clients
    from runpin.aws_appconfig.endpoint import Endpoint
    from runpin.model import Channel, Scope
    from runpin.ports import Reactions

_ROUNDS = 4
_DEPLOYED = "mirror"
_LEFT_OUT = "left out"
_TO_DO = (Standing.BEHIND, Standing.LEFT_OUT)


class Mirrored(SnapshotStore, ChannelStore, Protocol):
    """The store that decides: snapshots and channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State(MirrorState):
    """
    What one look found.

    Attributes:
        deployment: the newest deployment of the channel's profile, None if there is none.
        recorded: how the deployment for this stand ended, as the ledger has it; None while nothing is recorded.
    """

    deployment: Deployment | None
    recorded: str | None = None
    place: Place = field(repr=False)
    seen: Seen = field(repr=False)


class Mirror:
    """
    Mirrors channels into AWS AppConfig, and notices what AppConfig makes of that.

    A deployment that AppConfig has rolled back, because of an alarm for example, is recorded and not started again:
    the channel has to move first.

    Attributes:
        endpoint: the service.
    """

    def __init__(self, endpoint: Endpoint, store: Mirrored, reactions: Reactions) -> None:
        self.endpoint = endpoint
        self._store = store
        self._reactions = reactions

    @property
    def where(self) -> str:
        """Its address, as it may be printed."""
        return self.endpoint.where

    def served(self, scope: Scope, name: str) -> SnapshotId:
        """
        Return which Snapshot readers of AppConfig get, verified.

        Raises:
            StoreCorrupt, StoreUnavailable, StoreError
        """
        return served_by(self.endpoint, scope, name, lambda snapshot: whole_of(self._store, snapshot))

    def look(self, scope: Scope, name: str) -> State:
        """
        Return how the mirror stands. Nothing is deployed; an end that was not seen before is recorded.

        Raises:
            UnknownChannel, StoreUnavailable, StoreError
        """
        return self._recorded(self._looked(scope, name, self.endpoint.ends()))

    def bring(self, scope: Scope, name: str) -> State:
        """
        Do what is missing for AppConfig to serve what the channel names, and return how the mirror stands then.

        It does not wait for a deployment to end. One that is under way for an earlier stand of the channel is stopped.

        Raises:
            UnknownChannel: nothing was published to it.
            SnapshotRefused: AppConfig does not take this Snapshot. That is recorded, and the next call tries again.
            StoreCorrupt: the Snapshot's label is used for something else.
            StoreUnavailable, StoreError
        """
        ends = self.endpoint.ends()
        state = self._looked(scope, name, ends)
        for _ in range(_ROUNDS):
            if state.standing not in _TO_DO or not self._step(state, ends):
                break
            state = self._looked(scope, name, ends)
        return self._recorded(state)

    def _looked(self, scope: Scope, name: str, ends: float) -> State:
        address = self.endpoint.address
        where = f"{self.endpoint.where}, profile {profile_of(scope, name, address.flags)!r} of {scope}"

        def work(clients: Clients) -> tuple[Place, Seen]:
            place = place_of(clients, scope, name, address, where)
            return place, look(clients, place)

        place, seen = self.endpoint.attempt(work, ends)
        channel = self._store.channel(scope, name)
        ended = self._outcome(_DEPLOYED, channel)
        standing, why = _judged(channel, seen, ended)
        if standing is Standing.BEHIND and ended is None:
            refusal = self._outcome(_LEFT_OUT, channel)
            standing, why = (standing, why) if refusal is None else (Standing.LEFT_OUT, refusal)
        ours = seen.ours
        return State(
            where=self.where,
            channel=channel,
            standing=standing,
            why=why,
            snapshot=None if ours is None else _served(ours),
            revision=None if ours is None else ours.revision,
            deployment=ours,
            recorded=ended,
            place=place,
            seen=seen,
        )

    def _step(self, state: State, ends: float) -> bool:
        """Do the next thing that is missing; tell whether another look is worth it."""
        ours, under_way = state.deployment, state.seen.under_way
        if under_way is not None:
            if ours is None or ours.number != under_way or ours.revision is None or ours.state == "ROLLING_BACK":
                return False
            self.endpoint.attempt(lambda clients: stop(clients, state.place, ours), ends)
            return True
        try:
            self._deploy(state, ends)
        except SnapshotRefused as refused:
            # Whether or not the ledger answers, the caller is told.
            with suppress(StoreUnavailable):
                self._record(_LEFT_OUT, state.channel, refused.what)
            raise
        return True

    def _deploy(self, state: State, ends: float) -> None:
        flags, label = self.endpoint.address.flags, str(state.channel.snapshot)
        content = content_of(whole_of(self._store, state.channel.snapshot), flags, self.endpoint.where)

        def work(clients: Clients) -> None:
            version = published(clients, state.place, label, content, self.endpoint.where)
            # A first deployment has no condition: only a look tells whether a lost attempt was carried out.
            if version is not None and (state.seen.latest or not look(clients, state.place).latest):
                start(clients, state.place, version, state.channel, state.seen.latest)

        self.endpoint.attempt(work, ends)

    def _key(self, what: str, channel: Channel) -> ReactionKey:
        return ReactionKey(SCHEME, self.endpoint.address.key, what, channel.scope, channel.name)

    def _outcome(self, what: str, channel: Channel) -> str | None:
        """Return what is recorded for the present stand of *channel*."""
        newest = self._reactions.newest(self._key(what, channel))
        return newest.outcome if newest is not None and newest.revision == channel.revision else None

    def _recorded(self, state: State) -> State:
        """Record how the deployment for the present stand ended, if it has and that is not recorded."""
        ours, channel = state.deployment, state.channel
        if ours is None or not ours.is_for(channel) or ours.state not in TAKEN_BACK | {COMPLETE} or state.recorded:
            return state
        recorded = self._record(_DEPLOYED, channel, f"deployment {ours.number}: {_ending(ours)}")
        return state if recorded is None else replace(state, recorded=recorded)

    def _record(self, what: str, channel: Channel, outcome: str) -> str | None:
        """Record *outcome* for this stand of *channel* unless one is, and return that; None if it has moved on."""
        key, at = self._key(what, channel), self.endpoint.clock.now()
        told = Reaction(key, channel.revision, channel.snapshot, channel.digest, None, at)
        begun = self._reactions.begin(told)
        if begun.outcome is None and begun.revision != channel.revision:
            # Whoever saw an earlier end died before it was written down.
            self._reactions.end(begun, "not known: it was not written down")
            begun = self._reactions.begin(told)
        if begun.revision != channel.revision:
            return None
        return self._reactions.end(begun, outcome).outcome


def _served(ours: Deployment) -> SnapshotId | None:
    """Return the Snapshot that readers get or are about to get; None if it is not known."""
    if ours.snapshot is None or ours.state in TAKEN_BACK:
        return None
    try:
        return SnapshotId.parse(ours.snapshot)
    except UnknownSnapshot:
        return None


def _judged(channel: Channel, seen: Seen, recorded: str | None) -> tuple[Standing, str]:
    ours = seen.ours
    if ours is not None and ours.is_for(channel):
        return _judged_own(ours)
    if recorded is not None and any(state in recorded for state in TAKEN_BACK):
        return Standing.TAKEN_BACK, f"AppConfig has taken this back before: {recorded}"
    if seen.under_way is not None:
        return Standing.BEHIND, f"deployment {seen.under_way} of the environment is under way"
    if ours is None:
        return Standing.BEHIND, "nothing was deployed to this profile"
    if ours.revision is None:
        return Standing.BEHIND, f"somebody else has started deployment {ours.number}"
    return Standing.BEHIND, f"deployment {ours.number} is for revision {ours.revision}"


def _judged_own(ours: Deployment) -> tuple[Standing, str]:
    if ours.state == COMPLETE:
        return Standing.IN_STEP, f"deployment {ours.number} is complete"
    if ours.state in TAKEN_BACK:
        return Standing.TAKEN_BACK, f"deployment {ours.number}: {_ending(ours)}"
    if ours.state == "ROLLING_BACK":
        return Standing.MOVING, f"deployment {ours.number} is being rolled back"
    return Standing.MOVING, f"deployment {ours.number} is {ours.state}, {ours.percentage:g} %"


def _ending(ours: Deployment) -> str:
    causes = [each for each in ours.events if "ROLLBACK" in each or "REVERT" in each]
    return f"{ours.state}, {causes[-1]}" if causes and ours.state in TAKEN_BACK else ours.state
