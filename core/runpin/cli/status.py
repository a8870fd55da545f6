"""`runpin status`: where every channel stands, in the store that decides and in those that follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.mirrored import all_well, every_channel, mirror_shape
from runpin.cli.options import AsJson, Environment, Tenant, opened
from runpin.cli.printing import columns, complain, emit, moment, note
from runpin.cli.shapes import channel_shape, text_or_none
from runpin.cli.storeless import Known, copies_of, known_channels
from runpin.errors import StoreUnavailable, UnknownApplication
from runpin.mirrors import Standing
from runpin.parsing.nearest import advice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runpin.assembly import Runpin
    from runpin.cli.shapes import Shape
    from runpin.cli.storeless import Copy
    from runpin.mirrors import MirrorState
    from runpin.model import Channel

_DECIDES = "decides"


def status(
    application: Annotated[
        str | None,
        typer.Argument(metavar="[APPLICATION]", help="Only this one; all by default.", show_default=False),
    ] = None,
    *,
    environment: Environment = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """
    Show where every channel stands, in each store.

    It ends with 1 if a store does not follow the one that decides. If that one does not answer, it shows what this host
    saw last and what the others hold, and ends with 5.
    """
    with opened(environment, tenant) as core:
        seen = _seen(core, application)
    if as_json:
        emit(_shape(seen))
    else:
        _print(seen)
    if seen.away is not None:
        raise typer.Exit(seen.away.exit_code)
    if not all_well(seen.states):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Seen:
    """
    What one look found.

    Attributes:
        store: the address of the store that decides.
        known: the channels there; what is known of them otherwise, if it does not answer.
        states: how the mirrors stand to them.
        away: why it does not answer; None if it does.
        copies: what each mirror says by itself, if it does not.
    """

    environment: str
    store: str
    known: Sequence[Known]
    states: Sequence[MirrorState]
    away: StoreUnavailable | None = None
    copies: Sequence[Copy] = ()


def _seen(core: Runpin, application: str | None) -> _Seen:
    environment, store = core.settings.environment, _store(core)
    try:
        channels = _channels(core, application)
    except StoreUnavailable as away:
        copies = copies_of(core, application)
        known = known_channels(core, application, copies)
        states = [copy.state(each.channel) for each in known for copy in copies]
        return _Seen(environment, store, known, states, away, copies)
    # For the day on which the store does not answer.
    core.resolver.note_channels(channels)
    known = [Known(each, each, core.clock.now()) for each in channels]
    return _Seen(environment, store, known, core.look_at_mirrors(channels))


def _channels(core: Runpin, application: str | None) -> Sequence[Channel]:
    found = every_channel(core, application)
    if not found and application is not None:
        known = {channel.scope.application for channel in every_channel(core)}
        environment = core.settings.environment
        fix = advice(application, known) if known else f"publish it: `runpin publish --environment {environment}`"
        raise UnknownApplication(f"nothing of {application!r} is published", where=environment, fix=fix)
    return found


def _store(core: Runpin) -> str:
    from runpin.backends import shown_address

    return shown_address(core.settings.store_url.get_secret_value())


def _of(channel: Channel, states: Sequence[MirrorState]) -> list[MirrorState]:
    # It may have moved on since it was listed.
    place = (channel.scope, channel.name)
    return [state for state in states if (state.channel.scope, state.channel.name) == place]


def _shape(seen: _Seen) -> Shape:
    return {
        "environment": seen.environment,
        "store": seen.store,
        "well": seen.away is None and all_well(seen.states),
        "away": None if seen.away is None else _away_shape(seen.away, seen.copies),
        "channels": [
            {
                **channel_shape(each.channel),
                "seen": _sighting_shape(each),
                "mirrors": [_short(state) for state in _of(each.channel, seen.states)],
            }
            for each in seen.known
        ],
    }


def _sighting_shape(known: Known) -> Shape | None:
    if known.seen is None or known.seen_at is None:
        return None
    snapshot = str(known.seen.snapshot)
    return {"revision": known.seen.revision, "snapshot": snapshot, "at": known.seen_at.isoformat()}


def _away_shape(away: StoreUnavailable, copies: Sequence[Copy]) -> Shape:
    mirrors = [{"mirror": each.where, "standing": str(each.standing), "why": each.why} for each in copies]
    return {**away.as_json(), "mirrors": mirrors}


def _short(state: MirrorState) -> Shape:
    return {name: value for name, value in mirror_shape(state).items() if name not in {"deployment", "recorded"}}


def _print(seen: _Seen) -> None:
    rows = [row for each in seen.known for row in _rows(each, seen)]
    if not rows:
        rows = [("", "", each.where, str(each.standing), "", "", each.why) for each in seen.copies]
    if rows:
        columns(("scope", "channel", "store", "standing", "revision", "snapshot", "since, or why not"), rows)
    elif seen.away is None:
        note(f"Nothing is published in {seen.environment}.")
    if seen.away is not None:
        complain(seen.away.what, [("where", seen.away.where or seen.store), ("fix", seen.away.fix)])


def _rows(known: Known, seen: _Seen) -> Iterator[Sequence[str]]:
    channel = known.channel
    where = str(channel.scope), channel.name, seen.store
    if seen.away is None:
        yield *where, _DECIDES, str(channel.revision), str(channel.snapshot), moment(channel.moved_at)
    else:
        yield *where, str(Standing.AWAY), *_last_seen(known)
    for state in _of(channel, seen.states):
        revision = "" if state.revision is None else str(state.revision)
        why = "" if state.standing is Standing.IN_STEP else state.why
        yield "", "", state.where, str(state.standing), revision, text_or_none(state.snapshot) or "", why


def _last_seen(known: Known) -> Sequence[str]:
    if known.seen is None or known.seen_at is None:
        return "", "", "this host never saw it there"
    return str(known.seen.revision), str(known.seen.snapshot), f"seen by this host at {moment(known.seen_at)}"
