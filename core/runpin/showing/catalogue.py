"""What is live: every application and its channels, and the history of one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields
from typing import TYPE_CHECKING

from runpin.errors import UnknownApplication, UnknownChannel
from runpin.model import ChannelMove, check_name
from runpin.parsing.nearest import advice
from runpin.resolving import Resolution
from runpin.rolling_back import finishes_another
from runpin.showing.facts import (
    ApplicationFacts,
    ApplicationsFacts,
    ChannelFacts,
    Event,
    HistoryFacts,
    Live,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runpin.model import Channel, Publication, Scope
    from runpin.showing.backends import Backends
    from runpin.showing.looking import Look

MOST_APPLICATIONS = 200
_EVENTS = 100


def show_applications(look: Look, of: Backends) -> ApplicationsFacts:
    """Return every application with its channels, at most 200; those of the settings if the store is away."""
    by_name: dict[str, list[ChannelFacts]] = defaultdict(list)
    for channel in channels_of(look, of):
        if channel.scope.application in by_name or len(by_name) < MOST_APPLICATIONS:
            scope = channel.scope
            by_name[scope.application].append(_channel(look, scope, look.standing(Resolution(channel))))
    if look.problems and not by_name:
        for application in of.applications:
            scope = of.scope(application)
            live = look.live(scope, of.channel)
            by_name[application] += [] if live is None else [_channel(look, scope, live)]
    told = tuple(ApplicationFacts(name, tuple(by_name[name])) for name in sorted(by_name))
    return ApplicationsFacts(of.environment, of.tenant, of.channel, told, look.problems)


def channels_of(look: Look, of: Backends) -> Sequence[Channel]:
    """Return every channel, by application and name; none if the store is away."""
    found = look.store(lambda: of.store.channels(of.environment, of.tenant)) or ()
    return sorted(found, key=lambda each: (each.scope.application, each.name))


def show_history(look: Look, of: Backends, application: str, channel: str | None) -> HistoryFacts:
    """
    Return the publications of *application* and the moves of one channel of it, newest first.

    Raises:
        UnknownApplication: nothing of it was published here.
        UnknownChannel: it cannot be the name of one.
        StoreUnavailable
    """
    scope, name = of.scope(application), check_name("channel", channel or of.channel, UnknownChannel)
    ask = of.store_circuit.ask
    publications = ask(of.store.publications, scope, _EVENTS)
    moves = ask(of.store.moves, scope, name, _EVENTS)
    if not publications and not moves:
        raise _unknown(look, of, scope)
    events = [*(_moved(look, move) for move in moves), *(_published(look, line) for line in publications)]
    # A move is later than the publication that it follows from, however fast that was.
    newest = sorted(events, key=_when, reverse=True)[:_EVENTS]
    return HistoryFacts(application, of.environment, of.tenant, name, tuple(newest))


def went_back(move: ChannelMove) -> bool:
    """Tell whether a move went to an older snapshot than the one before, or finished a rollback that had."""
    older = move.previous is not None and move.channel.snapshot.sequence < move.previous.sequence
    return older or finishes_another(move)


def _channel(look: Look, scope: Scope, live: Live) -> ChannelFacts:
    told = {each.name: getattr(live, each.name) for each in fields(Live)}
    return ChannelFacts(**told, commit=look.commit_of(scope, live.snapshot), pins=look.count(live.snapshot))


def _when(event: Event) -> datetime:
    return event.at


def _moved(look: Look, move: ChannelMove) -> Event:
    channel = move.channel
    return Event(
        "rollback" if went_back(move) else "move",
        channel.moved_at,
        move.actor,
        channel.snapshot,
        look.is_barred(channel.snapshot),
        None,
        move.previous,
        channel.revision,
        move.reason,
    )


def _published(look: Look, line: Publication) -> Event:
    barred = look.is_barred(line.snapshot)
    return Event("publication", line.at, line.actor, line.snapshot, barred, line.commit, None, None, None)


def _unknown(look: Look, of: Backends, scope: Scope) -> UnknownApplication:
    names = {each.scope.application for each in channels_of(look, of)}
    return UnknownApplication(
        f"nothing of {scope.application!r} is published",
        where=scope.environment,
        fix=advice(scope.application, names) if names else None,
    )
