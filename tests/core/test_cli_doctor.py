"""`doctor` finds what a new user can have wrong, says how to put it right, and changes nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with the sample repository."""
    made = CommandLine(tmp_path)
    made.start()
    return made


def checks(cli: CommandLine, *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """Run `doctor`, which has to end with *code*, and return its checks by name."""
    answer = cli.run("doctor", "-r", cli.config, "-e", "prod", "--json", *arguments)

    assert (code, "") == (answer.code, answer.err), answer
    return {each["name"]: each for each in answer.json["checks"]}


def test_a_host_that_has_published_is_well(cli: CommandLine) -> None:
    """Every check is there, and each is fine; not every host lets a process give up its network."""
    cli.publish()
    found = checks(cli)
    sandbox = found.pop("sandbox")

    assert "in a child process with limits" in sandbox["detail"]
    assert "without a network" in sandbox["detail"] if sandbox["status"] == "ok" else "namespaces" in sandbox["fix"]
    assert {"ok"} == {each["status"] for each in found.values()}, found
    assert {"versions", "git", "variables", "settings file", "home", "cache", "repository", "store", "channels"} <= set(
        found
    )
    assert "journal mode wal" in found["store"]["detail"]
    assert "tables of version" in found["store"]["detail"]
    assert "stable of payments" in found["channels"]["detail"]


def test_the_engines_that_are_here_know_runpin(cli: CommandLine) -> None:
    """Both engines are installed beside the tests, with our package for each."""
    found = checks(cli)

    assert "airflow-provider-runpin" in found["airflow"]["detail"]
    assert "dagster-runpin" in found["dagster"]["detail"]


def test_a_fresh_host_is_told_what_comes_next(cli: CommandLine) -> None:
    """Nothing is wrong yet: the store is made by the first publication."""
    found = checks(cli)

    assert ("warn", "`runpin publish` makes it") == (found["store"]["status"], found["store"]["fix"])
    assert not (cli.home / "runpin.db").exists()
    assert not (cli.home / "cache").exists()


def test_no_repository(tmp_path: Path) -> None:
    """The way to one is named."""
    cli = CommandLine(tmp_path)
    answer = cli.process("doctor")

    assert 0 == answer.code
    assert "runpin init" in answer.out


def test_text_and_json_agree(cli: CommandLine) -> None:
    """One line for each check, its fix below it."""
    text = cli.ok("doctor", "-r", cli.config, "-e", "prod").out
    found = checks(cli)

    assert all(each["detail"] in text for name, each in found.items() if name not in {"home", "cache"})
    assert all(each["fix"] in text for each in found.values() if each["fix"])


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("RUNPIN_ENVIROMENT", "RUNPIN_ENVIRONMENT"),
        ("RUNPIN_STROE", "RUNPIN_STORE"),
        ("runpin_tennant", "RUNPIN_TENANT"),
    ],
)
def test_a_misspelt_variable(cli: CommandLine, variable: str, hint: str) -> None:
    """The nearest name is offered; its value is not repeated."""
    cli.variables[variable] = "hunter2"
    answer = cli.ok("doctor", "-r", cli.config)

    assert f"did you mean {hint}?" in answer.out
    assert "hunter2" not in answer.out


def test_a_failpoint_is_told(cli: CommandLine) -> None:
    """A variable of tests that was left behind would kill publishers."""
    answer = cli.process("doctor", "-r", "config", RUNPIN_FAILPOINT="after_objects:kill")

    assert "RUNPIN_FAILPOINT is set" in answer.out


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("enviroment = 'prod'\n", "enviroment", id="unknown"),
        pytest.param("refresh_interval = 'often'\n", "refresh_interval", id="wrong type"),
        pytest.param("environment = \n", "line 1", id="broken"),
        pytest.param("environment = 'Prod'\n", "environment name", id="not a name"),
    ],
)
def test_a_wrong_settings_file(cli: CommandLine, text: str, hint: str) -> None:
    """It is read once more by nobody's guess: the file and the place are named."""
    cli.home.mkdir(parents=True, exist_ok=True)
    (cli.home / "settings.toml").write_text(text)
    answer = cli.run("doctor", "-r", cli.config, "--json")
    found = {each["name"]: each for each in answer.json["checks"]}

    assert (1, False) == (answer.code, answer.json["healthy"])
    assert "fail" == found["settings"]["status"]
    assert hint in found["settings"]["detail"]
    assert "git" in found


def test_settings_and_where_they_come_from(cli: CommandLine) -> None:
    """An argument, a variable, the file or the default."""
    cli.home.mkdir(parents=True, exist_ok=True)
    (cli.home / "settings.toml").write_text("branch = 'main'\n")
    answer = cli.ok("doctor", "-e", "prod", "-r", cli.config, "--json").json
    found = {each["name"]: each["source"] for each in answer["settings"]}
    few = cli.ok("doctor", "-r", cli.config).out
    all_of_them = cli.ok("doctor", "-r", cli.config, "--settings").out

    assert "argument" == found["environment"]
    assert "environment variable RUNPIN_HOME" == found["home"]
    assert str(cli.home / "settings.toml") == found["branch"]
    assert "default" == found["channel"]
    assert ("refresh_interval" in few, "refresh_interval" in all_of_them) == (False, True)


