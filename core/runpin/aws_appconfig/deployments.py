"""
Deployments in AWS AppConfig, and what is asked of them.

An environment numbers its deployments and has one under way at most. A deployment is started on condition of the
newest number (`LatestDeploymentNumber`), so whoever decided by an older look starts none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runpin.aws_appconfig.clients import Clients
from runpin.aws_appconfig.failures import code_of, refusal_of
from runpin.aws_appconfig.places import Place, items
from runpin.model import Channel

COMPLETE = "COMPLETE"
UNDER_WAY = frozenset({"VALIDATING", "DEPLOYING", "BAKING", "ROLLING_BACK"})
TAKEN_BACK = frozenset({"ROLLED_BACK", "REVERTED"})

_DESCRIPTION = re.compile(r"runpin revision (\d{1,9}) (\S{1,63})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    A deployment of the channel's profile.

    Attributes:
        number: counts the deployments of the environment, whatever profile they are of.
        state: the service's word, such as `DEPLOYING`, `BAKING`, `COMPLETE` or `ROLLED_BACK`.
        percentage: how many of a hundred readers see it.
        revision: the channel's revision that it is for; None if runpin did not start it.
        snapshot: the Snapshot's id; None if runpin did not start it.
        events: what the service says happened and who triggered it, newest first, such as `ROLLBACK_STARTED by USER`.
    """

    number: int
    state: str
    percentage: float
    revision: int | None
    snapshot: str | None
    events: tuple[str, ...] = ()

    def is_for(self, channel: Channel) -> bool:
        """Tell whether it was started for the present stand of *channel*."""
        return (self.revision, self.snapshot) == (channel.revision, str(channel.snapshot))


@dataclass(frozen=True, slots=True)
class Seen:
    """
    What one look at an environment found.

    Attributes:
        latest: the newest number, 0 if there never was a deployment.
        under_way: the number of the deployment that is under way, of whatever profile; None if none is.
        ours: the newest deployment of the channel's profile.
    """

    latest: int = 0
    under_way: int | None = None
    ours: Deployment | None = None


def look(clients: Clients, place: Place) -> Seen:
    """Return what the environment of *place* has been deployed to."""
    latest, under_way = 0, None
    # Newest first: https://docs.aws.amazon.com/appconfig/2019-10-09/APIReference/API_ListDeployments.html
    for each in items(clients.control, "list_deployments", **place.deployments):
        latest = max(latest, each["DeploymentNumber"])
        if each["State"] in UNDER_WAY:
            under_way = each["DeploymentNumber"]
        if each.get("ConfigurationProfileId") == place.profile:
            return Seen(latest, under_way, _told(clients, place, each["DeploymentNumber"]))
    return Seen(latest, under_way)


def start(clients: Clients, place: Place, version: int, channel: Channel, after: int) -> bool:
    """
    Deploy *version* for the stand of *channel* if *after* still is the newest number; tell whether it was started.

    False may also mean that an earlier attempt of this very call was carried out.

    Raises:
        SnapshotRefused: a validator of the profile does not accept this version.
    """
    from botocore.exceptions import ClientError  # type: ignore[import-untyped] # it ships no types

    request: dict[str, Any] = {
        **place.deployments,
        "ConfigurationProfileId": place.profile,
        "DeploymentStrategyId": place.strategy,
        "ConfigurationVersion": str(version),
        "Description": f"runpin revision {channel.revision} {channel.snapshot}",
    }
    # A first deployment has nothing to be conditional on but that no other is under way.
    if after:
        request["LatestDeploymentNumber"] = after
    try:
        clients.control.start_deployment(**request)
    except ClientError as error:
        refused = refusal_of(error, f"{channel.snapshot}, version {version}", place.where)
        if refused is not None:
            raise refused from error
        if code_of(error) != "ConflictException":
            raise
        return False
    return True


def stop(clients: Clients, place: Place, deployment: Deployment) -> None:
    """Stop a deployment that is under way; AppConfig then goes back to what was deployed before."""
    from botocore.exceptions import ClientError

    # A deployment that bakes is stopped only by the word that would also revert one that has ended.
    reverts = {"AllowRevert": True} if deployment.state == "BAKING" else {}
    try:
        clients.control.stop_deployment(**place.deployments, DeploymentNumber=deployment.number, **reverts)
    except ClientError as error:
        # It has ended meanwhile.
        if code_of(error) != "BadRequestException":
            raise


def _told(clients: Clients, place: Place, number: int) -> Deployment:
    answer = clients.control.get_deployment(**place.deployments, DeploymentNumber=number)
    described = _DESCRIPTION.fullmatch(answer.get("Description", ""))
    revision, snapshot = (int(described[1]), described[2]) if described else (None, None)
    events = tuple(_event(each) for each in answer.get("EventLog", ()))
    return Deployment(number, answer["State"], answer.get("PercentageComplete", 0.0), revision, snapshot, events)


def _event(event: Mapping[str, Any]) -> str:
    return f"{event.get('EventType', 'unknown')} by {event.get('TriggeredBy', 'unknown')}"
