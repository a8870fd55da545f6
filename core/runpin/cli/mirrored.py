"""What several commands say about mirrors: which channels there are, and how the mirrors stand to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from runpin.cli.printing import complain, note
from runpin.cli.shapes import channel_shape, text_or_none
from runpin.errors import SettingsError
from runpin.mirrors import Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpin.assembly import Runpin
    from runpin.aws_appconfig.deployments import Deployment
    from runpin.cli.shapes import Shape
    from runpin.mirrors import MirrorState
    from runpin.model import Channel
    from runpin.ports import ChannelStore, Tenancy
    from runpin.settings import Settings

    class Listing(ChannelStore, Tenancy, Protocol):
        """Where channels are, those of all tenants."""


RequireMirrors = Annotated[
    bool,
    typer.Option("--require-mirrors", help="End with 1 if a mirror does not follow. What was decided stays decided."),
]

_FIXES = {
    Standing.LEFT_OUT: "correct what it does not take, and publish that",
    Standing.TAKEN_BACK: "move the channel: what was taken back is not deployed again",
}


def every_channel(core: Runpin, application: str | None = None) -> list[Channel]:
    """Return every channel of the environment, of the chosen tenant or of all, and of *application* or of all."""
    return channels_in(core.store, core.settings, application)


def channels_in(store: Listing, chosen: Settings, application: str | None = None) -> list[Channel]:
    """Return every channel that *store* has, otherwise as `every_channel`."""
    tenants = store.tenants(chosen.environment) if chosen.tenant is None else [chosen.tenant]
    found = (channel for tenant in tenants for channel in store.channels(chosen.environment, tenant))
    return sorted(
        (channel for channel in found if application in (None, channel.scope.application)),
        key=lambda channel: (channel.scope.application, channel.scope.tenant or "", channel.name),
    )


def require_mirrors(core: Runpin) -> None:
    """
    Refuse to go on where nothing follows the store.

    Raises:
        SettingsError: there is no mirror, or one cannot be used.
    """
    if not core.mirrors:
        fix = "set RUNPIN_MIRRORS; docs/how-to/several-stores.md says to what"
        raise SettingsError("there is no mirror", where="mirrors", fix=fix)


def all_well(states: Sequence[MirrorState]) -> bool:
    """Tell whether every mirror follows."""
    return all(state.standing.is_well for state in states)


def follow_up(states: Sequence[MirrorState]) -> None:
    """Say in a few lines how the mirrors stand to what has just been decided; what does not follow, on stderr."""
    well = len({state.where for state in states}) - len({state.where for state in states if not state.standing.is_well})
    if well:
        note(f"{well} {'mirror follows' if well == 1 else 'mirrors follow'}.")
    groups: dict[tuple[str, str], list[MirrorState]] = {}
    for state in states:
        if not state.standing.is_well:
            groups.setdefault((state.where, state.standing), []).append(state)
    for (where, standing), group in groups.items():
        first = group[0]
        more = f" and {len(group) - 1} more" if len(group) > 1 else ""
        what = f"the mirror {where} is {standing} for {first.channel.name} of {first.channel.scope}{more}"
        bring = f"`runpin mirror bring --all --environment {first.channel.scope.environment}` completes it"
        fix = _FIXES.get(first.standing, bring)
        complain(what, [("why", first.why), ("fix", fix)], severity="warning")


def mirror_shape(state: MirrorState) -> Shape:
    """Return how a mirror stands to a channel; the last two are of AWS AppConfig alone."""
    deployment, recorded = getattr(state, "deployment", None), getattr(state, "recorded", None)
    return {
        "mirror": state.where,
        "channel": channel_shape(state.channel),
        "standing": str(state.standing),
        "why": state.why,
        "snapshot": text_or_none(state.snapshot),
        "revision": state.revision,
        "deployment": None if deployment is None else _deployment_shape(deployment),
        "recorded": recorded,
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
