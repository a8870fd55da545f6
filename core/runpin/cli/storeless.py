"""What is known without the store that decides: what this host saw last, and what the stores hold that follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.cli.mirrored import channels_in
from runpin.errors import RunpinError
from runpin.mirrors import MirrorState, Standing
from runpin.remembering import ChannelNotes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from runpin.assembly import Runpin
    from runpin.followers import Mirrored
    from runpin.model import Channel, Scope
    from runpin.remembering import Sighting

    Place = tuple[Scope, str]


@dataclass(frozen=True, slots=True)
class Copy:
    """
    What one mirror says by itself.

    Attributes:
        where: its address, as it may be printed.
        standing: whether it answers.
        why: one sentence for people.
        channels: what it holds.
    """

    where: str
    standing: Standing
    why: str
    channels: Mapping[Place, Channel]

    def state(self, channel: Channel) -> MirrorState:
        """Return what it says about *channel*, of which nobody knows where it stands now."""
        there = self.channels.get((channel.scope, channel.name))
        if there is None:
            return MirrorState(self.where, channel, self.standing, self.why)
        return MirrorState(self.where, channel, self.standing, self.why, there.snapshot, there.revision)


@dataclass(frozen=True, slots=True)
class Known:
    """
    What is known of a channel.

    Attributes:
        channel: its newest state, whoever tells of it.
        seen: where this host saw it last, which may be older; None if only mirrors tell of it.
        seen_at: when that was.
    """

    channel: Channel
    seen: Channel | None = None
    seen_at: datetime | None = None


def copies_of(core: Runpin, application: str | None) -> list[Copy]:
    """Return what each mirror says by itself; none of them fails."""
    return [_copy(core, each, application) for each in core.mirrored]


def known_channels(core: Runpin, application: str | None, copies: Sequence[Copy]) -> list[Known]:
    """Return every channel that this host has seen or that one of *copies* holds, also where it saw them last."""
    chosen = core.settings
    sightings = ChannelNotes(core.cache, core.clock).all_seen(chosen.environment)
    seen = {_place(each.channel): each for each in sightings if _is_wanted(each, chosen.tenant, application)}
    held = [channel for copy in copies for channel in copy.channels.values()]
    # Of two that are equal, what this host saw comes last, and stays.
    states = sorted([*held, *(each.channel for each in seen.values())], key=lambda channel: channel.revision)
    newest = {_place(channel): channel for channel in states}
    return [_known(newest[place], seen.get(place)) for place in sorted(newest, key=_order)]


def _known(newest: Channel, seen: Sighting | None) -> Known:
    return Known(newest) if seen is None else Known(newest, seen.channel, seen.at)


def _copy(core: Runpin, mirrored: Mirrored, application: str | None) -> Copy:
    where = mirrored.mirror.where
    if mirrored.copy is None:
        return Copy(where, Standing.NOT_COMPARED, "it is not asked while the store that decides is away", {})
    try:
        channels = channels_in(mirrored.copy, core.settings, application)
    except RunpinError as error:
        return Copy(where, Standing.AWAY, error.what, {})
    held = {(each.scope, each.name): each for each in channels}
    return Copy(where, Standing.NOT_COMPARED, "it answers, and the store that decides is away", held)


def _is_wanted(seen: Sighting, tenant: str | None, application: str | None) -> bool:
    scope = seen.channel.scope
    return tenant in (None, scope.tenant) and application in (None, scope.application)


def _place(channel: Channel) -> Place:
    return channel.scope, channel.name


def _order(place: Place) -> tuple[str, str, str]:
    scope, name = place
    return scope.application, scope.tenant or "", name
