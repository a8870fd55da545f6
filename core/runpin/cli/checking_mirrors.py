"""
What `runpin doctor` looks at in the mirrors: whether each answers and follows.

In AWS AppConfig also who we are there, what has to be made, and what readers get.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.cli.checks import Check, doubtful, failed, fine
from runpin.errors import RunpinError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runpin.assembly import Runpin
    from runpin.aws_appconfig.endpoint import Endpoint
    from runpin.mirrors import MirrorState
    from runpin.model import Channel

_LONGEST_MINUTES = 60
_NAME = "mirror"


def mirror_checks(core: Runpin) -> Iterator[Check]:
    """Look at every mirror; nothing is copied, deployed or changed."""
    from runpin.aws_appconfig.mirror import Mirror

    try:
        mirrors = core.mirrors
        channels = core.store.channels(core.settings.environment, core.settings.tenant) if mirrors else ()
    except RunpinError as error:
        yield failed(_NAME, error)
        return
    states = core.look_at_mirrors(channels) if any(not isinstance(each, Mirror) for each in mirrors) else []
    for each in mirrors:
        if isinstance(each, Mirror):
            yield appconfig_check(each.endpoint, channels)
        else:
            yield _followed([state for state in states if state.where == each.where], each.where)


def _followed(states: Sequence[MirrorState], where: str) -> Check:
    late = [state for state in states if not state.standing.is_well]
    if not late:
        return fine(_NAME, f"{where} follows")
    names = "; ".join(f"{each.channel.name} of {each.channel.scope} is {each.standing}: {each.why}" for each in late)
    return doubtful(_NAME, f"{where}: {names}", "`runpin mirror bring --all`; `runpin status` shows how it went")


def appconfig_check(endpoint: Endpoint, channels: Sequence[Channel]) -> Check:
    """
    Look at one mirror in AWS AppConfig; nothing is changed, and no secret is shown.

    Args:
        endpoint: the service, of which nothing but reading is asked.
        channels: those of the environment. One that has no profile there is mirrored nowhere.
    """
    from runpin.aws_appconfig.inspecting import require_let_in

    try:
        require_let_in(endpoint)
    except RunpinError as error:
        return failed(_NAME, error)
    if not channels:
        return fine(_NAME, f"{endpoint.where} lets us in; nothing is published that could be mirrored")
    return _mirrored(endpoint, channels)


def _mirrored(endpoint: Endpoint, channels: Sequence[Channel]) -> Check:
    from runpin.aws_appconfig.inspecting import minutes_of

    minutes, errors = 0.0, {}
    for each in channels:
        try:
            minutes = max(minutes, minutes_of(endpoint, each.scope, each.name))
        except RunpinError as error:
            errors[each] = error
    whole = [each for each in channels if each not in errors]
    if not whole:
        return failed(_NAME, next(iter(errors.values())))
    if errors:
        first = next(iter(errors.values()))
        names = ", ".join(f"{each.name} of {each.scope}" for each in errors)
        return doubtful(_NAME, f"{endpoint.where} does not mirror {names}: {first.what}", first.fix)
    if minutes > _LONGEST_MINUTES:
        return doubtful(
            _NAME,
            f"a deployment to {endpoint.where} takes {minutes:g} minutes, and an environment has one at a time",
            "name a shorter strategy in the URL, strategy=NAME",
        )
    return _read(endpoint, whole)


def _read(endpoint: Endpoint, channels: Sequence[Channel]) -> Check:
    from runpin.aws_appconfig.inspecting import require_readable

    asked = endpoint.where if endpoint.agent is None else endpoint.agent.where
    try:
        for each in channels:
            require_readable(endpoint, each.scope, each.name)
    except RunpinError as error:
        detail = f"it is not shown what readers of {asked} get, as `runpin mirror show --live` would: {error.what}"
        return doubtful(_NAME, detail, error.fix)
    names = ", ".join(f"{each.name} of {each.scope.application}" for each in channels)
    return fine(_NAME, f"{endpoint.where} has what it needs, and readers get something from {asked}: {names}")
