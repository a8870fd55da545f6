"""Profiles of AWS AppConfig that check what they are given, at a double that runs their validators."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest

from appconfig_double_server import Server
from appconfig_stage import Stage, client_of, furnish
from runpin.aws_appconfig.failures import refusal_of
from runpin.errors import SnapshotRefused, StoreUnavailable
from runpin.mirrors import Standing
from runpin.reactions import Reaction
from runpin.testing import MemoryReactions
from runpin.testing.store_contract import SCOPE

LAMBDA = "arn:aws:lambda:eu-west-1:123456789012:function:check"
SCHEMA = {
    "properties": {
        "documents": {"properties": {"limits": {"properties": {"limit": {"type": "integer", "maximum": 8}}}}}
    }
}


def stage_with(appconfig: Server, kind: str, content: str) -> Stage:
    """Return a stage whose profile has one validator."""
    stage = Stage(appconfig)
    furnish(stage, profiles=())
    made = client_of(appconfig).create_configuration_profile(
        ApplicationId=stage.ids["payments"],
        Name="stable",
        LocationUri="hosted",
        Validators=[{"Type": kind, "Content": content}],
    )
    stage.ids["stable"] = made["Id"]
    return stage


def seen(stage: Stage) -> tuple[Standing, str]:
    """Return what another process says about the mirror, which was not there when it was brought."""
    state = stage.another_mirror().look(SCOPE, "stable")
    return state.standing, state.why


@pytest.mark.parametrize("early", [False, True])
def test_what_a_schema_refuses_is_told_by_place(appconfig: Server, early: bool) -> None:  # noqa: FBT001 - pytest's way
    """The Snapshot and the place in it, whenever the service checks; what stands there is a value, and is not shown."""
    stage = stage_with(appconfig, "JSON_SCHEMA", json.dumps(SCHEMA))
    appconfig.double.checks_early = early
    good = stage.published(8)
    assert stage.mirror.bring(SCOPE, "stable").standing is Standing.IN_STEP
    bad = stage.published(987_654)
    with pytest.raises(SnapshotRefused) as caught:
        stage.mirror.bring(SCOPE, "stable")

    assert bad in caught.value.what
    assert "JSON_SCHEMA maximum $.documents.limits.limit" in caught.value.what
    assert "profile 'stable' of payments.prod" in str(caught.value.where)
    assert "987654" not in str(caught.value)
    assert (Standing.LEFT_OUT, caught.value.what) == seen(stage)
    assert [(good, "COMPLETE")] == stage.deployed()


def test_what_a_function_refuses_is_told(appconfig: Server) -> None:
    """Without the words of the function, which may hold anything; they are in nothing that we raise."""
    stage = stage_with(appconfig, "LAMBDA", LAMBDA)
    answers = [False, True]
    appconfig.double.lambdas[LAMBDA] = lambda _: answers.pop(0)
    name = stage.published(1)
    with pytest.raises(SnapshotRefused, match="LAMBDA") as caught:
        stage.mirror.bring(SCOPE, "stable")

    assert f"{name}, version 1" in caught.value.what
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    assert (Standing.LEFT_OUT, caught.value.what) == seen(stage)
    assert stage.mirror.bring(SCOPE, "stable").standing is Standing.IN_STEP
    assert Standing.IN_STEP is seen(stage)[0]


def test_what_was_left_out_is_forgotten_when_the_channel_moves(appconfig: Server) -> None:
    """The next Snapshot is another one, and a ledger that is away hides no refusal."""
    stage = stage_with(appconfig, "JSON_SCHEMA", json.dumps(SCHEMA))
    stage.published(987_654)
    with pytest.raises(SnapshotRefused):
        stage.mirror.bring(SCOPE, "stable")
    stage.published(8)

    assert (Standing.BEHIND, "nothing was deployed to this profile") == seen(stage)
    assert stage.mirror.bring(SCOPE, "stable").standing is Standing.IN_STEP


def test_a_refusal_is_told_though_the_ledger_cannot_record_it(appconfig: Server) -> None:
    """Whoever looks later sees a mirror that is behind."""
    stage = stage_with(appconfig, "JSON_SCHEMA", json.dumps(SCHEMA))
    stage.reactions = Mute()
    stage.published(987_654)
    with pytest.raises(SnapshotRefused):
        stage.mirror.bring(SCOPE, "stable")

    assert Standing.BEHIND is seen(stage)[0]


class Mute(MemoryReactions):
    """A ledger that takes no records."""

    def begin(self, reaction: Reaction) -> Reaction:
        """Fail."""
        raise StoreUnavailable("away", where=str(reaction.key))


class _Answered(Exception):
    def __init__(self, response: Any) -> None:
        self.response = response


@pytest.mark.parametrize(
    "details", [None, 1, [], {}, {"InvalidConfiguration": None}, {"InvalidConfiguration": {}}, {"Other": [{}]}]
)
def test_another_refusal_is_not_taken_for_a_validators(details: Any) -> None:
    """Whatever its details look like."""
    error = _Answered({"Error": {"Code": "BadRequestException"}, "Details": details})

    assert refusal_of(error, "payments.prod.v1", "here") is None


def test_what_a_validator_says_is_bounded() -> None:
    """A screen of it at most, and no control characters."""
    found = [{"Type": "LAMBDA\x1b[31m", "Location": "x" * 10_000}, "nonsense", *[{"Type": "LAMBDA"}] * 100]
    response = {"Error": {"Code": "BadRequestException"}, "Details": {"InvalidConfiguration": found}}
    refused = refusal_of(_Answered(response), "payments.prod.v1", "here")

    assert refused is not None
    assert len(refused.what) < 600
    assert "\x1b" not in refused.what
