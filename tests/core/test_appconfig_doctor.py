"""What `runpin doctor` says about a mirror in AWS AppConfig, at a double."""

from __future__ import annotations

import pytest

from appconfig_agent_double import agent_of
from appconfig_double_server import KEY_ID, SECRET, Fault, Server
from appconfig_stage import AT_ONCE, Stage, furnish
from runpin.cli.checking_mirrors import appconfig_check
from runpin.cli.checks import Check, Status


def checked(mirrored: Stage, patience: float = 10.0) -> Check:
    """Return what is said about the mirror."""
    with mirrored.endpoint(patience) as endpoint:
        return appconfig_check(endpoint, mirrored.store.channels("prod", None))


def test_a_mirror_that_works_is_fine(mirrored: Stage) -> None:
    """Nothing is written for that."""
    writes = [each for each in mirrored.server.asked if each.startswith(("Create", "Start", "Stop"))]
    check = checked(mirrored)

    assert Status.OK is check.status
    assert "aws-appconfig://eu-west-1 has what it needs" in check.detail
    begun = [each for each in mirrored.server.asked if each.startswith(("Create", "Start", "Stop"))][len(writes) :]
    assert ["StartConfigurationSession"] == begun


def test_a_mirror_without_publications_is_fine(appconfig: Server) -> None:
    """Who we are is known all the same."""
    assert (Status.OK, True) == ((check := checked(Stage(appconfig))).status, "nothing is published" in check.detail)


def test_what_has_to_be_made_first_is_named(appconfig: Server) -> None:
    """With where to find how."""
    stage = Stage(appconfig)
    stage.published(1)
    check = checked(stage)

    assert Status.FAIL is check.status
    assert "has no application named 'payments'" in check.detail
    assert "docs/how-to/aws-appconfig.md" in str(check.fix)


def test_a_channel_without_a_profile_is_named(mirrored: Stage) -> None:
    """The others are mirrored."""
    mirrored.published(2, "experiment")
    check = checked(mirrored)

    assert Status.WARN is check.status
    assert "does not mirror experiment of payments.prod" in check.detail


def test_a_long_strategy_is_told(appconfig: Server) -> None:
    """All channels of an environment wait for each other."""
    stage = Stage(appconfig)
    furnish(stage, strategy={**AT_ONCE, "DeploymentDurationInMinutes": 50, "FinalBakeTimeInMinutes": 11})
    stage.published(1)
    check = checked(stage)

    assert (Status.WARN, True) == (check.status, "takes 61 minutes" in check.detail)


def test_a_strategy_of_the_service_is_known(mirrored: Stage) -> None:
    """It has to be named only."""
    mirrored.options = "&strategy=AppConfig.AllAtOnce"

    assert Status.OK is checked(mirrored).status


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_stranger_is_told_and_no_key_is(mirrored: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One key is wrong, or there is none."""
    monkeypatch.setenv(name, "AKIDOFASTRANGER")
    wrong = checked(mirrored)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    none = checked(mirrored)

    assert [Status.FAIL] * 2 == [wrong.status, none.status]
    assert "does not let this identity in" in wrong.detail
    assert "no AWS credentials" in none.detail
    for secret in (KEY_ID, SECRET, "AKIDOFASTRANGER"):
        assert secret not in f"{wrong}{none}"


def test_an_identity_that_may_not_read_is_told(mirrored: Stage) -> None:
    """The mirror works without that."""
    mirrored.server.allowed = frozenset(mirrored.server.asked) | {"GetDeploymentStrategy"}
    check = checked(mirrored)

    assert (Status.WARN, True) == (check.status, "does not let this identity in" in check.detail)


def test_a_service_that_does_not_answer_is_told(mirrored: Stage) -> None:
    """In time."""
    mirrored.server.faults = lambda _: Fault.BROKEN
    check = checked(mirrored, 0.5)

    assert (Status.FAIL, True) == (check.status, "does not answer" in check.detail)


def test_an_agent_is_asked_if_one_is_named(mirrored: Stage) -> None:
    """It works, or is not there."""
    with agent_of(mirrored.double) as agent:
        mirrored.options = f"&agent={agent.url}"
        there = checked(mirrored)
    away = checked(mirrored, 5.0)

    assert (Status.OK, True) == (there.status, f"from {agent.url}" in there.detail)
    assert (Status.WARN, True) == (away.status, "the AppConfig Agent does not answer" in away.detail)
