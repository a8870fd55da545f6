"""What `runpin doctor` says about a mirror in AWS AppConfig, at a double."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appconfig_agent_double import agent_of
from appconfig_double_server import KEY_ID, SECRET, Fault, Server, serving
from appconfig_stage import AT_ONCE, Stage, furnish, let_in
from runpin.cli.checking_mirrors import appconfig_check
from runpin.cli.checks import Check, Status
from runpin.testing.store_contract import SCOPE


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 into the double, and nowhere else."""
    let_in(monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve an empty double."""
    with serving() as server:
        yield server


@pytest.fixture
def stage(server: Server) -> Stage:
    """Return a stage whose channel is mirrored."""
    stage = Stage(server)
    furnish(stage)
    stage.published(1)
    stage.mirror.bring(SCOPE, "stable")
    return stage


def checked(stage: Stage, patience: float = 10.0) -> Check:
    """Return what is said about the mirror."""
    with stage.endpoint(patience) as endpoint:
        return appconfig_check(endpoint, stage.store.channels("prod", None))


def test_a_mirror_that_works_is_fine(stage: Stage) -> None:
    """Nothing is written for that."""
    writes = [each for each in stage.server.asked if each.startswith(("Create", "Start", "Stop"))]
    check = checked(stage)

    assert Status.OK is check.status
    assert "aws-appconfig://eu-west-1 has what it needs" in check.detail
    begun = [each for each in stage.server.asked if each.startswith(("Create", "Start", "Stop"))][len(writes) :]
    assert ["StartConfigurationSession"] == begun


def test_a_mirror_without_publications_is_fine(server: Server) -> None:
    """Who we are is known all the same."""
    assert (Status.OK, True) == ((check := checked(Stage(server))).status, "nothing is published" in check.detail)


def test_what_has_to_be_made_first_is_named(server: Server) -> None:
    """With where to find how."""
    stage = Stage(server)
    stage.published(1)
    check = checked(stage)

    assert Status.FAIL is check.status
    assert "has no application named 'payments'" in check.detail
    assert "docs/how-to/aws-appconfig.md" in str(check.fix)


def test_a_channel_without_a_profile_is_named(stage: Stage) -> None:
    """The others are mirrored."""
    stage.published(2, "experiment")
    check = checked(stage)

    assert Status.WARN is check.status
    assert "does not mirror experiment of payments.prod" in check.detail


def test_a_long_strategy_is_told(server: Server) -> None:
    """All channels of an environment wait for each other."""
    stage = Stage(server)
    furnish(stage, strategy={**AT_ONCE, "DeploymentDurationInMinutes": 50, "FinalBakeTimeInMinutes": 11})
    stage.published(1)
    check = checked(stage)

    assert (Status.WARN, True) == (check.status, "takes 61 minutes" in check.detail)


def test_a_strategy_of_the_service_is_known(stage: Stage) -> None:
    """It has to be named only."""
    stage.options = "&strategy=AppConfig.AllAtOnce"

    assert Status.OK is checked(stage).status


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_stranger_is_told_and_no_key_is(stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One key is wrong, or there is none."""
    monkeypatch.setenv(name, "AKIDOFASTRANGER")
    wrong = checked(stage)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    none = checked(stage)

    assert [Status.FAIL] * 2 == [wrong.status, none.status]
    assert "does not let this identity in" in wrong.detail
    assert "no AWS credentials" in none.detail
    for secret in (KEY_ID, SECRET, "AKIDOFASTRANGER"):
        assert secret not in f"{wrong}{none}"


def test_an_identity_that_may_not_read_is_told(stage: Stage) -> None:
    """The mirror works without that."""
    stage.server.allowed = frozenset(stage.server.asked) | {"GetDeploymentStrategy"}
    check = checked(stage)

    assert (Status.WARN, True) == (check.status, "does not let this identity in" in check.detail)


def test_a_service_that_does_not_answer_is_told(stage: Stage) -> None:
    """In time."""
    stage.server.faults = lambda _: Fault.BROKEN
    check = checked(stage, 0.5)

    assert (Status.FAIL, True) == (check.status, "does not answer" in check.detail)


def test_an_agent_is_asked_if_one_is_named(stage: Stage) -> None:
    """It works, or is not there."""
    with agent_of(stage.double) as agent:
        stage.options = f"&agent={agent.url}"
        there = checked(stage)
    away = checked(stage, 5.0)

    assert (Status.OK, True) == (there.status, f"from {agent.url}" in there.detail)
    assert (Status.WARN, True) == (away.status, "the AppConfig Agent does not answer" in away.detail)
