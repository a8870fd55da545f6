"""`runpin status`: where every channel stands, in the store that decides and in those that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.mirrored import all_well, every_channel, mirror_shape
from runpin.cli.options import AsJson, Environment, Tenant, opened
from runpin.cli.printing import columns, emit, moment, note
from runpin.cli.shapes import channel_shape, text_or_none
from runpin.errors import UnknownApplication
from runpin.parsing.nearest import advice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runpin.assembly import Runpin
    from runpin.cli.shapes import Shape
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

    It ends with 1 if a store does not follow the one that decides.
    """
    with opened(environment, tenant) as core:
        channels = _channels(core, application)
        states = core.look_at_mirrors(channels)
        store, chosen = _store(core), core.settings.environment
    if as_json:
        emit(_shape(chosen, store, channels, states))
    else:
        _print(chosen, store, channels, states)
    if not all_well(states):
        raise typer.Exit(1)


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


def _shape(environment: str, store: str, channels: Sequence[Channel], states: Sequence[MirrorState]) -> Shape:
    return {
        "environment": environment,
        "store": store,
        "well": all_well(states),
        "channels": [
            {**channel_shape(channel), "mirrors": [_short(state) for state in _of(channel, states)]}
            for channel in channels
        ],
    }


def _short(state: MirrorState) -> Shape:
    return {name: value for name, value in mirror_shape(state).items() if name not in {"deployment", "recorded"}}


def _print(environment: str, store: str, channels: Sequence[Channel], states: Sequence[MirrorState]) -> None:
    if not channels:
        note(f"Nothing is published in {environment}.")
        return
    header = ("scope", "channel", "store", "standing", "revision", "snapshot", "since, or why not")
    columns(header, [row for channel in channels for row in _rows(channel, store, _of(channel, states))])


def _rows(channel: Channel, store: str, states: Sequence[MirrorState]) -> Iterator[Sequence[str]]:
    since = moment(channel.moved_at)
    yield str(channel.scope), channel.name, store, _DECIDES, str(channel.revision), str(channel.snapshot), since
    for state in states:
        revision = "" if state.revision is None else str(state.revision)
        why = "" if state.standing == "in step" else state.why
        yield "", "", state.where, str(state.standing), revision, text_or_none(state.snapshot) or "", why
