"""The hook for pre-commit: what is staged is what is checked, however the commit is made."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest
import yaml

from command_line import ETL, PROD, PROGRAM, ROOT, SECONDS, CommandLine

TOO_MUCH = "batch_size: 20000\n"
GOOD = "batch_size: 100\n"


def hook() -> dict[str, Any]:
    """Return what pre-commit reads of this repository."""
    (only,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    return dict(only)


class Repository:
    """A Git repository whose commits run the hook as pre-commit would: the entry, the user's args, no file names."""

    def __init__(self, cli: CommandLine, root: Path, *arguments: str) -> None:
        self.root = root
        self._cli = cli
        command = shlex.join([*shlex.split(hook()["entry"]), *arguments])
        script = root / ".git" / "hooks" / "pre-commit"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\nexec {command}\n")
        script.chmod(0o755)

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def git(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run git here."""
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
        return subprocess.run(
            ["git", *identity, *arguments],
            cwd=cwd or self.root,
            env={**self._cli.environment(), "PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def commits(self, *arguments: str, cwd: Path | None = None) -> bool:
        """Try to commit, and tell whether the hook let it pass; nothing but a finding may stop it."""
        done = self.git("commit", "--message", "change", *arguments, cwd=cwd)

        assert done.returncode == 0 or "must be at most 10000" in done.stdout + done.stderr, done
        return done.returncode == 0


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """The sample, with the hook."""
    cli = CommandLine(tmp_path)
    cli.start()
    return Repository(cli, cli.config)


def test_the_hook_is_one_that_pre_commit_can_install() -> None:
    """An entry that the distribution has, and no file names behind it."""
    found = hook()

    assert ("runpin-validate", "python", False) == (found["id"], found["language"], found["pass_filenames"])
    assert "runpin" == shlex.split(found["entry"])[0]
    assert {"id", "name", "entry", "language"} < set(found)


@pytest.mark.parametrize(("path", "runs"), [(ETL, True), ("runpin.toml", True), ("a/b.json", True), ("a.md", False)])
def test_the_hook_runs_when_configuration_is_staged(path: str, runs: bool) -> None:  # noqa: FBT001 - a test's case
    """Not for every change of a larger repository."""
    assert runs == bool(re.search(hook()["files"], path))


def test_a_commit_of_what_is_wrong_is_stopped(repository: Repository) -> None:
    """And let through when it is right again."""
    outcomes = []
    for text in (TOO_MUCH, GOOD):
        repository.write(PROD, text)
        repository.git("add", "--all")
        outcomes.append(repository.commits())

    assert [False, True] == outcomes


def test_what_is_not_staged_does_not_count(repository: Repository) -> None:
    """Neither a mistake that stays behind, nor its correction."""
    repository.write(PROD, GOOD)
    repository.git("add", PROD)
    repository.write(PROD, TOO_MUCH)
    repository.write("environments/prod/nothing.yaml", "a: 1\n")
    passed = repository.commits()
    repository.git("add", PROD)
    repository.write(PROD, GOOD)

    assert [True, False] == [passed, repository.commits()]


@pytest.mark.parametrize("how", [["--all"], [PROD], ["--only", PROD], ["--include", PROD]])
def test_the_index_of_the_commit_counts(repository: Repository, how: list[str]) -> None:
    """`git commit --all` and `git commit FILE` make their commit of an index of its own."""
    repository.write(PROD, TOO_MUCH)
    outcomes = [repository.commits(*how)]
    repository.write(PROD, GOOD)
    outcomes.append(repository.commits(*how))

    assert [False, True] == outcomes


def test_only_the_named_file_is_committed_and_checked(repository: Repository) -> None:
    """What else is staged waits for its own commit."""
    repository.write(PROD, TOO_MUCH)
    repository.git("add", PROD)
    repository.write("README.md", "A note\n")

    assert [True, False] == [repository.commits("README.md"), repository.commits()]


def test_a_file_that_is_deleted_counts(repository: Repository) -> None:
    """What the manifest and the overlays still say of it is found."""
    repository.git("rm", "--quiet", ETL)
    done = repository.git("commit", "--message", "gone")

    assert 1 == done.returncode
    assert "runpin.toml" in done.stdout + done.stderr


def test_a_linked_working_tree_has_an_index_of_its_own(repository: Repository) -> None:
    """`git worktree` keeps it elsewhere."""
    linked = repository.root.parent / "linked"
    repository.git("worktree", "add", "--quiet", str(linked))
    (linked / PROD).write_text(TOO_MUCH)
    repository.git("add", "--all", cwd=linked)

    assert [False, True] == [repository.commits(cwd=linked), repository.commits("--allow-empty")]


def test_a_config_repository_in_a_folder(tmp_path: Path) -> None:
    """With `args: [--repository, config]` the folder is checked, and what lies beside it is not."""
    cli = CommandLine(tmp_path)
    cli.start()
    root = tmp_path / "mono"
    copytree(cli.config, root / "config", ignore=ignore_patterns(".git"))
    subprocess.run(["git", "init", "--quiet", root], env=cli.environment(), check=True, timeout=SECONDS)
    repository = Repository(cli, root, "--repository", "config")
    repository.write("other.yaml", "{[")
    outcomes = []
    for text in (GOOD, TOO_MUCH):
        repository.write(f"config/{PROD}", text)
        repository.git("add", "--all")
        outcomes.append(repository.commits())

    assert [True, False] == outcomes


def test_a_hook_of_another_repository_does_not_lend_its_index(repository: Repository) -> None:
    """Git's variables of one repository do not lead astray in another."""
    cli = CommandLine(repository.root.parent)
    other = cli.folder / "other"
    subprocess.run(["git", "init", "--quiet", other], env=cli.environment(), check=True, timeout=SECONDS)
    answer = cli.process(
        "validate", "--staged", "-r", "config", GIT_INDEX_FILE=str(other / ".git" / "index"), GIT_DIR=str(other)
    )

    assert (0, "") == (answer.code, answer.err)


def test_nothing_but_objects_is_written(repository: Repository) -> None:
    """A check leaves index, refs and files as they are."""
    repository.write(PROD, TOO_MUCH)
    repository.git("add", PROD)

    def state() -> tuple[bytes, str, str]:
        index = (repository.root / ".git" / "index").read_bytes()
        status = repository.git("--no-optional-locks", "status", "--porcelain").stdout
        return index, repository.git("show-ref").stdout, status

    before = state()
    CommandLine(repository.root.parent).run("validate", "--staged", "-r", repository.root)

    assert before == state()
