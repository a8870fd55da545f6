"""
What a policy of AWS allows at the double of AWS AppConfig: actions, and the resources that each of them is about.

Which resources an action is about is our reading of AWS's service authorization reference, and so a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_APPLICATION = "application/{ApplicationId}"
_ENVIRONMENT = f"{_APPLICATION}/environment/{{EnvironmentId}}"
_PROFILE = f"{_APPLICATION}/configurationprofile/{{ConfigurationProfileId}}"
_CONFIGURATION = (
    "application/{ApplicationIdentifier}/environment/{EnvironmentIdentifier}"
    "/configuration/{ConfigurationProfileIdentifier}"
)
_STRATEGY = "deploymentstrategy/{DeploymentStrategyId}"
_RESOURCES: Mapping[str, tuple[str, ...]] = {
    "ListApplications": (),
    "ListDeploymentStrategies": (),
    "ListEnvironments": (_APPLICATION,),
    "ListConfigurationProfiles": (_APPLICATION,),
    "ListHostedConfigurationVersions": (_APPLICATION, _PROFILE),
    "GetHostedConfigurationVersion": (
        _APPLICATION,
        _PROFILE,
        f"{_PROFILE}/hostedconfigurationversion/{{VersionNumber}}",
    ),
    "CreateHostedConfigurationVersion": (_APPLICATION, _PROFILE),
    "ListDeployments": (_APPLICATION, _ENVIRONMENT),
    "GetDeployment": (_APPLICATION, _ENVIRONMENT, f"{_ENVIRONMENT}/deployment/{{DeploymentNumber}}"),
    "GetDeploymentStrategy": (_STRATEGY,),
    "StartDeployment": (_APPLICATION, _ENVIRONMENT, _PROFILE, _STRATEGY),
    "StopDeployment": (_APPLICATION, _ENVIRONMENT, f"{_ENVIRONMENT}/deployment/{{DeploymentNumber}}"),
    "StartConfigurationSession": (_CONFIGURATION,),
    # IAM asks for the configuration here as well; the double has only a token, of a session that was allowed.
    "GetLatestConfiguration": (),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of an identity: its statements, all of which allow."""

    statements: Sequence[Mapping[str, Any]]

    @property
    def actions(self) -> list[str]:
        """The operations that it allows on anything."""
        return [action.removeprefix("appconfig:") for each in self.statements for action in each["Action"]]

    def without(self, action: str) -> Policy:
        """Return the same policy without one action."""
        gone = f"appconfig:{action}"
        kept = [{**each, "Action": [one for one in each["Action"] if one != gone]} for each in self.statements]
        return Policy(kept)

    def allows(self, operation: str, asked: Mapping[str, Any], ids: Mapping[str, str]) -> bool:
        """
        Tell whether it allows a request.

        Args:
            operation: such as `StartDeployment`.
            asked: the members of the request.
            ids: the ids of what readers may call by its name.
        """
        members = {name: ids.get(str(value), value) for name, value in asked.items()}
        wanted = [f"arn:aws:appconfig:REGION:ACCOUNT:{each.format(**members)}" for each in _RESOURCES[operation]]
        statements = [each for each in self.statements if f"appconfig:{operation}" in each["Action"]]
        return bool(statements) and all(any(_covers(each, arn) for each in statements) for arn in wanted)


def _covers(statement: Mapping[str, Any], arn: str) -> bool:
    return any(fnmatchcase(arn, pattern) for pattern in statement["Resource"])
