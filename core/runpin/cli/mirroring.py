"""`runpin mirror`: AWS AppConfig, which follows a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.lookup import channel_of
from runpin.cli.options import ApplicationName, AsJson, ChannelName, Environment, Tenant, opened
from runpin.cli.printing import emit, fields, say
from runpin.cli.shapes import channel_shape

if TYPE_CHECKING:
    from runpin.assembly import Runpin
    from runpin.aws_appconfig.deployments import Deployment
    from runpin.aws_appconfig.mirror import State
    from runpin.cli.shapes import Shape

mirror = typer.Typer(help="Deploy what a channel names to AWS AppConfig, and see how that went.")


@mirror.command("bring")
def bring_mirror(
    application: ApplicationName,
    *,
    environment: Environment = None,
    tenant: Tenant = None,
    name: ChannelName = None,
    as_json: AsJson = False,
) -> None:
    """
    Do what is missing for AppConfig to serve what the channel names.

    It does not wait for a deployment to end. Running it again finishes what was interrupted, and else changes nothing.
    """
    with opened(environment, tenant, name) as core:
        channel = channel_of(core, application)
        state = core.mirror.bring(channel.scope, channel.name)
    _tell(state, None, as_json=as_json)


@mirror.command("show")
def show_mirror(
    application: ApplicationName,
    *,
    environment: Environment = None,
    tenant: Tenant = None,
    name: ChannelName = None,
    live: Annotated[
        bool, typer.Option("--live", help="Also read what AppConfig serves, as its readers do, and verify it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how the mirror stands to the channel. Nothing is deployed."""
    with opened(environment, tenant, name) as core:
        channel = channel_of(core, application)
        state = core.mirror.look(channel.scope, channel.name)
        served = _served(core, state) if live else None
    _tell(state, served, as_json=as_json)


def _served(core: Runpin, state: State) -> str:
    from runpin.aws_appconfig.content import whole_of
    from runpin.aws_appconfig.live import served_by

    channel = state.channel
    return str(served_by(core.mirroring, channel.scope, channel.name, lambda name: whole_of(core.store, name)))


def _tell(state: State, served: str | None, *, as_json: bool) -> None:
    from runpin.mirrors import Standing

    if as_json:
        emit(_shape(state, served))
    else:
        _print(state, served)
    if state.standing not in (Standing.IN_STEP, Standing.MOVING):
        raise typer.Exit(1)


def _shape(state: State, served: str | None) -> Shape:
    return {
        "channel": channel_shape(state.channel),
        "standing": str(state.standing),
        "why": state.why,
        "deployment": None if state.deployment is None else _deployment_shape(state.deployment),
        "recorded": state.recorded,
        "served": served,
    }


def _deployment_shape(deployment: Deployment) -> Shape:
    return {
        "number": deployment.number,
        "state": deployment.state,
        "percentage": deployment.percentage,
        "revision": deployment.revision,
        "snapshot": deployment.snapshot,
        "events": list(deployment.events),
    }


def _print(state: State, served: str | None) -> None:
    channel = state.channel
    say(f"The mirror of {channel.name} of {channel.scope} is {state.standing}: {state.why}")
    pairs = [("channel", f"{channel.snapshot}, revision {channel.revision}"), ("recorded", state.recorded)]
    fields([*pairs, ("served", served)])
