"""The policies in the how-to page, enforced at a double of AWS AppConfig: they suffice, and nothing is spare."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from appconfig_double_server import Server
from appconfig_policies import Policy
from appconfig_stage import GRADUAL, Stage, furnish
from command_line import ROOT
from runpin.aws_appconfig.inspecting import minutes_of
from runpin.aws_appconfig.live import LiveReader
from runpin.errors import StoreUnavailable
from runpin.mirrors import Standing
from runpin.testing.store_contract import SCOPE, move

PAGE = ROOT / "docs" / "how-to" / "aws-appconfig.md"


def policies() -> list[dict[str, Any]]:
    """Return the policies of the page: of whoever mirrors, and of readers."""
    blocks = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [json.loads(block) for block in blocks if '"Statement"' in block]


MIRRORER, READER = (Policy(policy["Statement"]) for policy in policies())


def enforce(stage: Stage, policy: Policy, **others: str) -> None:
    """Let in whoever has *policy*, its words replaced by the ids of the account, or by *others*."""
    words = {"APPLICATION": "payments", "ENVIRONMENT": "prod", "STRATEGY": "runpin"}
    ids = {word: others.get(word.lower(), stage.ids[name]) for word, name in words.items()}
    text = json.dumps(policy.statements)
    for word, found in ids.items():
        text = text.replace(f"/{word}", f"/{found}")
    filled = Policy(json.loads(text))
    stage.server.allows = lambda operation, asked: filled.allows(operation, asked, stage.ids)


def mirrored_by(appconfig: Server, policy: Policy, **others: str) -> Stage:
    """Mirror as whoever has *policy*: a first move, one that overtakes it, one back; and ask the doctor."""
    stage = Stage(appconfig)
    furnish(stage, strategy=GRADUAL)
    enforce(stage, policy, **others)
    stage.published(1)
    first = stage.store.channel(SCOPE, "stable").snapshot
    stage.mirror.bring(SCOPE, "stable")
    stage.published(2)
    stage.mirror.bring(SCOPE, "stable")
    stage.pass_time(minutes=20)
    move(stage.store, stage.store.find(first), 2)
    stage.mirror.bring(SCOPE, "stable")
    stage.pass_time(minutes=20)
    minutes_of(stage.endpoint(), SCOPE, "stable")
    assert stage.mirror.look(SCOPE, "stable").standing is Standing.IN_STEP
    return stage


def test_the_policies_suffice(appconfig: Server) -> None:
    """For mirroring, and for reading what was mirrored."""
    stage = mirrored_by(appconfig, MIRRORER)
    enforce(stage, READER)

    assert {"limits": b'{"limit":1}'} == LiveReader(stage.endpoint(), SCOPE, "stable").read().bodies


@pytest.mark.parametrize("action", MIRRORER.actions)
def test_whoever_mirrors_needs_every_action(appconfig: Server, action: str) -> None:
    """Without any one of them it is told that the identity is not let in."""
    with pytest.raises(StoreUnavailable, match="does not let this identity in"):
        mirrored_by(appconfig, MIRRORER.without(action))


@pytest.mark.parametrize("action", READER.actions)
def test_a_reader_needs_every_action(appconfig: Server, action: str) -> None:
    """Both of them."""
    stage = mirrored_by(appconfig, MIRRORER)
    enforce(stage, READER.without(action))
    with pytest.raises(StoreUnavailable, match="does not let this identity in"):
        LiveReader(stage.endpoint(), SCOPE, "stable").read()


@pytest.mark.parametrize("resource", ["application", "strategy"])
def test_whoever_mirrors_reaches_nothing_else(appconfig: Server, resource: str) -> None:
    """Neither another application nor another strategy of the account."""
    with pytest.raises(StoreUnavailable, match="does not let this identity in"):
        mirrored_by(appconfig, MIRRORER, **{resource: "id99999"})


def test_a_reader_reads_one_environment(appconfig: Server) -> None:
    """That of the policy."""
    stage = mirrored_by(appconfig, MIRRORER)
    enforce(stage, READER, environment="id99999")
    with pytest.raises(StoreUnavailable, match="does not let this identity in"):
        LiveReader(stage.endpoint(), SCOPE, "stable").read()


def test_neither_may_do_what_the_other_does() -> None:
    """A reader deploys nothing, and whoever mirrors reads nothing as readers do."""
    assert not set(MIRRORER.actions) & set(READER.actions)


def test_every_statement_names_its_resources() -> None:
    """Only what lists an account's applications and strategies cannot be narrowed, which AWS says of these actions."""
    wide = [each for policy in policies() for each in policy["Statement"] if "*" in each["Resource"]]

    assert [["appconfig:ListApplications", "appconfig:ListDeploymentStrategies"]] == [each["Action"] for each in wide]
    assert all(each["Effect"] == "Allow" for policy in policies() for each in policy["Statement"])
