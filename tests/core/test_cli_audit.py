"""`audit` and `channel move`: the rules of today, about what was published yesterday."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import PROD, CommandLine, documented, shape

SCHEMA = "schemas/payments/etl.schema.json"


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with the sample repository, published to prod."""
    made = CommandLine(tmp_path)
    made.start()
    made.publish()
    return made


def stricter(cli: CommandLine, most: int = 1500) -> None:
    """Commit a schema that allows smaller batches only; what prod has is 2000."""
    schema = json.loads((cli.config / SCHEMA).read_text())
    schema["properties"]["batch_size"]["maximum"] = most
    cli.commit({SCHEMA: json.dumps(schema, indent=1)}, "Smaller batches only")


def test_what_is_live_and_fits_is_ok(cli: CommandLine) -> None:
    """Each Snapshot is a line, and the exit code is 0."""
    answer = cli.ok("audit", "-e", "prod", "-r", cli.config)
    lines = [line.split() for line in answer.out.splitlines()]

    assert ["payments.prod", "stable", cli.present(), "ok"] in lines
    assert ["reports.prod", "stable", cli.present("reports"), "ok"] in lines
    assert "what is live passes the rules of today" in answer.out


def test_a_stricter_schema_finds_what_is_live(cli: CommandLine) -> None:
    """It ends with 1, names the line that still sets the value, and prints no value."""
    stricter(cli)
    answer = cli.run("audit", "-e", "prod", "-r", cli.config)

    assert (1, "") == (answer.code, answer.err)
    assert f"{cli.present()}   1 found" in answer.out
    assert "must be at most 1500" in answer.out
    assert f"where: {PROD}:" in answer.out
    assert f"in:    {cli.present()}" in answer.out
    assert "2000" not in answer.out
    assert "runpin rollback" in answer.out


def test_what_no_line_sets_any_more_is_found_all_the_same(cli: CommandLine) -> None:
    """The branch went on and sets another value; runs still get the old one."""
    cli.batches(1000)
    stricter(cli)
    answer = cli.run("audit", "-e", "prod", "-r", cli.config)

    assert 1 == answer.code
    assert "set by no line of this commit\n  error: must be at most 1500\n" in answer.out
    assert "key:   etl#/batch_size" in answer.out


def test_the_rules_of_any_commit_can_be_asked(cli: CommandLine) -> None:
    """With --ref, yesterday's rules."""
    before = cli.git("rev-parse", "HEAD")
    stricter(cli)

    assert [1, 0] == [cli.run("audit", "-e", "prod", "-r", cli.config, *more).code for more in ([], ["--ref", before])]


def test_the_answer_is_the_documented_one(cli: CommandLine) -> None:
    """In JSON, with its finding, and with what runs have that the channel has left."""
    for size in (1000, 2000):
        cli.batches(size)
        cli.publish()
        cli.pin(f"run-{size}")
    stricter(cli)
    answer = cli.run("audit", "-e", "prod", "-a", "payments", "-r", cli.config, "--pinned", "--json")
    text = cli.run("audit", "-e", "prod", "-a", "payments", "-r", cli.config, "--pinned")

    assert [(None, False), (1, True)] == [(each["pinned"], each["valid"]) for each in answer.json["snapshots"]]
    assert "stable before, 1 run " in text.out
    assert shape(documented("audit")) == shape(answer.json)
    assert (1, "") == (answer.code, answer.err)


def test_sarif_does_not_replace_what_validate_said(cli: CommandLine) -> None:
    """An audit is a report of its own for code hosts, at the lines of today."""
    stricter(cli)
    (run,) = cli.run("audit", "-e", "prod", "-r", cli.config, "--format", "sarif").json["runs"]
    (result,) = run["results"]

    assert "runpin-audit/" == run["automationDetails"]["id"]
    assert {"snapshots": [cli.present()]} == result["properties"]
    assert PROD == result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]


def test_an_audit_that_could_not_be_made_says_so_in_sarif(cli: CommandLine) -> None:
    """Code hosts get a report of that too, and programs the exit code."""
    answer = cli.run("audit", "-e", "prod", "-r", cli.folder / "nowhere", "--format", "sarif")
    (run,) = answer.json["runs"]

    assert (6, False) == (answer.code, run["invocations"][0]["executionSuccessful"])
    assert "runpin-audit/" == run["automationDetails"]["id"]


