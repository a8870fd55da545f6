"""
Where a channel is mirrored to: names in AWS AppConfig, and the ids behind them.

    application PAYMENTS    environment PROD    profile CHANNEL, or TENANT.CHANNEL for a tenant

A document of feature flags has a profile of its own, which is called `.DOCUMENT.flags` behind that, and which is of
another type. They are made by whoever owns the AWS account, and only looked up here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpin.aws_appconfig.clients import Clients
from runpin.errors import StoreError
from runpin.model import Scope, check_name

if TYPE_CHECKING:
    from runpin.aws_appconfig.address import Address

FREEFORM = "AWS.Freeform"
FEATURE_FLAGS = "AWS.AppConfig.FeatureFlags"
_HOW_TO = "docs/how-to/aws-appconfig.md has the commands that make what is needed"


@dataclass(frozen=True, slots=True)
class Place:
    """The ids of the application, environment, configuration profile and deployment strategy; `where` is for errors."""

    application: str
    environment: str
    profile: str
    strategy: str
    where: str

    @property
    def versions(self) -> dict[str, str]:
        """What a request about the profile's versions says."""
        return {"ApplicationId": self.application, "ConfigurationProfileId": self.profile}

    @property
    def deployments(self) -> dict[str, str]:
        """What a request about the environment's deployments says."""
        return {"ApplicationId": self.application, "EnvironmentId": self.environment}


def profile_of(scope: Scope, channel: str, flags: str | None = None) -> str:
    """Return the name of the configuration profile of a channel, or of its *flags*; no two of them share one."""
    check_name("channel", channel)
    whole = channel if scope.tenant is None else f"{scope.tenant}.{channel}"
    # No name holds a dot, so their number tells these names apart.
    return whole if flags is None else f"{whole}.{flags}.flags"


def place_of(clients: Clients, scope: Scope, channel: str, address: Address, where: str) -> Place:
    """
    Look up where a channel is mirrored to, in at least four requests.

    Raises:
        StoreError: something that has to be made first is not there, is of another type, or its name is not the only
            one.
    """
    control = clients.control
    application = _named(control, "list_applications", scope.application, where)["Id"]
    inside = {"ApplicationId": application}
    environment = _named(control, "list_environments", scope.environment, where, **inside)["Id"]
    name = profile_of(scope, channel, address.flags)
    profile = _named(control, "list_configuration_profiles", name, where, **inside)
    _require_type(profile, FREEFORM if address.flags is None else FEATURE_FLAGS, where)
    predefined = address.strategy.startswith("AppConfig.")
    given = {"Id": address.strategy}
    chosen = given if predefined else _named(control, "list_deployment_strategies", address.strategy, where)
    return Place(application, environment, profile["Id"], chosen["Id"], where)


def items(control: Any, operation: str, **given: Any) -> Iterator[dict[str, Any]]:
    """Yield what a list operation of the service lists, page after page."""
    for page in control.get_paginator(operation).paginate(**given):
        yield from page["Items"]


def _named(control: Any, operation: str, name: str, where: str, **given: str) -> dict[str, Any]:
    found = [each for each in items(control, operation, **given) if each["Name"] == name]
    if len(found) == 1:
        return found[0]
    kind = operation.removeprefix("list_").replace("_", " ").removesuffix("s").replace("strategie", "strategy")
    many = "has several" if found else "has no"
    what = f"AWS AppConfig {many} {kind}{'s' if found else ''} named {name!r}"
    raise StoreError(what, where=where, fix=_HOW_TO)


def _require_type(profile: dict[str, Any], wanted: str, where: str) -> None:
    if profile.get("Type", wanted) != wanted:
        what = f"the configuration profile {profile['Name']!r} of AWS AppConfig is not of the type {wanted}"
        raise StoreError(what, where=where, fix=_HOW_TO)
