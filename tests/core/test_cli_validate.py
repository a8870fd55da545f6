"""`validate` in each format, for people and for code hosts, of files, of what is staged and of commits."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest

from command_line import ETL, PROD, PROGRAM, SECONDS, CommandLine
from sarif_excerpt import SARIF

SECRET = "hunter2-canary"  # noqa: S105 - nobody's password
BROKEN = f"batch_size: 20000  # {SECRET}\ncurrency: {SECRET}\nretries:\n  limit: '{SECRET}'\n"
FORMATS = ("text", "json", "sarif", "github", "gitlab")


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with the sample repository."""
    made = CommandLine(tmp_path)
    made.start()
    return made


def uris(log: Any) -> set[str]:
    """Return the files that a SARIF log names."""
    places = [each["locations"][0]["physicalLocation"]["artifactLocation"] for each in log["runs"][0]["results"]]
    return {place["uri"] for place in places}


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_holds_a_value(cli: CommandLine, form: str) -> None:
    """Values of a broken document, in comments as well, are in no answer."""
    cli.write(PROD, BROKEN)
    cli.write("payments/fees.yaml", f"percent: '{SECRET}\n")
    answer = cli.run("validate", "-r", cli.config, "--format", form)

    assert (1, "") == (answer.code, answer.err)
    assert PROD in answer.out
    assert SECRET not in answer.out
    assert "20000" not in answer.out


def test_values_are_shown_to_who_asks(cli: CommandLine) -> None:
    """With --show-values the lines are as they are."""
    cli.write(PROD, BROKEN)
    answer = cli.run("validate", "-r", cli.config, "--show-values")

    assert f"> 1 | batch_size: 20000  # {SECRET}" in answer.out


def test_text_is_grouped_by_file_and_line(cli: CommandLine) -> None:
    """Place, key, rule, environments and the lines around, in the order of the file."""
    cli.write(PROD, "batch_size: 20000\nretries:\n  limit: x\n")
    out = cli.run("validate", "-r", cli.config).out

    assert out.index(f"\n{PROD}\n") < out.index("must be at most 10000") < out.index("must be of type integer")
    assert f"    where: {PROD}:1\n    key:   etl#/batch_size\n" in out
    assert "    > 1 | batch_size: ●●●\n        | ^^^^^^^^^^\n      2 | retries:\n" in out
    assert "2 errors in 1 file, in prod\nNext: " in out


def test_a_broken_file_is_shown_at_its_place(cli: CommandLine) -> None:
    """A file that cannot be read is a remark like any other, with a mark at the column."""
    cli.write(ETL, "currency: EUR\nbatch_size: [1\n")
    answer = cli.run("validate", "-r", cli.config, "--format", "json")
    (finding,) = answer.json["findings"]

    assert ("parse", "ParseError", ETL) == (finding["code"], finding["rule"], finding["file"])
    assert (None, None, None) == (finding["key"], finding["document"], finding["pointer"])
    assert finding["where"] == f"{ETL}:{finding['line']}:{finding['column']}"


def test_the_json_answer_has_places_as_fields(cli: CommandLine) -> None:
    """What was in one text before is there by itself as well."""
    cli.write(PROD, "batch_size: 20000\n")
    (finding,) = cli.run("validate", "-r", cli.config, "--json").json["findings"]

    assert (PROD, 1, None) == (finding["file"], finding["line"], finding["column"])
    assert ("etl", "/batch_size", finding["rule"]) == (finding["document"], finding["pointer"], finding["code"])


def test_json_has_two_names(cli: CommandLine) -> None:
    """`--json` is `--format json`, for errors too."""
    cli.write(PROD, "batch_size: 20000\n")
    arguments = (["--json"], ["--format", "json"], ["--format=json"])
    findings = [cli.run("validate", "-r", cli.config, *each).json["findings"] for each in arguments]
    errors = [cli.run("validate", "-r", cli.config, "-e", "nope", *each).error["kind"] for each in arguments]

    assert findings[0] == findings[1] == findings[2]
    assert ["UnknownEnvironment"] * 3 == errors


@pytest.mark.parametrize(
    "arguments",
    [
        ["--format", "xml"],
        ["--format", "sarif", "--json"],
        ["--format", "sarif", "--show-values"],
        ["--staged", "--ref", "main"],
    ],
)
def test_what_does_not_go_together_is_refused(cli: CommandLine, arguments: list[str]) -> None:
    """A request that contradicts itself is not understood."""
    answer = cli.run("validate", "-r", cli.config, *arguments)

    assert 2 == answer.code


@pytest.mark.parametrize("form", FORMATS)
def test_a_valid_repository_ends_with_0(cli: CommandLine, form: str) -> None:
    """Every format has an answer for nothing wrong."""
    answer = cli.ok("validate", "-r", cli.config, "--format", form)

    assert {"gitlab": "[]", "github": "Valid. Checked: dev, prod."}.get(form, "") in answer.out
    assert answer.out


def test_sarif_fits_its_schema(cli: CommandLine) -> None:
    """With findings, with a broken file, and with a command that could not check."""
    from jsonschema import Draft202012Validator

    cli.write(PROD, BROKEN)
    cli.write("payments/fees.yaml", "percent: [\n")
    answers = [cli.run("validate", "-r", cli.config, "--format", "sarif", *more) for more in ([], ["-e", "nope"])]
    runs = [answer.json["runs"][0] for answer in answers]

    assert [[], []] == [list(Draft202012Validator(SARIF).iter_errors(answer.json)) for answer in answers]
    assert [(1, True), (3, False)] == [
        (answer.code, run["invocations"][0]["executionSuccessful"]) for answer, run in zip(answers, runs, strict=True)
    ]
    assert {PROD, "payments/fees.yaml"} == uris(answers[0].json)
    assert "no environment is named 'nope'" in answers[1].err


