"""What code hosts are given: SARIF, commands for GitHub's log, GitLab's report."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpin.errors import UnknownEnvironment
from runpin.model import Commit
from runpin.reporting import Environment, Remark, Report
from runpin.reporting.fingerprints import fingerprints
from runpin.reporting.github import github
from runpin.reporting.gitlab import gitlab
from runpin.reporting.sarif import sarif, sarif_of_failure
from sarif_excerpt import SARIF

COMMIT = Commit("5f0c", "/config", "working tree", "ada", "files as they are", datetime(2026, 1, 2, tzinfo=UTC))
TOO_MUCH = Remark(
    "properties/batch_size/maximum",
    "error",
    "must be at most 10000",
    document="etl",
    pointer="/batch_size",
    file="environments/prod/payments/etl.yaml",
    line=2,
    fix="lower it",
    where="environments/prod/payments/etl.yaml:2",
    environments=("prod",),
)
BROKEN = Remark("parse", "error", "a quote is opened and never closed", file="a b#/é.yaml", line=3, column=7)
NOWHERE = Remark("check", "error", "the check stopped")
WARNED = replace(TOO_MUCH, severity="warning", rule="policy/rounds", pointer="", fix=None)
NOTED = replace(WARNED, severity="note", line=1)
ALL = (TOO_MUCH, BROKEN, NOWHERE, WARNED, NOTED)


def report(*remarks: Remark) -> Report:
    """Return a report of prod."""
    return Report(COMMIT, (Environment("prod", 0),), remarks)


def run_of(log: dict[str, Any]) -> dict[str, Any]:
    """Return the one run of a SARIF log that fits the schema."""
    from jsonschema import Draft202012Validator

    assert [] == [error.message for error in Draft202012Validator(SARIF).iter_errors(json.loads(json.dumps(log)))]
    (run,) = log["runs"]
    return dict(run)


def test_sarif_has_what_code_hosts_read() -> None:
    """Rule, level, message, file and line, key, and a fingerprint."""
    run = run_of(sarif(report(TOO_MUCH), "1.2.3"))
    (result,) = run["results"]
    (location,) = result["locations"]

    assert ("runpin", "1.2.3") == (run["tool"]["driver"]["name"], run["tool"]["driver"]["version"])
    assert ["properties/batch_size/maximum"] == [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert ("error", 0) == (result["level"], result["ruleIndex"])
    assert "must be at most 10000 (fix: lower it)" == result["message"]["text"]
    assert TOO_MUCH.file == location["physicalLocation"]["artifactLocation"]["uri"]
    assert {"startLine": 2} == location["physicalLocation"]["region"]
    assert "etl#/batch_size" == location["logicalLocations"][0]["fullyQualifiedName"]
    assert ["prod"] == result["properties"]["environments"]


def test_sarif_of_every_kind_of_remark_fits_the_schema() -> None:
    """Each severity, a file alone, and what no file can be named for."""
    run = run_of(sarif(report(*ALL), "1", "config/"))
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]

    assert ["error", "error", "error", "warning", "note"] == [result["level"] for result in run["results"]]
    assert "config/a%20b%23/%C3%A9.yaml" == places[1]["artifactLocation"]["uri"]
    assert {"startLine": 3, "startColumn": 7} == places[1]["region"]
    assert ("config/runpin.toml", {"startLine": 1}) == (places[2]["artifactLocation"]["uri"], places[2]["region"])
    assert all(run["tool"]["driver"]["rules"][each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    assert "runpin/config/" == run["automationDetails"]["id"]
    assert "unicodeCodePoints" == run["columnKind"]


@pytest.mark.parametrize(("remarks", "code"), [((), 0), ((WARNED, NOTED), 0), ((TOO_MUCH,), 1)])
def test_sarif_says_how_the_command_ended(remarks: tuple[Remark, ...], code: int) -> None:
    """Finding something is a success of the tool; warnings let the configuration pass."""
    run = run_of(sarif(report(*remarks), "1"))

    assert [{"executionSuccessful": True, "exitCode": code}] == run["invocations"]


def test_sarif_of_a_command_that_could_not_check() -> None:
    """No result and no success, or a code host would close what it knows."""
    run = run_of(sarif_of_failure(UnknownEnvironment("no environment is named 'x'", fix="known: prod"), "1"))
    (ended,) = run["invocations"]

    assert ([], False, 3) == (run["results"], ended["executionSuccessful"], ended["exitCode"])
    assert "no environment is named 'x'" in ended["toolExecutionNotifications"][0]["message"]["text"]


def test_a_message_makes_no_link() -> None:
    """Readers of SARIF make a link of `[text](target)`; a key may be called so."""
    (result,) = run_of(sarif(report(replace(TOO_MUCH, message="the key [a](http://b) is missing")), "1"))["results"]

    assert r"the key \[a\](http://b) is missing (fix: lower it)" == result["message"]["text"]


def test_the_excerpt_of_the_schema_finds_mistakes() -> None:
    """A member that SARIF does not know, and a line 0, are refused."""
    from jsonschema import Draft202012Validator

    for mistake in ({"startLine": 0}, {"startLine": 1, "lines": 2}, {}):
        log = sarif(report(TOO_MUCH), "1")
        log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"] = mistake

        assert not Draft202012Validator(SARIF).is_valid(log)


def test_fingerprints_stay_when_lines_move() -> None:
    """Lines that come or go above change no name, in places and in sentences."""
    twice = replace(BROKEN, message="the key 'a' is set on line 3 and again on line 5", line=5)
    moved = replace(twice, message="the key 'a' is set on line 13 and again on line 15", line=15, column=9)

    assert fingerprints([TOO_MUCH, twice]) == fingerprints([replace(TOO_MUCH, line=77), moved])


def test_fingerprints_are_all_different() -> None:
    """Even where nothing but the line differs; GitLab shows one of each only."""
    remarks = [*ALL, TOO_MUCH, replace(TOO_MUCH, line=9), replace(TOO_MUCH, message="must be at least 1")]
    remarks += [replace(TOO_MUCH, pointer="/b"), replace(TOO_MUCH, file="other.yaml"), replace(TOO_MUCH, rule="r")]

    assert len(remarks) == len(set(fingerprints(remarks)))


def test_gitlab_has_what_it_requires() -> None:
    """Description, check, fingerprint, severity and place of each."""
    entries = gitlab(report(*ALL), "config/")

    assert ["major", "major", "major", "minor", "info"] == [entry["severity"] for entry in entries]
    assert {"path": f"config/{TOO_MUCH.file}", "lines": {"begin": 2}} == entries[0]["location"]
    assert {"path": "config/runpin.toml", "lines": {"begin": 1}} == entries[2]["location"]
    assert len(ALL) == len({entry["fingerprint"] for entry in entries})
    assert all(entry["description"] and entry["check_name"] for entry in entries)


def test_github_gets_one_command_for_each_remark() -> None:
    """With the severity as its name, and what is known of the place."""
    lines = list(github(report(*ALL), "config/"))

    assert (
        "::error file=config/environments/prod/payments/etl.yaml,line=2,title=runpin etl#/batch_size"
        "::must be at most 10000 (fix: lower it)" == lines[0]
    )
    assert "::error file=config/a b#/é.yaml,line=3,col=7,title=runpin parse::" in lines[1]
    assert "::error title=runpin check::the check stopped" == lines[2]
    assert ["warning", "notice"] == [line.split()[0].strip(":") for line in lines[3:]]


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """Read a command as the runner does: name, properties, message."""
    head, _, message = line.removeprefix("::").partition("::")
    name, _, properties = head.partition(" ")
    pairs = (pair.partition("=") for pair in properties.split(",") if pair)
    return name, {key: unquote(value) for key, _, value in pairs}, unquote(message)


LETTERS = "ab :,=%\r\n\x1b\u2028é[]#"
NASTY = st.lists(st.sampled_from((*LETTERS, "::error::", "%0A", "##[error]")), min_size=1).map("".join)


@given(file=NASTY, message=NASTY, pointer=NASTY)
def test_nothing_in_a_remark_begins_a_command(file: str, message: str, pointer: str) -> None:
    """A name or message with line ends, colons and commas stays one line and one command, and is read back whole."""
    remark = replace(TOO_MUCH, file=file, message=message, pointer=pointer, fix=None)
    (line,) = github(report(remark))
    name, properties, read = parsed(line)

    assert line.isprintable()
    assert ("error", {"file", "line", "title"}) == (name, set(properties))
    assert (plain(file), plain(message)) == (properties["file"], read)
    assert plain(f"runpin etl#{pointer}") == properties["title"]


def plain(text: str) -> str:
    """Return *text* with what cannot be printed escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
