"""Gates as people meet them: `validate` and `publish` with one that denies, in every format, and with none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from command_line import ETL, PROD, CommandLine, documented, shape
from runpin.model import STABLE
from runpin.policy.built_in import BUILT_IN
from runpin.reporting.rules import described
from sarif_excerpt import SARIF

SECRET = "hunter2-canary"  # noqa: S105 - nobody's password
WITH_SECRET = f"batch_size: 500\ncurrency: EUR\npassword: {SECRET}\nretries:\n  limit: 3\n  wait_seconds: 30\n"


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with a repository whose documents may hold any key."""
    made = CommandLine(tmp_path)
    made.start()
    manifest = (made.config / "runpin.toml").read_text()
    lines = [line for line in manifest.splitlines() if not line.startswith("schemas")]
    made.commit({"runpin.toml": "\n".join(lines) + "\n"})
    return made


def gates(cli: CommandLine, text: str) -> None:
    """Set up gates in the manifest, below everything else, and commit that."""
    manifest = (cli.config / "runpin.toml").read_text().partition("\n[gates]")[0]
    cli.commit({"runpin.toml": f"{manifest}\n[gates]\n{text}\n"})


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github", "gitlab"])
def test_validate_tells_what_a_gate_denies(cli: CommandLine, form: str) -> None:
    """File, line and rule, in every format, and never the value."""
    cli.write(ETL, WITH_SECRET)
    answer = cli.run("validate", "-r", cli.config, "--format", form)

    assert (1, "") == (answer.code, answer.err)
    assert ETL in answer.out
    assert "the key is named like a secret" in answer.out
    assert SECRET not in answer.out


