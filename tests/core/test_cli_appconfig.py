"""The command line with its channels mirrored into AWS AppConfig, at a double."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appconfig_agent_double import agent_of
from appconfig_double_server import KEY_ID, SECRET, Fault, Server
from appconfig_stage import GRADUAL, VARIABLES, Stage, client_of, furnish
from command_line import ROOT, CommandLine, documented, shape
from runpin.backends import open_backend
from runpin.clock import SystemClock
from runpin.errors import SettingsError
from runpin.testing.store_contract import SCOPE

APPCONFIG = "aws-appconfig://eu-west-1"
PAGE = ROOT / "docs" / "how-to" / "aws-appconfig.md"


@pytest.fixture
def cli(tmp_path: Path, appconfig: Server) -> CommandLine:
    """Return a command line with a mirror at the double, and a first publication."""
    cli = CommandLine(tmp_path, {"RUNPIN_MIRRORS": appconfig.url, "RUNPIN_ENVIRONMENT": "prod", **VARIABLES})
    cli.start()
    cli.batches(100)
    cli.publish()
    return cli


def test_a_publication_and_a_rollback_are_mirrored(cli: CommandLine, appconfig: Server) -> None:
    """What AppConfig serves is what the channel names, verified; the answers are the documented ones."""
    furnish(Stage(appconfig))
    first = cli.ok("mirror", "bring", "payments", "--json").json
    good = cli.present()
    with cli.core() as core:
        channel = core.store.channel(SCOPE, "stable")
        core.store.move(SCOPE, "canary", channel.snapshot, expected_revision=0, actor="ada", reason="by hand")
    behind = cli.run("mirror", "show", "payments", "--channel", "canary")
    cli.batches(200)
    published = cli.publish()
    cli.ok("rollback", "payments", "--reason", "broken")
    live = cli.ok("mirror", "show", "payments", "--live", "--json").json
    (state,) = live["mirrors"]

    assert (1, "nothing was deployed to this profile") == (behind.code, behind.out.splitlines()[-1][-36:])
    assert ["in step"] == [each["standing"] for each in published["mirrors"] if each["channel"]["revision"] == 2]
    assert (good, good, good) == (state["served"], state["snapshot"], state["deployment"]["snapshot"])
    assert ("in step", 3, True) == (state["standing"], state["revision"], live["well"])
    assert shape(documented("mirror show")) == shape(live)
    assert shape(documented("mirror bring")) == shape(first)


def test_a_deployment_that_was_rolled_back_is_told(cli: CommandLine, appconfig: Server) -> None:
    """With exit code 1 while the channel stands there, and by whom it was."""
    furnish(Stage(appconfig), strategy=GRADUAL)
    moving = cli.run("mirror", "bring", "payments")
    appconfig.double.alarm()
    told = cli.run("mirror", "bring", "payments")

    assert (0, 1) == (moving.code, told.code)
    assert re.search(r"moving +deployment 1 is DEPLOYING, 20 %", moving.out)
    assert re.search(r"taken back +deployment 1: ROLLED_BACK, ROLLBACK_COMPLETED by CLOUDWATCH_ALARM", told.out)


def test_what_appconfig_cannot_take_stays_shown(cli: CommandLine, appconfig: Server) -> None:
    """As left out, and why, by whoever looks later; until the channel moves to what it takes."""
    furnish(Stage(appconfig), profiles=(), flags=("stable.features.flags",))
    cli.variables["RUNPIN_MIRRORS"] = f"{appconfig.url}&flags=features"
    brought = cli.run("mirror", "bring", "payments")
    shown, status = cli.run("mirror", "show", "payments"), cli.run("status", "payments")
    cli.batches(200)
    published = cli.run("publish", "-r", cli.config)
    cli.commit({"payments/features.yaml": FEATURES})
    cli.publish()
    after = cli.ok("mirror", "show", "payments")

    assert [1, 1, 1] == [each.code for each in (brought, shown, status)]
    for each in (brought, shown):
        assert re.search(r"left out +payments\.prod\.v1\.\w+ has no document 'features'", each.out)
    assert re.search(r"left out .* has no document 'features'", status.out)
    assert (0, True) == (published.code, "fix:   correct what it does not take, and publish that" in published.err)
    assert "in step" in after.out


def test_a_mirror_that_is_away_stops_nothing_else(cli: CommandLine, appconfig: Server) -> None:
    """Publishing and going back need the store alone, and no key is shown."""
    furnish(Stage(appconfig))
    cli.ok("mirror", "bring", "payments")
    appconfig.faults = lambda _: Fault.BROKEN
    cli.batches(200)
    cli.publish()
    back = cli.run("rollback", "payments", "--reason", "broken")
    answer = cli.run("mirror", "bring", "payments")
    settings = cli.run("doctor", "--settings")

    assert (0, 1) == (back.code, answer.code)
    assert "is away for stable of payments.prod" in back.err
    assert "AWS AppConfig does not answer" in answer.out
    for secret in (KEY_ID, SECRET):
        assert secret not in "".join(each.out + each.err for each in (back, answer, settings))


FEATURES = "dark_mode: {enabled: true, theme: midnight}\nbeta: {enabled: false}\n"


def test_flags_and_snapshots_are_mirrored_and_read_through_the_agent(cli: CommandLine, appconfig: Server) -> None:
    """Two mirrors in one environment take turns; the doctor names whose flags are mirrored nowhere."""
    furnish(Stage(appconfig), profiles=("stable",), flags=("stable.features.flags",))
    control = client_of(appconfig)
    reports = control.create_application(Name="reports")["Id"]
    control.create_environment(ApplicationId=reports, Name="prod")
    control.create_configuration_profile(ApplicationId=reports, Name="stable", LocationUri="hosted")
    with agent_of(appconfig.double) as agent:
        url = f"{appconfig.url}&agent={agent.url}"
        cli.variables["RUNPIN_MIRRORS"] = f"{url} {url}&flags=features"
        cli.commit({"payments/features.yaml": FEATURES})
        cli.publish()
        # What was started at the same moment is done by the next call.
        cli.run("mirror", "bring", "--all")
        live = cli.ok("mirror", "show", "payments", "--live", "--json").json["mirrors"]
        healthy = cli.run("doctor", "--json").json["checks"]
    away = cli.run("doctor", "--json").json["checks"]

    assert [("in step", cli.present())] * 2 == [(each["standing"], each["served"]) for each in live]
    whole, flags = (each for each in healthy if each["name"] == "mirror")
    assert ("ok", True) == (whole["status"], f"readers get something from {agent.url}" in whole["detail"])
    assert ("warn", True) == (flags["status"], "does not mirror stable of reports.prod" in flags["detail"])
    assert ["warn", "warn"] == [each["status"] for each in away if each["name"] == "mirror"]
    assert all("configurations/stable" in each for each in agent.asked)


def test_doctor_shows_no_secret_of_a_mirror(cli: CommandLine, appconfig: Server) -> None:
    """Whether nothing was made there yet, or the identity is not let in."""
    empty = cli.run("doctor", "--json")
    appconfig.allowed = frozenset()
    refused = cli.run("doctor", "--json")
    found = [each for answer in (empty, refused) for each in answer.json["checks"] if each["name"] == "mirror"]

    assert ["fail", "fail"] == [each["status"] for each in found]
    assert "has no application named 'payments'" in found[0]["detail"]
    assert "does not let this identity in" in found[1]["detail"]
    for secret in (KEY_ID, SECRET):
        assert secret not in empty.out + empty.err + refused.out + refused.err


def test_the_page_makes_what_the_mirror_needs(cli: CommandLine, appconfig: Server) -> None:
    """Its commands are followed, with boto3 in the place of the program `aws`."""
    control = client_of(appconfig)
    ids: dict[str, str] = {}
    for command in re.findall(r"^\$ (?:\w+=\$\()?aws appconfig (create-.*)$", PAGE.read_text(), re.MULTILINE):
        kind, *options = command.removesuffix(")").split(" --")
        given = dict(option.split(" ", 1) for option in options if not option.startswith(("query", "output")))
        answer = getattr(control, kind.replace("-", "_"))(**{_member(key): _value(given[key], ids) for key in given})
        ids[kind.removeprefix("create-")] = answer["Id"]
    state = cli.ok("mirror", "bring", "payments", "--json").json

    assert {"application", "environment", "configuration-profile", "deployment-strategy"} == set(ids)
    assert [each["standing"] for each in state["mirrors"]] == ["in step"]


def _member(option: str) -> str:
    return "".join(part.capitalize() for part in option.split("-"))


def _value(text: str, ids: dict[str, str]) -> str | int:
    if text == '"$APPLICATION"':
        return ids["application"]
    return int(text) if text.isdigit() else text


def test_without_a_mirror_there_is_an_error(tmp_path: Path) -> None:
    """And no guess."""
    cli = CommandLine(tmp_path, {"RUNPIN_ENVIRONMENT": "prod"})
    cli.start()
    cli.batches(100)
    cli.publish()
    answer = cli.run("mirror", "show", "payments")

    assert (7, "error: there is no mirror") == (answer.code, answer.err.splitlines()[0])


def test_the_mirror_is_neither_store_nor_ledger() -> None:
    """It has no set-if-absent, and what it serves may be another's."""
    for store, ledger in ((APPCONFIG, None), ("azure-appconfig://name.azconfig.io/runpin", APPCONFIG)):
        with pytest.raises(SettingsError, match="neither store nor ledger"):
            open_backend(store, SystemClock(), upgrade=True, ledger=ledger)
