"""`runpin mirror`: the stores and services that follow the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.lookup import channel_of
from runpin.cli.mirrored import all_well, every_channel, mirror_shape, require_mirrors
from runpin.cli.options import AsJson, ChannelName, Environment, Tenant, opened
from runpin.cli.printing import columns, emit, note
from runpin.errors import RunpinError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpin.assembly import Runpin
    from runpin.aws_appconfig.mirror import Mirror as AppConfig
    from runpin.mirrors import MirrorState
    from runpin.model import Channel

mirror = typer.Typer(help="Bring the stores that follow to where channels stand, and see how they stand.")

MaybeApplication = Annotated[
    str | None, typer.Argument(metavar="[APPLICATION]", help="For example payments; or --all.", show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="Every channel of the environment; of all tenants, without --tenant.")]


@mirror.command("bring")
def bring_mirrors(
    application: MaybeApplication = None,
    *,
    everything: All = False,
    environment: Environment = None,
    tenant: Tenant = None,
    name: ChannelName = None,
    as_json: AsJson = False,
) -> None:
    """
    Do what is missing for every mirror to serve what a channel names.

    Running it again finishes what was interrupted, and else changes nothing. It waits for no deployment to end.
    """
    _require_one(application, everything=everything)
    with opened(environment, tenant, name) as core:
        require_mirrors(core)
        states = core.bring_mirrors(_chosen(core, application))
    _tell(states, {}, as_json=as_json)


@mirror.command("show")
def show_mirrors(
    application: MaybeApplication = None,
    *,
    everything: All = False,
    environment: Environment = None,
    tenant: Tenant = None,
    name: ChannelName = None,
    live: Annotated[
        bool, typer.Option("--live", help="Also read what AppConfig serves, as its readers do, and verify it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how every mirror stands to a channel. Nothing is copied or deployed."""
    _require_one(application, everything=everything)
    with opened(environment, tenant, name) as core:
        require_mirrors(core)
        chosen = _chosen(core, application)
        states = core.look_at_mirrors(chosen)
        served = _served(core, chosen) if live else {}
    _tell(states, served, as_json=as_json)


def _require_one(application: str | None, *, everything: bool) -> None:
    if (application is None) != everything:
        raise typer.BadParameter("name an application, or --all", param_hint="APPLICATION")


def _chosen(core: Runpin, application: str | None) -> Sequence[Channel]:
    return every_channel(core) if application is None else [channel_of(core, application)]


def _served(core: Runpin, channels: Sequence[Channel]) -> dict[tuple[str, Channel], str]:
    """Return what readers of AppConfig get, by mirror and channel, or why that is not known."""
    from runpin.aws_appconfig.mirror import Mirror

    services = [each for each in core.mirrors if isinstance(each, Mirror)]
    return {(each.where, channel): _served_by(each, channel) for each in services for channel in channels}


def _served_by(service: AppConfig, channel: Channel) -> str:
    try:
        return str(service.served(channel.scope, channel.name))
    except RunpinError as error:
        return f"not known: {error.what}"


def _tell(states: Sequence[MirrorState], served: dict[tuple[str, Channel], str], *, as_json: bool) -> None:
    if as_json:
        shapes = [{**mirror_shape(each), "served": served.get((each.where, each.channel))} for each in states]
        emit({"well": all_well(states), "mirrors": shapes})
    else:
        _print(states, served)
    if not all_well(states):
        raise typer.Exit(1)


def _print(states: Sequence[MirrorState], served: dict[tuple[str, Channel], str]) -> None:
    if not states:
        note("No channel is there yet.")
        return
    rows = [
        (str(each.channel.scope), each.channel.name, each.where, str(each.standing), each.why)
        + ((served.get((each.where, each.channel), ""),) if served else ())
        for each in states
    ]
    columns(("scope", "channel", "mirror", "standing", "why", *(("served",) if served else ())), rows)