def test_sarif_knows_the_rule(cli: CommandLine) -> None:
    """Code hosts show what the gate is for, and the log fits its schema."""
    from jsonschema import Draft202012Validator

    cli.write(ETL, WITH_SECRET)
    log = cli.run("validate", "-r", cli.config, "--format", "sarif").json
    (rule,) = log["runs"][0]["tool"]["driver"]["rules"]
    (result,) = log["runs"][0]["results"]

    assert [] == list(Draft202012Validator(SARIF).iter_errors(log))
    assert ("gate/references", "error") == (rule["id"], result["level"])
    assert "A secret stands where a reference to it should" == rule["shortDescription"]["text"]
    assert 3 == result["locations"][0]["physicalLocation"]["region"]["startLine"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_gate_has_a_sentence(name: str) -> None:
    """Whatever word of the gate follows; and one for a gate that did not run."""
    sentence = described(f"gate/{name}").short

    assert "does not fit" not in sentence
    assert sentence == described(f"gate/{name}/anything").short
    assert f"The gate {name} did not run" == described(f"gate/{name}/absent").short
    assert "does not fit" in described("acme/naming").short
    assert "does not fit" in described("gate/unknown").short


def test_publish_refuses_what_a_gate_denies(cli: CommandLine) -> None:
    """In text and in JSON, with place and advice; nothing is written."""
    cli.commit({ETL: WITH_SECRET})
    text = cli.run("publish", "-e", "prod", "-r", cli.config)
    answer = cli.run("publish", "-e", "prod", "-r", cli.config, "--json")
    (finding,) = answer.error["findings"]

    assert [1, 1] == [text.code, answer.code]
    assert ("ValidationFailed", "gate/references") == (answer.error["kind"], finding["rule"])
    assert (f"{ETL}:3", "etl#/password") == (finding["where"], finding["key"])
    assert f"where: {ETL}:3" in text.err
    assert SECRET not in text.out + text.err + answer.out
    assert 3 == cli.run("channel", "show", "payments", "-e", "prod").code


@pytest.mark.parametrize(
    ("mode", "validate", "publish", "severity"),
    [
        ('"deny"', 1, 1, "error"),
        ('"warn"', 0, 0, "warning"),
        ('"dryrun"', 0, 0, "note"),
        ('"off"', 0, 0, None),
        ('{ mode = "warn" }', 0, 0, "warning"),
        ('{ mode = { commit = "warn" } }', 0, 1, "error"),
        ('{ mode = { commit = "deny", publish = "warn" } }', 1, 0, "warning"),
        ('{ mode = { publish = "off" }, not_keys = ["secret"] }', 1, 0, None),
        ('{ not_keys = ["password"] }', 0, 0, None),
    ],
)
def test_the_manifest_says_how_strict_a_gate_is(
    cli: CommandLine, mode: str, validate: int, publish: int, severity: str | None
) -> None:
    """In each of its forms, and by itself at each point."""
    cli.commit({ETL: WITH_SECRET})
    gates(cli, f"references = {mode}")
    answer = cli.run("publish", "-e", "prod", "-r", cli.config, "--json")
    found = answer.error["findings"] if answer.code else answer.json["findings"]

    assert [validate, publish] == [cli.run("validate", "-r", cli.config).code, answer.code]
    assert [severity] * (severity is not None) == [each["severity"] for each in found]


def test_publish_tells_what_does_not_deny(cli: CommandLine) -> None:
    """A warning is read by people and programs, and the content is published; JSON is as the reference shows it."""
    cli.publish()
    cli.pin("run-1")
    cli.commit({ETL: (cli.config / ETL).read_text().replace("  wait_seconds: 30\n", "")})
    text = cli.ok("publish", "-e", "prod", "-r", cli.config, "--dry-run").out
    answer = cli.publish()

    assert ["gate/removed/key"] == [each["rule"] for each in answer["findings"]]
    assert "warning: this key is gone, and 1 run was pinned to payments.prod.v1." in text
    assert "  key:   etl#/retries/wait_seconds\n" in text
    assert True is answer["published"][0]["moved"]
    assert shape(documented("publish")).keys() == shape(answer).keys()


def test_nobody_pinned_and_nobody_missed(cli: CommandLine) -> None:
    """Runs of long ago do not count, nor do those that there never were."""
    cli.publish()
    cli.commit({ETL: "batch_size: 500\ncurrency: EUR\n"})
    before = cli.publish("--dry-run")["findings"]
    cli.pin("run-1")
    cli.variables["RUNPIN_READER_HOURS"] = "0.000001"

    assert [[], []] == [before, cli.publish("--dry-run")["findings"]]


def grown(rows: int) -> str:
    """Return a document with many rows."""
    return "batch_size: 500\ncurrency: EUR\nretries: {limit: 3}\ntables:\n" + "".join(
        f"  - orders_{number}_of_a_long_name\n" for number in range(rows)
    )


CHANGES: Any = {
    "grown": ({ETL: grown(900)}, {"gate/growth/bytes", "gate/growth/values"}, 1),
    "removed": ({ETL: "batch_size: 500\ncurrency: EUR\nretries: {limit: 3}\n"}, {"gate/removed/key"}, 0),
    "emptied": ({ETL: "batch_size: 500\ncurrency: EUR\nretries: {limit: 3}\ntables: []\n"}, {"gate/empty"}, 1),
    "nothing": ({PROD: "batch_size: 3000\n"}, set(), 0),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("source", ["files", "staged", "commit"])
def test_a_change_is_judged_against_another_commit(cli: CommandLine, change: str, source: str) -> None:
    """Without a store `--against` says what is live, whichever state of the repository is judged."""
    files, rules, code = CHANGES[change]
    base = cli.commit({ETL: grown(200)})
    for path, text in files.items():
        cli.write(path, text)
    cli.git("add", "--all")
    more = {"files": [], "staged": ["--staged"], "commit": ["--ref", cli.commit({}) if source == "commit" else ""]}
    alone, compared = (
        cli.run("validate", "-r", cli.config, "--json", *more[source], *each) for each in ([], ["--against", base])
    )

    assert [0, code] == [alone.code, compared.code]
    assert ([], rules) == (alone.json["findings"], {each["rule"] for each in compared.json["findings"]})
    assert not (cli.home / "runpin.db").exists()


def test_against_names_a_commit(cli: CommandLine) -> None:
    """A branch will do; what is none is told, and so is a commit that is no config repository."""
    branch, unknown = (cli.run("validate", "-r", cli.config, "--against", ref) for ref in ("main", STABLE))
    (cli.config / "runpin.toml").rename(cli.config / "elsewhere.toml")
    bare = cli.commit({})
    (cli.config / "elsewhere.toml").rename(cli.config / "runpin.toml")
    before = cli.run("validate", "-r", cli.config, "--against", bare)

    assert [0, 6, 1] == [branch.code, unknown.code, before.code]
    assert f"runpin.toml at commit {bare[:12]}" in before.err


def test_against_leaves_new_environments_alone(cli: CommandLine) -> None:
    """What was not declared at that commit has nothing to be compared with."""
    base = cli.git("rev-parse", "HEAD")
    manifest = (cli.config / "runpin.toml").read_text()
    cli.write("runpin.toml", manifest.replace('"prod"', '"prod", "qa"', 1))
    answer = cli.ok("validate", "-r", cli.config, "--against", base, "--json").json

    assert "qa" in [each["name"] for each in answer["environments"]]
    assert [] == answer["findings"]


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github", "gitlab"])
def test_against_tells_what_cannot_be_compared(cli: CommandLine, form: str) -> None:
    """A file that the other commit has damaged is no reason to deny this one, and its changes were not judged."""
    whole = (cli.config / ETL).read_text()
    base = cli.commit({ETL: "batch_size: [\n"})
    cli.write(ETL, whole)
    answer = cli.run("validate", "-r", cli.config, "--against", base, "--format", form)

    assert (0, "") == (answer.code, answer.err)
    assert f"nothing is compared with what {base[:12]} has here" in answer.out
    assert ETL in answer.out


def test_against_tells_nothing_of_environments_that_are_not_asked_about(cli: CommandLine) -> None:
    """An overlay is one environment's own."""
    base = cli.commit({PROD: "batch_size: [\n"})
    cli.write(PROD, "batch_size: 3000\n")
    found = [
        cli.ok("validate", "-r", cli.config, "--against", base, "-e", name, "--json").json["findings"]
        for name in ("prod", "dev")
    ]

    assert [[("against", "warning", PROD)], []] == [
        [(each["rule"], each["severity"], each["file"]) for each in findings] for findings in found
    ]
