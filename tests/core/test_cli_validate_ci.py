"""Every command that docs/how-to/continuous-integration.md shows does what the page says, where CI would run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from command_line import PROD, PROGRAM, ROOT, SECONDS, CommandLine
from sarif_excerpt import SARIF

PAGE = (ROOT / "docs" / "how-to" / "continuous-integration.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
INSTALLS = re.compile(r'pip install (runpin|"runpin\[postgres,secrets\]")')


def texts(value: Any) -> Iterator[str]:
    """Yield what CI would run: `run`, and the lines of `script` and `after_script`."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("run", "script", "after_script"):
                yield from [item] if isinstance(item, str) else item
            else:
                yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def shown() -> list[str]:
    """Return every command of the page, in its order."""
    commands: list[str] = []
    for kind, block in BLOCKS:
        if kind == "yaml":
            commands += texts(yaml.safe_load(block))
        else:
            commands.append(block)
    return commands


COMMANDS = [command for command in shown() if not INSTALLS.fullmatch(command)]
SHAS = ("GITHUB_SHA", "BASE", "CI_COMMIT_SHA", "CI_MERGE_REQUEST_DIFF_BASE_SHA")
VALIDATES = [command for command in COMMANDS if command.startswith("runpin validate")]


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with the sample, checked out as CI does: one commit, on no branch."""
    made = CommandLine(tmp_path)
    made.start()
    made.git("checkout", "--quiet", "--detach")
    return made


def execute(cli: CommandLine, command: str) -> subprocess.CompletedProcess[str]:
    """Run *command* as a step of CI."""
    sha = cli.git("rev-parse", "HEAD")
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", command],
        cwd=cli.config,
        env={**cli.environment(), "PATH": path, **dict.fromkeys(SHAS, sha)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_the_page_shows_what_is_tested() -> None:
    """Nothing is left out for being written in another way."""
    assert (5, 3) == (len(VALIDATES), sum(command.startswith("runpin publish") for command in COMMANDS))
    assert {"yaml", "sh"} == {kind for kind, _ in BLOCKS}
    assert all("runpin" in command for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_works(cli: CommandLine, command: str) -> None:
    """In a repository that is in order, each of them ends with 0."""
    done = execute(cli, command)

    assert (0, "") == (done.returncode, done.stderr), done


@pytest.mark.parametrize("command", VALIDATES)
def test_a_mistake_stops_each_check(cli: CommandLine, command: str) -> None:
    """And the file that is uploaded is there all the same."""
    cli.write(PROD, "batch_size: 20000\n")
    done = execute(cli, command)
    _, _, file = command.partition(" > ")
    written = (cli.config / file).read_text() if file else done.stdout

    assert (1, "") == (done.returncode, done.stderr)
    assert "must be at most 10000" in written


def test_the_reports_are_the_ones_that_are_uploaded(cli: CommandLine) -> None:
    """The names agree, and the files are what the code hosts take."""
    from jsonschema import Draft202012Validator

    cli.write(PROD, "batch_size: 20000\n")
    written = {file: execute(cli, command) for command in VALIDATES if (file := command.partition(" > ")[2])}
    documents = [yaml.safe_load(block) for kind, block in BLOCKS if kind == "yaml"]
    steps = documents[0]["jobs"]["validate"]["steps"]
    uploaded = [steps[-1]["with"]["sarif_file"], documents[1]["validate"]["artifacts"]["reports"]["codequality"]]

    assert uploaded == list(written)
    assert Draft202012Validator(SARIF).is_valid(json.loads((cli.config / uploaded[0]).read_text()))
    assert [PROD] == [each["location"]["path"] for each in json.loads((cli.config / uploaded[1]).read_text())]


def test_publishing_twice_moves_nothing(cli: CommandLine) -> None:
    """A job that is run again is no second publication."""
    command = next(command for command in COMMANDS if "GITHUB_SHA" in command)
    first, second = (execute(cli, command).stdout for _ in range(2))

    assert "Published to stable of prod" in first
    assert "Nothing moves" in second


def test_a_shallow_clone_is_refused(cli: CommandLine) -> None:
    """The page says to fetch the whole history."""
    cli.batches(700)
    subprocess.run(
        ["git", "clone", "--quiet", "--depth", "1", f"file://{cli.config}", cli.folder / "shallow"],
        env=cli.environment(),
        check=True,
        timeout=SECONDS,
        capture_output=True,
    )
    answer = cli.run("publish", "-e", "prod", "-r", cli.folder / "shallow", "--ref", "HEAD")

    assert 6 == answer.code
    assert "shallow" in answer.err


def test_the_hook_by_hand_stops_a_commit(cli: CommandLine) -> None:
    """The two lines make a hook that git runs."""
    script = next(command for command in COMMANDS if "hooks/pre-commit" in command)
    identity = "-c user.name=Ada -c user.email=ada@example.org"
    cli.write(PROD, "batch_size: 20000\n")
    done = execute(cli, f"{script}\ngit add --all\ngit {identity} commit --message change")

    assert 1 == done.returncode
    assert "must be at most 10000" in done.stdout + done.stderr


def test_the_pre_commit_configuration_names_the_hook() -> None:
    """The id is the one in `.pre-commit-hooks.yaml`, and the arguments are known."""
    (configured,) = [yaml.safe_load(block) for _, block in BLOCKS if ".pre-commit-config.yaml" in block]
    (offered,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    (hook,) = configured["repos"][0]["hooks"]

    assert (offered["id"], ["--repository", "config"]) == (hook["id"], hook["args"])
