"""
A protocol double of AWS AppConfig: what AWS publishes about it, over versions and deployments in memory.

It is not the service. It keeps locking tokens, one deployment under way for each environment, growth, baking and
rollback on a clock of its own, tokens that are good once and for a day, poll intervals, sizes, JSON Schema and Lambda
validators and feature flags without variants. Extensions, alarms and experiments are left out; how readers are split
while a deployment grows is a guess.
`appconfig_double_server.py` checks signatures and puts it on a port of the loopback interface, by the service models
that ship with botocore.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from itertools import count
from threading import RLock
from typing import Any

from appconfig_double_checks import FEATURE_FLAGS, TYPES, as_served, problems_by_schema, problems_of_flags, stamped
from appconfig_double_records import (
    ALL_AT_ONCE,
    BEGAN,
    DAY,
    Application,
    Environment,
    Refused,
    Session,
    known,
    refuse_for,
    wrong_token,
)

LARGEST = 2 << 20
"""Bytes that a hosted version may have; the quota of a real account may be another."""

UNDER_WAY = ("DEPLOYING", "BAKING", "ROLLING_BACK")


class Double:
    """
    The rules. A private method is called after the operation that it carries out; it takes and gives its members.

    Attributes:
        page: how many items a page of a list holds.
        polls_checked: whether a poll that comes too early is refused.
        minutes_back: how long a deployment that is rolled back is still under way.
        least_interval: seconds between two polls that no session goes below.
        checks_early: whether validators also run when a version is made.
        lambdas: what tells whether a function of that ARN accepts a content.
    """

    def __init__(self, *, page: int = 50) -> None:
        self.page = page
        self.polls_checked = True
        self.minutes_back = 0.0
        self.least_interval = 15
        self.checks_early = False
        self.lambdas: dict[str, Callable[[bytes], bool]] = {}
        self.lock = RLock()
        self._now = BEGAN
        self._numbers = count(1)
        self._applications: dict[str, Application] = {}
        self._strategies: dict[str, dict[str, Any]] = {"AppConfig.AllAtOnce": dict(ALL_AT_ONCE)}
        self._sessions: dict[str, Session] = {}

    def operation(self, name: str) -> Callable[[Mapping[str, Any]], dict[str, Any]] | None:
        """Return what carries out the operation of that name, such as `start_deployment`; None if it is left out."""
        method: Callable[[Mapping[str, Any]], dict[str, Any]] | None = getattr(self, f"_{name}", None)
        return method

    def pass_time(self, **span: float) -> None:
        """Let time go by, such as `minutes=10`."""
        with self.lock:
            self._now += timedelta(**span)

    def alarm(self) -> None:
        """Roll every deployment that is under way back, as an alarm would."""
        with self.lock:
            for deployment in self._all_deployments():
                if self._state(deployment) in ("DEPLOYING", "BAKING"):
                    self._end(deployment, "ROLLED_BACK", "ROLLBACK_COMPLETED", "CLOUDWATCH_ALARM")

    def forget_sessions(self) -> None:
        """Let every token expire, as one does after a day."""
        with self.lock:
            self._sessions.clear()

    def deployments(self) -> list[dict[str, Any]]:
        """Return every deployment, oldest first."""
        with self.lock:
            return [{**each, "State": self._state(each)} for each in self._all_deployments()]

    def versions(self) -> list[dict[str, Any]]:
        """Return every hosted version."""
        return [each for app in self._applications.values() for made in app.versions.values() for each in made]

    def _create_application(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        made = Application({"Id": self._id(), "Name": asked["Name"]})
        self._applications[made.fields["Id"]] = made
        return made.fields

    def _list_applications(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._paged([each.fields for each in self._applications.values()], asked)

    def _create_environment(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        application, name = self._application(asked), self._id()
        fields = {"ApplicationId": asked["ApplicationId"], "Id": name, "Name": asked["Name"]}
        application.environments[name] = Environment({**fields, "State": "READY_FOR_DEPLOYMENT"})
        return application.environments[name].fields

    def _list_environments(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._paged([each.fields for each in self._application(asked).environments.values()], asked)

    def _create_configuration_profile(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        application, name = self._application(asked), self._id()
        given = {key: asked[key] for key in ("ApplicationId", "Name", "LocationUri")}
        kind, validators = asked.get("Type", TYPES[0]), asked.get("Validators", [])
        if kind not in TYPES or len(validators) > 2:
            raise Refused(400, "BadRequestException")
        application.profiles[name] = {**given, "Id": name, "Type": kind, "Validators": validators}
        application.versions[name] = []
        return application.profiles[name]

    def _list_configuration_profiles(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._paged(list(self._application(asked).profiles.values()), asked)

    def _create_deployment_strategy(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        defaults = {"GrowthType": "LINEAR", "FinalBakeTimeInMinutes": 0}
        made = {**defaults, **asked, "Id": self._id()}
        self._strategies[made["Id"]] = made
        return made

    def _get_deployment_strategy(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return known(self._strategies, asked["DeploymentStrategyId"])

    def _list_deployment_strategies(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._paged(list(self._strategies.values()), asked)

    def _create_hosted_configuration_version(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        versions = self._versions(asked)
        if asked.get("LatestVersionNumber", len(versions)) != len(versions):
            raise Refused(409, "ConflictException")
        if asked.get("VersionLabel") in {each["VersionLabel"] for each in versions if each["VersionLabel"]}:
            raise Refused(409, "ConflictException")
        if len(asked["Content"]) > LARGEST:
            raise Refused(413, "PayloadTooLargeException")
        content = self._accepted(asked)
        made = {"VersionLabel": None, **asked, "Content": content, "VersionNumber": len(versions) + 1}
        versions.append(made)
        return made

    def _accepted(self, asked: Mapping[str, Any]) -> bytes:
        profile, content = self._profile(asked), bytes(asked["Content"])
        if self.checks_early:
            self._validate(profile, content)
        if profile["Type"] != FEATURE_FLAGS:
            return content
        refuse_for(problems_of_flags(content, asked["ContentType"]))
        return stamped(content)

    def _validate(self, profile: Mapping[str, Any], content: bytes) -> None:
        for each in profile["Validators"]:
            if each["Type"] == "JSON_SCHEMA":
                refuse_for(problems_by_schema(content, json.loads(each["Content"])))
            elif not self.lambdas[each["Content"]](content):
                refuse_for([{"Type": "LAMBDA", "Reason": "canary: the function says no"}])

    def _list_hosted_configuration_versions(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._paged(list(reversed(self._versions(asked))), asked)

    def _get_hosted_configuration_version(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._version(self._versions(asked), str(asked["VersionNumber"]))

    def _start_deployment(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        environment, strategy = self._environment(asked), self._strategies.get(asked["DeploymentStrategyId"])
        version = self._version(self._versions(asked), asked["ConfigurationVersion"])
        made = environment.deployments
        if strategy is None:
            raise Refused(404, "ResourceNotFoundException")
        self._validate(self._profile(asked), version["Content"])
        busy = any(self._state(each) in UNDER_WAY for each in made)
        if busy or asked.get("LatestDeploymentNumber", len(made)) != len(made):
            raise Refused(409, "ConflictException")
        times = {key: strategy[key] for key in ("DeploymentDurationInMinutes", "FinalBakeTimeInMinutes")}
        growth = {key: strategy[key] for key in ("GrowthType", "GrowthFactor")}
        event = {"EventType": "DEPLOYMENT_STARTED", "TriggeredBy": "USER", "OccurredAt": self._now}
        began = {"DeploymentNumber": len(made) + 1, "StartedAt": self._now, "EventLog": [event], "ended": None}
        label = {"VersionLabel": version["VersionLabel"], "ConfigurationVersion": str(version["VersionNumber"])}
        made.append({**asked, **times, **growth, **began, **label})
        return {**made[-1], "State": "DEPLOYING", "PercentageComplete": 1.0}

    def _get_deployment(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        found = self._deployment(asked)
        return {**found, "State": self._state(found), "PercentageComplete": self._percentage(found)}

    def _list_deployments(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        made = reversed(self._environment(asked).deployments)
        return self._paged([{**each, "State": self._state(each)} for each in made], asked)

    def _stop_deployment(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        found, reverts = self._deployment(asked), asked.get("AllowRevert", False)
        state = self._state(found)
        if state == "DEPLOYING" or (state == "BAKING" and reverts):
            self._end(found, "ROLLED_BACK", "ROLLBACK_COMPLETED", "USER")
        elif state == "COMPLETE" and reverts:
            self._end(found, "REVERTED", "REVERT_COMPLETED", "USER")
        else:
            raise Refused(400, "BadRequestException")
        return {**found, "State": self._state(found)}

    def _start_configuration_session(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        application = known(self._applications, asked["ApplicationIdentifier"])
        environment = known(application.environments, asked["EnvironmentIdentifier"])
        profile = known(application.profiles, asked["ConfigurationProfileIdentifier"])["Id"]
        interval = asked.get("RequiredMinimumPollIntervalInSeconds", 60)
        token = self._token()
        self._sessions[token] = Session(application, environment, profile, interval, token, until=self._now + DAY)
        return {"InitialConfigurationToken": token}

    def _get_latest_configuration(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        session = self._sessions.get(asked["ConfigurationToken"])
        if session is None or self._now >= session.until:
            raise wrong_token("Corrupted" if session is None else "Expired")
        if self.polls_checked and self._now < session.due:
            raise wrong_token("PollIntervalNotSatisfied")
        served = self._served(session)
        if served is None:
            raise Refused(404, "ResourceNotFoundException")
        del self._sessions[asked["ConfigurationToken"]]
        token, interval = self._token(), max(session.interval, self.least_interval)
        session.due, session.until = self._now + timedelta(seconds=interval), self._now + DAY
        self._sessions[token] = session
        news, session.last = session.last != served["VersionNumber"], served["VersionNumber"]
        answer = {"NextPollConfigurationToken": token, "NextPollIntervalInSeconds": interval}
        shown = {"ContentType": served["ContentType"], "VersionLabel": served["VersionLabel"]}
        is_flags = session.application.profiles[session.profile]["Type"] == FEATURE_FLAGS
        content = as_served(served["Content"]) if is_flags else served["Content"]
        return {**answer, "Configuration": content, **shown} if news else {**answer, "Configuration": b""}

    def _served(self, session: Session) -> dict[str, Any] | None:
        for each in reversed(session.environment.deployments):
            if each["ConfigurationProfileId"] != session.profile or each["ended"] is not None:
                continue
            place = int(sha256(session.reader.encode()).hexdigest(), 16) % 100
            if place < self._percentage(each):
                return self._version(session.application.versions[session.profile], each["ConfigurationVersion"])
        return None

    def _minutes(self, deployment: Mapping[str, Any]) -> float:
        gone: timedelta = self._now - deployment["StartedAt"]
        return gone.total_seconds() / 60

    def _state(self, deployment: Mapping[str, Any]) -> str:
        if deployment["ended"] is not None:
            gone: timedelta = self._now - deployment["EventLog"][0]["OccurredAt"]
            return "ROLLING_BACK" if gone < timedelta(minutes=self.minutes_back) else str(deployment["ended"])
        baked = deployment["DeploymentDurationInMinutes"] + deployment["FinalBakeTimeInMinutes"]
        if self._minutes(deployment) >= baked:
            return "COMPLETE"
        return "BAKING" if self._minutes(deployment) >= deployment["DeploymentDurationInMinutes"] else "DEPLOYING"

    def _percentage(self, deployment: Mapping[str, Any]) -> float:
        lasts, factor = float(deployment["DeploymentDurationInMinutes"]), float(deployment["GrowthFactor"])
        if self._minutes(deployment) >= lasts:
            return 100.0
        return min(100.0, factor * (1 + self._minutes(deployment) // (lasts * factor / 100)))

    def _end(self, deployment: dict[str, Any], state: str, event: str, by: str) -> None:
        deployment["ended"] = state
        deployment["EventLog"].insert(0, {"EventType": event, "TriggeredBy": by, "OccurredAt": self._now})

    def _all_deployments(self) -> list[dict[str, Any]]:
        environments = (each for app in self._applications.values() for each in app.environments.values())
        return [each for environment in environments for each in environment.deployments]

    def _application(self, asked: Mapping[str, Any]) -> Application:
        return known(self._applications, asked["ApplicationId"])

    def _environment(self, asked: Mapping[str, Any]) -> Environment:
        return known(self._application(asked).environments, asked["EnvironmentId"])

    def _versions(self, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        return known(self._application(asked).versions, asked["ConfigurationProfileId"])

    def _profile(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return known(self._application(asked).profiles, asked["ConfigurationProfileId"])

    def _version(self, versions: list[dict[str, Any]], name: str) -> dict[str, Any]:
        for each in versions:
            if name in (str(each["VersionNumber"]), each["VersionLabel"]):
                return each
        raise Refused(404, "ResourceNotFoundException")

    def _deployment(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        made, number = self._environment(asked).deployments, int(asked["DeploymentNumber"])
        if not 1 <= number <= len(made):
            raise Refused(404, "ResourceNotFoundException")
        return made[number - 1]

    def _paged(self, found: list[dict[str, Any]], asked: Mapping[str, Any]) -> dict[str, Any]:
        begin = int(asked.get("NextToken", "0"))
        end = begin + min(asked.get("MaxResults", self.page), self.page)
        return {"Items": found[begin:end], "NextToken": str(end) if end < len(found) else None}

    def _id(self) -> str:
        return f"id{next(self._numbers):05d}"

    def _token(self) -> str:
        return f"token-{next(self._numbers)}"
