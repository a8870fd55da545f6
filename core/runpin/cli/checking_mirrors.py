"""What `runpin doctor` looks at in AWS AppConfig: who we are there, what has to be made, and what readers get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.cli.checks import Check, doubtful, failed, fine
from runpin.errors import RunpinError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpin.aws_appconfig.endpoint import Endpoint
    from runpin.model import Channel

_LONGEST_MINUTES = 60
_NAME = "mirror"


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
