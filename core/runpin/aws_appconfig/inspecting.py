"""What `runpin doctor` wants to know about AWS AppConfig; nothing is created, changed or deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.aws_appconfig.live import source_of
from runpin.aws_appconfig.places import place_of, profile_of

if TYPE_CHECKING:
    from runpin.aws_appconfig.clients import Clients
    from runpin.aws_appconfig.endpoint import Endpoint
    from runpin.model import Scope


def require_let_in(endpoint: Endpoint) -> None:
    """
    Require that there are credentials, and that the service lets them in.

    Raises:
        StoreUnavailable, StoreError
    """
    endpoint.attempt(lambda clients: clients.control.list_applications(MaxResults=1), endpoint.ends())


def minutes_of(endpoint: Endpoint, scope: Scope, name: str) -> float:
    """
    Return how long a deployment of a channel takes, its baking included.

    Raises:
        StoreUnavailable, StoreError: what the mirror of the channel needs is not there, or may not be looked at.
    """
    where = f"{endpoint.where}, profile {profile_of(scope, name, endpoint.address.flags)!r} of {scope}"

    def work(clients: Clients) -> float:
        place = place_of(clients, scope, name, endpoint.address, where)
        strategy = clients.control.get_deployment_strategy(DeploymentStrategyId=place.strategy)
        minutes: float = strategy["DeploymentDurationInMinutes"] + strategy.get("FinalBakeTimeInMinutes", 0)
        return minutes

    return endpoint.attempt(work, endpoint.ends())


def require_readable(endpoint: Endpoint, scope: Scope, name: str) -> None:
    """
    Require that readers of this host get something, as they would get it; it is not verified.

    Raises:
        StoreUnavailable, StoreError, SettingsError
    """
    source_of(endpoint, scope, name).latest()
