"""
Where a channel is mirrored to: names in AWS AppConfig, and the ids behind them.

    application PAYMENTS    environment PROD    profile CHANNEL, or TENANT.CHANNEL for a tenant

They are made by whoever owns the AWS account, and only looked up here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runpin.aws_appconfig.clients import Clients
from runpin.errors import StoreError
from runpin.model import Scope, check_name


@dataclass(frozen=True, slots=True)
class Place:
    """The ids of the application, environment, configuration profile and deployment strategy."""

    application: str
    environment: str
    profile: str
    strategy: str

    @property
    def versions(self) -> dict[str, str]:
        """What a request about the profile's versions says."""
        return {"ApplicationId": self.application, "ConfigurationProfileId": self.profile}

    @property
    def deployments(self) -> dict[str, str]:
        """What a request about the environment's deployments says."""
        return {"ApplicationId": self.application, "EnvironmentId": self.environment}


def profile_of(scope: Scope, channel: str) -> str:
    """Return the name of the configuration profile of a channel; no two channels of an application share one."""
    check_name("channel", channel)
    return channel if scope.tenant is None else f"{scope.tenant}.{channel}"


def place_of(clients: Clients, scope: Scope, channel: str, strategy: str, where: str) -> Place:
    """
    Look up where a channel is mirrored to, in at least four requests.

    Raises:
        StoreError: something that has to be made first is not there, or its name is not the only one.
    """
    control = clients.control
    application = _named(control, "list_applications", scope.application, where)
    inside = {"ApplicationId": application}
    environment = _named(control, "list_environments", scope.environment, where, **inside)
    profile = _named(control, "list_configuration_profiles", profile_of(scope, channel), where, **inside)
    predefined = strategy.startswith("AppConfig.")
    chosen = strategy if predefined else _named(control, "list_deployment_strategies", strategy, where)
    return Place(application, environment, profile, chosen)


def items(control: Any, operation: str, **given: Any) -> Iterator[dict[str, Any]]:
    """Yield what a list operation of the service lists, page after page."""
    for page in control.get_paginator(operation).paginate(**given):
        yield from page["Items"]


def _named(control: Any, operation: str, name: str, where: str, **given: str) -> str:
    found = [str(each["Id"]) for each in items(control, operation, **given) if each["Name"] == name]
    if len(found) == 1:
        return found[0]
    kind = operation.removeprefix("list_").replace("_", " ").removesuffix("s").replace("strategie", "strategy")
    many = "has several" if found else "has no"
    what = f"AWS AppConfig {many} {kind}{'s' if found else ''} named {name!r}"
    raise StoreError(what, where=where, fix="docs/how-to/aws-appconfig.md has the commands that make what is needed")
