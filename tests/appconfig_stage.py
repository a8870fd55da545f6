"""An AWS account at the double, with what the mirror needs in it, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, cached_property
from typing import Any

import pytest

from appconfig_double_checks import TYPES
from appconfig_double_server import KEY_ID, REGION, SECRET, Server
from runpin.aws_appconfig.endpoint import Endpoint
from runpin.aws_appconfig.mirror import Mirror
from runpin.clock import SystemClock
from runpin.testing import MemoryLedger, MemoryReactions, MemoryStore
from runpin.testing.store_contract import SCOPE, move, publish

VARIABLES = {
    "AWS_ACCESS_KEY_ID": KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
}
"""What lets boto3 into the double, and keeps it away from whoever runs the tests."""


def let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 into the double in this process, and nowhere else."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


AT_ONCE: Mapping[str, float] = {"DeploymentDurationInMinutes": 0, "GrowthFactor": 100.0, "FinalBakeTimeInMinutes": 0}
GRADUAL: Mapping[str, float] = {"DeploymentDurationInMinutes": 10, "GrowthFactor": 20.0, "FinalBakeTimeInMinutes": 5}


class SetForward(SystemClock):
    """The system's clock, set forward by what a test lets pass."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return super().monotonic() + self.ahead


@dataclass
class Stage:
    """
    A store, a ledger and a mirror at the double.

    Attributes:
        ids: what the account holds, by its name, such as `stable`.
        options: more of the mirror's URL.
    """

    server: Server
    clock: SetForward = field(default_factory=SetForward)
    ids: dict[str, str] = field(default_factory=dict)
    options: str = ""

    def __post_init__(self) -> None:
        self.ledger, self.reactions = MemoryLedger(), MemoryReactions()
        self.store = MemoryStore(self.clock, self.ledger)

    @property
    def double(self) -> Any:
        """The rules."""
        return self.server.double

    def endpoint(self, patience: float = 10.0) -> Endpoint:
        """Return a client of its own."""
        return Endpoint.open(self.server.url + self.options, clock=self.clock, patience=patience)

    @cached_property
    def mirror(self) -> Mirror:
        """The mirror of this process."""
        return self.another_mirror()

    def another_mirror(self, patience: float = 10.0) -> Mirror:
        """Return a mirror as another process would open it."""
        return Mirror(self.endpoint(patience), self.store, self.reactions)

    def published(self, limit: int, name: str = "stable") -> str:
        """Publish a Snapshot, move a channel to it, and return its id."""
        snapshot = publish(self.store, limit)
        moves = self.store.moves(SCOPE, name, 1)
        move(self.store, snapshot, moves[0].channel.revision if moves else 0, name)
        return str(snapshot.id)

    def pass_time(self, **span: float) -> None:
        """Let time go by for the service and for its readers, such as `minutes=10`."""
        self.double.pass_time(**span)
        self.clock.ahead += timedelta(**span).total_seconds()

    def deployed(self) -> list[tuple[str, str]]:
        """Return label and state of every deployment, oldest first."""
        return [(each["VersionLabel"], each["State"]) for each in self.double.deployments()]

    def labels(self) -> list[str]:
        """Return the label of every version, oldest first."""
        return [each["VersionLabel"] for each in self.double.versions()]


def client_of(server: Server, name: str = "appconfig") -> Any:
    """Return boto3's own client, for whoever else works in the account."""
    return _session().client(name, endpoint_url=server.endpoint)


@cache
def _session() -> Any:
    import boto3  # type: ignore[import-untyped] # it ships no types

    # One for all tests: it reads the service models once.
    return boto3.Session(aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET, region_name=REGION)


def furnish(
    stage: Stage,
    profiles: Iterable[str] = ("stable", "canary"),
    strategy: Mapping[str, float] = AT_ONCE,
    flags: Iterable[str] = (),
) -> None:
    """Make what the how-to page says has to be made: an application, an environment, profiles and a strategy."""
    control = client_of(stage.server)
    application = control.create_application(Name=SCOPE.application)["Id"]
    inside = {"ApplicationId": application}
    stage.ids |= {"payments": application, "prod": control.create_environment(**inside, Name="prod")["Id"]}
    for name, kind in [(name, TYPES[0]) for name in profiles] + [(name, TYPES[1]) for name in flags]:
        made = control.create_configuration_profile(**inside, Name=name, LocationUri="hosted", Type=kind)
        stage.ids[name] = made["Id"]
    chosen = control.create_deployment_strategy(Name="runpin", ReplicateTo="NONE", **strategy)
    stage.ids["runpin"] = chosen["Id"]
