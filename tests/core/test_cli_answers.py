"""Every command answers with the JSON that the reference shows, and the reference knows every command and option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from command_line import ETL, PROD, REFERENCE, CommandLine, documented, section_of, shape
from runpin.cli import app

COMMON = ("--json", "--environment", "--tenant", "--channel", "--repository", "--ref", "--reason")


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with the sample repository."""
    made = CommandLine(tmp_path)
    made.start()
    return made


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with its full name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_the_reference_has_a_section_for_every_command_and_no_other() -> None:
    """Nobody looks for a command in vain, on either side."""
    sections = re.findall(r"^## runpin (.+)$", REFERENCE.read_text(), re.MULTILINE)

    assert sorted(COMMANDS) == sorted(sections)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_reference_has_every_option_of_a_command(name: str) -> None:
    """The usage lines show what there is, and nothing that is not."""
    usage = section_of(name).split("```")[1]
    options = {option for each in COMMANDS[name].params for option in each.opts if option.startswith("--")}

    assert options - {"--help"} == set(re.findall(r"--[a-z-]+", usage))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help(name: str) -> None:
    """`--help` leaves no question open."""
    silent = [each.name for each in COMMANDS[name].params if not each.help]

    assert silent == []
    assert COMMANDS[name].help


def test_every_common_option_is_explained() -> None:
    """What many commands share is told once."""
    _, _, table = REFERENCE.read_text().partition("## Options of many commands")

    assert [option for option in COMMON if f"`{option}`" not in table.partition("\n## ")[0]] == []


def test_every_short_option_is_in_the_reference() -> None:
    """Short forms are found where the long ones are."""
    text = REFERENCE.read_text()
    short = {option for each in COMMANDS.values() for param in each.params for option in param.opts if len(option) == 2}

    assert {option for option in short if f"`{option}`" not in text} == set()


def check(command: str, answer: Any) -> None:
    """Compare the form of an answer with the documented one."""
    assert shape(documented(command)) == shape(answer)


def test_init(tmp_path: Path) -> None:
    """The answer of `init` is the documented one."""
    cli = CommandLine(tmp_path)

    check("init", cli.ok("init", cli.config, "--json").json)


def test_validate(cli: CommandLine) -> None:
    """The answer of `validate` is the documented one, with its finding."""
    cli.write(PROD, "batch_size: 20000\n")
    answer = cli.run("validate", "-r", cli.config, "--json")

    check("validate", answer.json)
    assert (1, "") == (answer.code, answer.err)


def test_explain(cli: CommandLine) -> None:
    """The answer of `explain` is the documented one."""
    check("explain", cli.ok("explain", "payments.etl.retries", "-e", "prod", "-r", cli.config, "--json").json)


def test_publish(cli: CommandLine) -> None:
    """The answer of `publish` is the documented one."""
    cli.publish("--application", "payments")
    cli.pin("run-1")
    cli.commit({ETL: (cli.config / ETL).read_text().replace("  wait_seconds: 30\n", "")})

    check("publish", with_a_name_in_each_list(cli.publish("--application", "payments")))


def with_a_name_in_each_list(answer: Any) -> Any:
    """The example shows no added and no removed document; what these lists would hold is asserted elsewhere."""
    (plan,) = answer["plan"]

    assert (["etl"], [], []) == (plan["changed"], plan["added"], plan["removed"])
    return answer


def test_rollback(cli: CommandLine) -> None:
    """The answer of `rollback` is the documented one."""
    cli.publish()
    cli.batches(3000)
    cli.publish()

    check("rollback", cli.ok("rollback", "payments", "-e", "prod", "--json").json)


def test_channel_show(cli: CommandLine) -> None:
    """The answer of `channel show` is the documented one."""
    cli.publish()

    check("channel show", cli.ok("channel", "show", "payments", "-e", "prod", "--json").json)


def test_channel_move(cli: CommandLine) -> None:
    """The answer of `channel move` is the documented one."""
    (first, _) = cli.publish()["published"]
    cli.git("rm", "--quiet", "payments/fees.yaml")
    cli.commit({})
    arguments = ("--expect-revision", "0", "--channel", "canary", "-e", "prod", "-r", cli.config, "--json")

    check("channel move", cli.ok("channel", "move", "payments", first["snapshot"], *arguments).json)


def test_quarantine(cli: CommandLine) -> None:
    """The answers of `quarantine` are the documented ones."""
    snapshot = cli.publish()["published"][0]["snapshot"]

    check("quarantine bar", cli.ok("quarantine", "bar", snapshot, "--json").json)
    check("quarantine list", cli.ok("quarantine", "list", "-e", "prod", "--json").json)
    check("quarantine lift", cli.ok("quarantine", "lift", snapshot, "--json").json)


def test_show(cli: CommandLine) -> None:
    """The answer of `show` is the documented one."""
    cli.commit({ETL: "batch_size: 500\ncurrency: EUR\n", PROD: "batch_size: 3000\n"})
    cli.publish()

    check("show", cli.ok("show", "payments", "-e", "prod", "--json").json)


def test_diff(cli: CommandLine) -> None:
    """The answer of `diff` is the documented one."""
    cli.commit({PROD: "batch_size: 2000\n"})
    cli.publish()
    cli.batches(3000)
    cli.publish()

    check("diff", cli.ok("diff", "payments", "-e", "prod", "--json").json)


def test_history(cli: CommandLine) -> None:
    """The answer of `history` is the documented one."""
    cli.publish()
    cli.batches(3000)
    cli.publish()
    cli.ok("quarantine", "bar", cli.present())

    check("history", cli.ok("history", "payments", "-e", "prod", "--limit", "2", "--json").json)


def test_pins(cli: CommandLine) -> None:
    """The answer of `pins` is the documented one, by run and by snapshot."""
    cli.publish()
    cli.pin("run-1")

    check("pins", cli.ok("pins", "--run", "run-1", "--json").json)
    check("pins", cli.ok("pins", "--snapshot", cli.present(), "--json").json)


def test_doctor(cli: CommandLine) -> None:
    """The answer of `doctor` is the documented one."""
    answer = cli.ok("doctor", "-e", "prod", "-r", cli.config, "--json").json
    (expected,) = shape(documented("doctor")["settings"])

    assert set(shape(documented("doctor"))) == set(shape(answer))
    assert {"fix", "name", "detail", "status"} == {key for each in answer["checks"] for key in each}
    assert set(expected) == {key for each in answer["settings"] for key in each}


def test_store_upgrade(cli: CommandLine) -> None:
    """The answer of `store upgrade` is the documented one."""
    check("store upgrade", cli.ok("store", "upgrade", "--json").json)


def test_store_roles(cli: CommandLine) -> None:
    """The answer of `store roles` is the documented one."""
    check("store roles", cli.ok("store", "roles", "--json").json)


def test_cache_prune(cli: CommandLine) -> None:
    """The answer of `cache prune` is the documented one, also where there is no cache yet."""
    check("cache prune", cli.ok("cache", "prune", "--json").json)


def test_an_error(cli: CommandLine) -> None:
    """An error has the documented form, on stdout and nowhere else."""
    answer = cli.run("explain", "paymets.etl", "-e", "prod", "-r", cli.config, "--json")

    assert (3, "") == (answer.code, answer.err)
    assert documented("", "error") == answer.json
