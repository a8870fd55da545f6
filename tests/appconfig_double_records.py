"""What the double of AWS AppConfig keeps, and how it says no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

BEGAN = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
DAY = timedelta(days=1)
ALL_AT_ONCE: Mapping[str, Any] = {
    "Id": "AppConfig.AllAtOnce",
    "Name": "AppConfig.AllAtOnce",
    "DeploymentDurationInMinutes": 0,
    "GrowthType": "LINEAR",
    "GrowthFactor": 100.0,
    "FinalBakeTimeInMinutes": 10,
    "ReplicateTo": "NONE",
}


class Refused(Exception):
    """The service says no: an HTTP status, the name of one of its errors, and that error's members."""

    def __init__(self, status: int, code: str, **members: Any) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.members = members


@dataclass
class Environment:
    """An environment and its deployments, oldest first."""

    fields: dict[str, Any]
    deployments: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Application:
    """An application, its environments, and the versions of each of its profiles."""

    fields: dict[str, Any]
    environments: dict[str, Environment] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass
class Session:
    """One reader's session: what it reads, what it saw last, and when it may ask again."""

    application: Application
    environment: Environment
    profile: str
    interval: int
    reader: str
    last: int | None = None
    due: datetime = BEGAN
    until: datetime = BEGAN


def known(among: Mapping[str, T], name: str) -> T:
    """Return what is known by that id, or by that name where readers ask."""
    for key, each in among.items():
        fields = getattr(each, "fields", each)
        if name == key or (isinstance(fields, dict) and name == fields.get("Name")):
            return each
    raise Refused(404, "ResourceNotFoundException")


def refuse_for(problems: list[dict[str, str]]) -> None:
    """Refuse a configuration if anything is wrong with it."""
    if problems:
        raise Refused(
            400, "BadRequestException", Reason="InvalidConfiguration", Details={"InvalidConfiguration": problems}
        )


def wrong_token(problem: str) -> Refused:
    """Return how a reader's token is refused."""
    details = {"InvalidParameters": {"configuration_token": {"Problem": problem}}}
    return Refused(400, "BadRequestException", Reason="InvalidParameters", Details=details)