def test_code_hosts_get_paths_from_the_root_of_the_git_repository(cli: CommandLine) -> None:
    """A config repository may be a folder of a larger one."""
    root = cli.folder / "mono"
    subprocess.run(["git", "init", "--quiet", root], env=cli.environment(), check=True, timeout=SECONDS)
    copytree(cli.config, root / "conf", ignore=ignore_patterns(".git"))
    (root / "conf" / PROD).write_text("batch_size: 20000\n")
    sarif, github, gitlab = (
        cli.run("validate", "-r", root / "conf", "--format", form) for form in ("sarif", "github", "gitlab")
    )

    assert {f"conf/{PROD}"} == uris(sarif.json)
    assert "runpin/conf/" == sarif.json["runs"][0]["automationDetails"]["id"]
    assert github.out.startswith(f"::error file=conf/{PROD},line=1,")
    assert f"conf/{PROD}" == gitlab.json[0]["location"]["path"]


def test_fingerprints_stay_when_a_line_is_added_above(cli: CommandLine) -> None:
    """Code hosts know a finding again after a change elsewhere in the file."""
    seen = []
    for text in ("batch_size: 20000\n", "# a note\n\nbatch_size: 30000\n"):
        cli.write(PROD, text)
        answer = cli.run("validate", "-r", cli.config, "--format", "sarif").json
        seen.append(answer["runs"][0]["results"][0]["partialFingerprints"])

    assert seen[0] == seen[1]


def on_a_terminal(cli: CommandLine, *arguments: str, **variables: str) -> str:
    """Run one command with a terminal as its output, and return what it wrote."""
    ours, theirs = pty.openpty()
    environment = {**cli.environment(), "TERM": "xterm-256color", **variables}
    with subprocess.Popen([PROGRAM, *arguments], env=environment, cwd=cli.config, stdout=theirs, stderr=theirs):
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            written += part
    os.close(ours)
    return written.decode()


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals_that_want_them(
    cli: CommandLine,
    variables: dict[str, str],
    coloured: bool,  # noqa: FBT001 - a test's case
) -> None:
    """A pipe gets none, a terminal does unless NO_COLOR says otherwise."""
    cli.write(PROD, "batch_size: 20000\n")
    cli.variables = {name: value for name, value in cli.variables.items() if name != "COLUMNS"}
    written = on_a_terminal(cli, "validate", **variables)

    assert "must be at most 10000" in written
    assert coloured == ("\x1b[1;31m" in written)
    assert "\x1b" not in cli.process("validate", "-r", str(cli.config)).out


def test_staged_is_what_the_next_commit_holds(cli: CommandLine) -> None:
    """Neither later changes nor files that are not added count."""
    cli.write(PROD, "batch_size: 20000\n")
    before = cli.run("validate", "-r", cli.config, "--staged")
    cli.git("add", "--all")
    cli.write(PROD, "batch_size: 100\n")
    cli.write("environments/prod/other.yaml", "a: 1\n")
    staged, files = (cli.run("validate", "-r", cli.config, *more) for more in (["--staged"], []))

    assert [0, 1, 1] == [before.code, staged.code, files.code]
    assert "as they are staged" in staged.out
    assert "must be at most 10000" in staged.out
    assert "an overlay has no base document" in files.out


def test_staged_reads_what_git_add_wrote(cli: CommandLine) -> None:
    """Excerpts and the manifest come from the index as well."""
    cli.write(PROD, "# staged\nbatch_size: 20000\n")
    cli.git("add", PROD)
    (cli.config / PROD).unlink()
    answer = cli.run("validate", "-r", cli.config, "--staged", "--show-values")

    assert "  1 | # staged\n    > 2 | batch_size: 20000" in answer.out


@pytest.mark.parametrize("state", ["no git", "conflict"])
def test_staged_says_why_it_cannot_read(cli: CommandLine, state: str) -> None:
    """Outside of a working tree, and in the middle of a merge, there is nothing that a commit could be made of."""
    if state == "no git":
        (cli.config / ".git").rename(cli.folder / "away")
    else:
        cli.git("checkout", "--quiet", "-b", "other")
        cli.batches(700)
        cli.git("checkout", "--quiet", "main")
        cli.batches(800)
        subprocess.run(["git", "-C", cli.config, "merge", "other"], env=cli.environment(), timeout=60, check=False)
    answer = cli.run("validate", "-r", cli.config, "--staged")

    assert 6 == answer.code
    assert {"no git": "no working tree of Git", "conflict": "unmerged"}[state] in answer.err


def test_a_commit_is_checked_as_before(cli: CommandLine) -> None:
    """With --ref the files and the index do not count, and paths are those of the commit."""
    sha = cli.commit({PROD: "batch_size: 20000\n"})
    cli.write(PROD, "batch_size: 100\n")
    cli.git("add", "--all")
    answer = cli.run("validate", "-r", cli.config, "--ref", sha, "--format", "sarif")

    assert 1 == answer.code
    assert {PROD} == uris(json.loads(answer.out))


def test_against_says_which_commit_is_broken(cli: CommandLine) -> None:
    """The manifest that is checked may be the one that mends it."""
    manifest = (cli.config / "runpin.toml").read_text()
    broken = cli.commit({"runpin.toml": "format"})
    cli.write("runpin.toml", manifest)
    answer = cli.run("validate", "-r", cli.config, "--against", broken)

    assert 1 == answer.code
    assert f"nothing can be compared with {broken[:12]}" in answer.err
    assert "at that commit" in answer.err
    assert "leave out --against" in answer.err