def test_addresses_are_shown_without_credentials(cli: CommandLine) -> None:
    """Store and repository, in the settings and in the checks that fail over them."""
    cli.variables["RUNPIN_STORE"] = "postgresql://runpin:hunter2@127.0.0.1:1/runpin?sslpassword=hunter3"
    cli.variables["RUNPIN_REPOSITORY"] = "https://ada:hunter4@127.0.0.1:1/config.git"
    text = cli.run("doctor")
    answer = cli.run("doctor", "--json")
    shown = {each["name"]: each["value"] for each in answer.json["settings"]}
    found = {each["name"]: each["status"] for each in answer.json["checks"]}

    assert (1, 1) == (text.code, answer.code)
    assert ("fail", "fail") == (found["store"], found["repository"])
    assert "postgresql://127.0.0.1:1/runpin" == shown["store"]
    assert "https://127.0.0.1:1/config.git" == shown["repository"]
    assert not any(f"hunter{n}" in text.out + text.err + answer.out for n in (2, 3, 4))


def test_an_address_that_cannot_be_read_is_not_shown_at_all(cli: CommandLine) -> None:
    """Who knows which part of it is the password."""
    cli.variables["RUNPIN_STORE"] = "hunter2"
    answer = cli.run("doctor", "-r", cli.config, "--json")
    shown = {each["name"]: each["value"] for each in answer.json["settings"]}

    assert "***" == shown["store"]
    assert "hunter2" not in answer.out


def test_a_damaged_database(cli: CommandLine) -> None:
    """It fails, and says what to do."""
    cli.publish()
    for path in cli.home.glob("runpin.db*"):
        path.write_bytes(b"not a database" * 1000)
    found = checks(cli, code=1)

    assert "fail" == found["store"]["status"]
    assert "backup" in found["store"]["fix"]


def test_tables_of_another_release(cli: CommandLine) -> None:
    """Newer ones need a newer runpin, and missing ones the upgrade, which doctor leaves to you."""
    cli.publish()
    with closing(sqlite3.connect(cli.home / "runpin.db")) as connection, connection:
        connection.execute("UPDATE runpin_schema_version SET version_num = '9999'")
    newer = checks(cli, code=1)["store"]
    with closing(sqlite3.connect(cli.home / "runpin.db")) as connection, connection:
        connection.execute("DROP TABLE runpin_schema_version")
    older = checks(cli, code=1)["store"]

    assert "upgrade runpin" in newer["fix"]
    assert "runpin store upgrade" in older["fix"]


def test_nothing_published_in_this_environment(cli: CommandLine) -> None:
    """Another environment's channels do not count."""
    cli.publish()
    answer = cli.ok("doctor", "-r", cli.config, "-e", "dev", "--json").json
    found = {each["name"]: each for each in answer["checks"]}

    assert "warn" == found["channels"]["status"]
    assert "runpin publish --environment dev" in found["channels"]["fix"]


def test_a_channel_that_serves_nobody(cli: CommandLine) -> None:
    """What it points at is quarantined: new runs would fail."""
    cli.publish()
    cli.ok("quarantine", "bar", cli.present())
    found = checks(cli, code=1)

    assert "fail" == found["channels"]["status"]
    assert "runpin rollback payments --environment prod" in found["channels"]["fix"]


def test_an_environment_that_the_repository_does_not_declare(cli: CommandLine) -> None:
    """Mostly a typing error in RUNPIN_ENVIRONMENT."""
    found = {each["name"]: each for each in cli.ok("doctor", "-r", cli.config, "-e", "prd", "--json").json["checks"]}

    assert "warn" == found["repository"]["status"]
    assert "dev, prod" in found["repository"]["fix"]


@pytest.mark.parametrize("what", ["branch", "manifest"])
def test_a_repository_that_cannot_be_published(cli: CommandLine, what: str) -> None:
    """Its branch is not there, or its manifest is not."""
    if what == "branch":
        cli.variables["RUNPIN_BRANCH"] = "next"
    else:
        cli.git("rm", "--quiet", "runpin.toml")
        cli.commit({})
    found = checks(cli, code=1)

    assert "fail" == found["repository"]["status"]
    assert what in found["repository"]["detail"]


def test_a_folder_that_others_may_write_to(cli: CommandLine) -> None:
    """Cache and home are private."""
    cli.publish()
    (cli.home / "cache").mkdir(mode=0o700)
    (cli.home / "cache").chmod(0o777)
    found = checks(cli, code=1)

    assert "fail" == found["cache"]["status"]


def test_a_home_that_is_a_file(cli: CommandLine) -> None:
    """It is told, and the checks go on."""
    (cli.folder / "file").write_text("")
    cli.variables["RUNPIN_HOME"] = str(cli.folder / "file")
    cli.variables["RUNPIN_SETTINGS_FILE"] = str(cli.folder / "settings.toml")
    found = checks(cli, code=1)

    assert "fail" == found["home"]["status"]
    assert "ok" == found["git"]["status"]


def test_no_git(cli: CommandLine) -> None:
    """What needs git says so."""
    answer = cli.process("doctor", "-r", "config", "--json", PATH=str(cli.folder))
    found = {each["name"]: each for each in answer.json["checks"]}

    assert 1 == answer.code
    assert "install git" in found["git"]["fix"]
    assert "fail" == found["repository"]["status"]


def test_a_settings_file_that_others_may_write_to(cli: CommandLine) -> None:
    """It could point this user at another store."""
    cli.home.mkdir(parents=True, exist_ok=True)
    (cli.home / "settings.toml").write_text("")
    (cli.home / "settings.toml").chmod(0o666)
    found = checks(cli)

    assert "warn" == found["settings file"]["status"]
    assert "chmod go-w" in found["settings file"]["fix"]