def test_a_broken_manifest_accepts_nothing(cli: CommandLine) -> None:
    """There are no rules of today then, and that is what is reported."""
    cli.commit({"runpin.toml": "format = 2\n"})
    text = cli.run("audit", "-e", "prod", "-r", cli.config)
    answer = cli.run("audit", "-e", "prod", "-r", cli.config, "--json")

    assert (1, 1) == (text.code, answer.code)
    assert "in every snapshot" in text.out
    assert (False, [], ["manifest"]) == (
        answer.json["valid"],
        answer.json["snapshots"],
        [finding["code"] for finding in answer.json["findings"]],
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-e", "dev"], 0, "Nothing that was asked for is published in dev."),
        (["-e", "staging"], 3, "no environment is named 'staging'"),
        (["-e", "prod", "-a", "paymets"], 3, "did you mean 'payments'?"),
        (["-e", "prod", "-c", "canary"], 0, "Nothing that was asked for is published in prod."),
        (["-e", "prod", "-c", "No!"], 3, "not a usable channel name"),
        (["-e", "prod", "--json", "--format", "sarif"], 2, "exclude each other"),
        (["-e", "prod", "--format", "github"], 2, "github"),
        (["-e", "prod", "--ref", "nope"], 6, "nope"),
    ],
)
def test_an_audit_says_what_it_does_not_find(cli: CommandLine, arguments: list[str], code: int, said: str) -> None:
    """Nothing to audit is no fault; a name that cannot be one is."""
    answer = cli.run("audit", "-r", cli.config, *arguments)

    assert code == answer.code
    assert said in answer.out + answer.err


def test_an_application_that_is_gone_is_denied(cli: CommandLine) -> None:
    """Its channel is still there, and so are its runs."""
    manifest = (cli.config / "runpin.toml").read_text()
    kept = "".join(part for part in manifest.partition("[applications.reports]")[:1])
    cli.commit({"runpin.toml": kept})
    answer = cli.run("audit", "-e", "prod", "-a", "reports", "-r", cli.config, "--json")

    assert ["manifest/undeclared"] == [finding["rule"] for finding in answer.json["findings"]]
    assert "reports.prod is published" in answer.json["findings"][0]["message"]


# Promotion


def move(cli: CommandLine, *arguments: str | Path, revision: int = 0) -> list[str | Path]:
    """Return the command that points prod's canary at what is stable now."""
    where = ("-e", "prod", "-c", "canary", "--expect-revision", str(revision))
    return ["channel", "move", "payments", cli.present(), *where, *arguments]


def canary(cli: CommandLine) -> list[str]:
    """Return the reasons in the history of prod's canary, newest first."""
    answer = cli.run("history", "payments", "-e", "prod", "-c", "canary", "--json")
    return [each["reason"] for each in answer.json.get("events", ()) if each["kind"] == "move"]


def test_a_move_is_judged_by_the_rules_of_today(cli: CommandLine) -> None:
    """What was fit to be published may not be fit any more; then nothing moves, and the findings say why."""
    stricter(cli)
    text = cli.run(*move(cli, "-r", cli.config))
    answer = cli.run(*move(cli, "-r", cli.config, "--json"))

    assert (1, 1) == (text.code, answer.code)
    assert "must be at most 1500" in text.err
    assert ("ValidationFailed", ["/batch_size"]) == (
        answer.error["kind"],
        [finding["pointer"] for finding in answer.error["findings"]],
    )
    assert "nothing was moved" in answer.error["fix"]
    assert "2000" not in text.out + text.err
    assert 3 == cli.run("channel", "show", "payments", "-e", "prod", "-c", "canary").code


def test_a_move_tells_warnings_and_goes_on(cli: CommandLine) -> None:
    """A document that the repository has given up is worth a word."""
    cli.git("rm", "--quiet", "payments/fees.yaml")
    cli.commit({})
    answer = cli.ok(*move(cli, "-r", cli.config, "--json")).json
    text = cli.ok(*move(cli, "-r", cli.config, revision=1)).out

    assert [("warning", "fees")] == [(each["severity"], each["document"]) for each in answer["findings"]]
    assert "warning: payments has no document 'fees' any more" in text


def test_a_repository_that_is_away_moves_nothing(cli: CommandLine) -> None:
    """The error says that it is about the rules, and that there is a way without them."""
    answer = cli.run(*move(cli, "-r", cli.folder / "nowhere"))

    assert 6 == answer.code
    assert "the rules that judge what is published cannot be read" in answer.err
    assert "--unchecked --reason TEXT" in answer.err
    assert [] == canary(cli)


def test_rules_that_cannot_be_read_move_nothing(cli: CommandLine) -> None:
    """A manifest that was broken after publication is no verdict, and leaves the way without rules."""
    (cli.config / "runpin.toml").write_text("format = 1\nenvironments = [\n")
    cli.commit({})
    answer = cli.run(*move(cli, "-r", cli.config))

    assert 1 == answer.code
    assert "runpin.toml" in answer.err
    assert "--unchecked --reason TEXT" in answer.err
    assert [] == canary(cli)


def test_a_move_without_rules_needs_a_reason_and_is_recorded(cli: CommandLine) -> None:
    """For the day on which Git is away; the history tells who did it and why."""
    refused = cli.run(*move(cli, "--unchecked"))
    cli.ok(*move(cli, "--unchecked", "--reason", "Git is away, ticket 7"))

    assert 2 == refused.code
    assert "--reason" in refused.err
    assert ["unchecked: Git is away, ticket 7"] == canary(cli)


def test_a_rollback_needs_no_repository(cli: CommandLine) -> None:
    """What takes a fault out of use works with Git away, and whatever the rules say by now."""
    first = cli.present()
    cli.batches(3000)
    cli.publish()
    stricter(cli)
    cli.config.rename(cli.folder / "gone")
    cli.ok("rollback", "payments", "-e", "prod")

    assert first == cli.present()
