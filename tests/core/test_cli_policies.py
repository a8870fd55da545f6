"""Policies in the sample repository, as the command line and code hosts show what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import PROD, CommandLine

MANIFEST = "runpin.toml"
LIMITS = "policies/limits.yaml"
POLICY = """\
match:
  applications: [payments]
  environments: [prod]
  documents: [etl]
enforcement: {commit: warn}
validations:
  - expression: document.batch_size <= 2000
    messageExpression: "'a batch of ' + string(document.batch_size) + ' in ' + scope.environment"
    pointer: /batch_size
    rule: batch-size
    fix: ask the payments team
samples:
  allowed: [{documents: {etl: {batch_size: 500}}}]
  denied: [{documents: {etl: {batch_size: 5000}}}]
"""


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with the sample, whose manifest names policies, and prod above the policy's limit."""
    made = CommandLine(tmp_path)
    made.start()
    manifest = (made.config / MANIFEST).read_text()
    named = manifest.replace("\n[applications", '\npolicies = ["policies/*.yaml"]\n\n[applications', 1)
    made.commit({MANIFEST: named, LIMITS: POLICY, PROD: "batch_size: 4321\n"})
    return made


def test_a_policy_warns_at_the_commit_and_denies_at_publish(cli: CommandLine) -> None:
    """The same finding is a warning where its mode says so, and an error where publishing stands for it."""
    warned = cli.run("validate", "-r", cli.config)
    denied = cli.run("publish", "-r", cli.config, "--environment", "prod", "--json")
    (finding,) = denied.json["error"]["findings"]

    assert (0, "") == (warned.code, warned.err)
    assert "  warning: a batch of ●●● in prod\n    where: environments/prod/payments/etl.yaml:1\n" in warned.out
    assert "    rule:  policy/limits/batch-size\n    in:    prod\n    fix:   ask the payments team\n" in warned.out
    assert 1 == denied.code
    assert ("policy/limits/batch-size", "error", "/batch_size") == (
        finding["rule"],
        finding["severity"],
        finding["pointer"],
    )
    assert "4321" not in warned.out + denied.out + denied.err


def test_what_a_policy_allows_is_published(cli: CommandLine) -> None:
    """The policy is asked in the child that reads the commit, and nothing is said about what is fine."""
    cli.batches(1500)

    assert "batch" not in cli.ok("publish", "-r", cli.config, "--environment", "prod").out
    cli.ok("publish", "-r", cli.config, "--environment", "dev")


def test_code_hosts_get_the_place(cli: CommandLine) -> None:
    """JSON and SARIF have the file and line of the value, and the policy as the rule."""
    (told,) = cli.run("validate", "-r", cli.config, "--format", "json").json["findings"]
    log = cli.run("validate", "-r", cli.config, "--format", "sarif").json
    (result,) = log["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]

    assert (PROD, 1, "policy/limits/batch-size", "warning") == (
        told["file"],
        told["line"],
        told["rule"],
        told["severity"],
    )
    assert ("policy/limits/batch-size", "warning") == (result["ruleId"], result["level"])
    assert (PROD, 1) == (place["artifactLocation"]["uri"], place["region"]["startLine"])
    assert "4321" not in json.dumps([told, log])


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("expression: document", "expresion: document"), 7, "did you mean 'expression'?"),
        (("batch_size <= 2000", "batch_size <"), 7, "the expression cannot be compiled"),
        (("batch_size <= 2000", "batch_sise <= 2000"), 13, "cannot decide on its allowed sample 1"),
        (("<= 2000", "<= 9000"), 14, "allows its denied sample 1"),
    ],
)
def test_a_policy_that_is_broken_denies(cli: CommandLine, change: tuple[str, str], line: int, says: str) -> None:
    """The report has the policy's file and line, for `validate` and for `publish`."""
    assert change[0] in POLICY
    cli.commit({LIMITS: POLICY.replace(*change)})
    told = cli.run("validate", "-r", cli.config)

    assert (1, "") == (told.code, told.err)
    assert says in told.out
    assert f"    where: {LIMITS}:{line}\n" in told.out
    assert 1 == cli.run("publish", "-r", cli.config, "--environment", "dev").code
