"""Whatever happens in a command, people get one message, programs one JSON document, and nobody a traceback."""

from __future__ import annotations

import inspect
import json
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from command_line import ETL, PROD, PROGRAM, REFERENCE, SECONDS, Answer, CommandLine
from runpin import __version__, errors
from runpin.cli.edge import FAULT, INTERRUPTED, USAGE, Commands
from runpin.cli.printing import visible
from runpin.errors import RunpinError, StoreUnavailable, ValidationFailed
from runpin.model import Finding, Origin

# A title for the terminal, a colour, a bell, markup, and text that runs backwards.
NASTY = "\x1b]0;owned\x07\x1b[31m[red]x[/red]\x9b2J\u202e[/] :boom:"
# What of it a document may hold.
NASTY_VALUE = NASTY.replace("\x9b", "").replace("\u202e", "")
SECRET = "hunter2-do-not-tell"  # noqa: S105 - planted, to see that it is not told
HELP_SECONDS = 0.5
HEAVY = ("pydantic", "sqlalchemy", "jsonschema", "rich", "yaml")
WITHOUT_SCHEMA = """\
format = 1
environments = ["prod"]

[applications.payments]
documents = ["payments/*.yaml"]
"""

KINDS = tuple(kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, RunpinError))


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with the sample repository."""
    made = CommandLine(tmp_path)
    made.start()
    return made


def failing(error: BaseException, *arguments: str, **variables: str) -> Answer:
    """Run a command that raises *error*, at the edge that every command has."""
    app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @app.callback()
    def _root() -> None: ...

    @app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
    def fail() -> None:
        raise error

    result = CliRunner(env=variables).invoke(app, ["fail", *arguments])
    return Answer(result.exit_code, result.stdout, result.stderr)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_its_code_and_three_parts(kind: type[RunpinError]) -> None:
    """In text and in JSON, with the exit code of its class."""
    error = ValidationFailed([]) if kind is ValidationFailed else kind("a what", where="a where", fix="a fix")
    text, answer = failing(error), failing(error, "--json")
    told = answer.error

    assert (kind.exit_code, kind.exit_code) == (text.code, answer.code)
    assert ("", "") == (text.out, answer.err)
    assert (kind.__name__, kind.retryable) == (told["kind"], told["retryable"])
    if kind is not ValidationFailed:
        assert "error: a what\n  where: a where\n  fix:   a fix\n" == text.err
        assert ("a what", "a where", "a fix") == (told["what"], told["where"], told["fix"])


def test_every_exit_code_is_in_the_reference() -> None:
    """The table has the codes of all errors, and those of the edge."""
    table = REFERENCE.read_text().partition("## Exit codes")[2].partition("\n## ")[0]
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}

    assert {0, USAGE, FAULT, INTERRUPTED} | {kind.exit_code for kind in KINDS} == listed


def test_parts_that_are_missing_leave_no_line() -> None:
    """An error of one part is one line."""
    assert "error: a what\n" == failing(RunpinError("a what")).err


def test_findings_are_listed_below_the_error() -> None:
    """Each with its place, its key and its fix."""
    finding = Finding("etl", "/a", "type", "must be a number", Origin("payments/etl.yaml", 3), fix="write 1")
    answer = failing(ValidationFailed([finding]))

    assert answer.err.startswith("error: 1 finding in 1 document\n")
    assert answer.err.endswith(
        "error: must be a number\n  where: payments/etl.yaml:3\n  key:   etl#/a\n  rule:  type\n  fix:   write 1\n"
    )


def test_one_finding_of_many_tenants_is_told_once() -> None:
    """The text counts the others; JSON has each."""
    findings = [Finding("etl", "/a", "gate/removed/key", f"{number} runs read it") for number in range(1, 12)]
    findings.append(Finding("etl", "/a", "gate/removed/key", "nobody reads it"))
    text = failing(ValidationFailed(findings)).err
    answer = failing(ValidationFailed(findings), "--json")

    assert "error: 1 runs read it\n" in text
    assert "  and:   10 more like it in the same place\n" in text
    assert "error: nobody reads it\n" in text
    assert 2 == text.count("gate/removed/key")
    assert 12 == len(answer.error["findings"])


def test_a_fault_of_our_own_is_one_sentence() -> None:
    """The text of a foreign exception may hold a value, so it is not repeated; for the traceback one has to ask."""
    quiet = failing(KeyError(SECRET))
    answer = failing(KeyError(SECRET), "--json")
    loud = failing(KeyError("something"), RUNPIN_DEBUG="1")

    assert [FAULT] * 3 == [quiet.code, answer.code, loud.code]
    assert ("Traceback" in quiet.err, "Traceback" in loud.err) == (False, True)
    assert "RUNPIN_DEBUG=1" in quiet.err
    assert "InternalError" == answer.error["kind"]
    assert SECRET not in quiet.err + answer.out + answer.err


def test_an_expected_error_has_no_traceback_even_when_debugging() -> None:
    """RUNPIN_DEBUG is for faults."""
    answer = failing(StoreUnavailable("away"), RUNPIN_DEBUG="1")

    assert "error: away\n" == answer.err


def test_ctrl_c() -> None:
    """130, as for every program of a shell."""
    text, answer = failing(KeyboardInterrupt()), failing(KeyboardInterrupt(), "--json")

    assert (INTERRUPTED, INTERRUPTED) == (text.code, answer.code)
    assert text.err.startswith("error: stopped by Ctrl-C")
    assert "Interrupted" == answer.error["kind"]


@pytest.mark.parametrize(
    "arguments",
    [["nope"], ["show"], ["show", "a", "b"], ["show", "a", "--nope"], ["--nope"], ["channel"], ["channel", "nope"]],
    ids=" ".join,
)
def test_a_wrong_usage_ends_with_2(cli: CommandLine, arguments: list[str]) -> None:
    """And says where to look."""
    text, answer = cli.run(*arguments), cli.run(*arguments, "--json")

    assert (USAGE, USAGE, "") == (text.code, answer.code, answer.err)
    assert "--help` shows what it takes" in text.err
    assert "UsageError" == answer.error["kind"]


def test_a_wrong_command_is_helped_over(cli: CommandLine) -> None:
    """The nearest command is offered."""
    assert "Did you mean 'publish'?" in cli.run("publsh").err


def test_no_command_shows_the_list(cli: CommandLine) -> None:
    """It ends with 2, so that a script with an empty variable does not go on."""
    answer = cli.run()

    assert USAGE == answer.code
    assert "rollback" in answer.out


def test_the_version(cli: CommandLine) -> None:
    """`--version` is one line."""
    assert f"runpin {__version__}\n" == cli.ok("--version").out


@pytest.mark.parametrize("text", [NASTY, "\x00", "a\nb", "a\rb", "\u2028", "\ud800", "\x7f", "\ufeff"])
def test_what_a_terminal_would_act_on_is_written_out(text: str) -> None:
    """Every character that remains can be printed, and nothing is lost."""
    shown = visible(text)

    assert shown.isprintable()
    assert text == re.sub(r"\\(x..|u....|n|r)", lambda found: found[0].encode().decode("unicode_escape"), shown)


def test_ordinary_text_is_shown_as_it_is() -> None:
    """Letters of every script, signs and smileys stay."""
    assert "Größe 数据 → ✓ [red]" == visible("Größe 数据 → ✓ [red]")


def test_documents_and_commits_cannot_drive_the_terminal(cli: CommandLine) -> None:
    """Values, keys, messages, authors, actors and reasons: shown letter by letter, in text and in JSON."""
    cli.publish()
    key = json.dumps("[red]k[/]")
    cli.write("runpin.toml", WITHOUT_SCHEMA)
    cli.commit({ETL: f"{key}: {json.dumps(NASTY_VALUE)}\n", PROD: "{}\n"}, f"message {NASTY}")
    cli.variables["RUNPIN_ACTOR"] = f"actor {NASTY}"
    shown = [cli.ok("publish", "-e", "prod", "-r", cli.config, "--reason", NASTY)]
    shown.append(cli.ok("explain", "payments.etl", "-e", "prod", "-r", cli.config))
    for command in ("show", "diff", "history"):
        shown += [cli.ok(command, "payments", "-e", "prod"), cli.ok(command, "payments", "-e", "prod", "--json")]
    printed = "".join(answer.out for answer in shown)

    assert all(line.isprintable() for line in printed.split("\n"))
    assert "\\x1b[31m[red]x[/red]" in printed
    assert "[red]k[/]" in printed
    assert ":boom:" in printed


def test_arguments_cannot_drive_the_terminal(cli: CommandLine) -> None:
    """What was typed is repeated in errors, escaped."""
    for arguments in (["show", NASTY], ["publish", "--ref", NASTY, "-r", NASTY], [NASTY], ["show", f"--{NASTY}"]):
        answer = cli.run(*arguments)

        assert answer.code
        assert all(line.isprintable() for line in answer.err.split("\n")), answer.err


def test_a_value_is_printed_by_nothing_but_what_asks_for_it(cli: CommandLine) -> None:
    """`show`, `diff` and `explain` show values; no other command and no error does."""
    cli.publish()
    cli.commit({ETL: f"currency: EUR\nbatch_size: 1\ndatabase: {{password_from: 'vault:{SECRET}'}}\n"})
    cli.publish()
    cli.pin("run-1")
    left = cli.present()
    answers = [
        cli.ok("validate", "-r", cli.config),
        cli.ok("publish", "-e", "prod", "-r", cli.config),
        cli.ok("publish", "-e", "prod", "-r", cli.config, "--json"),
        cli.ok("explain", "payments.etl.currency", "-e", "prod", "-r", cli.config),
        cli.run("explain", "payments.etl.database.password_from.x", "-e", "prod", "-r", cli.config),
        cli.ok("history", "payments", "-e", "prod", "--json"),
        cli.ok("channel", "show", "payments", "-e", "prod", "--json"),
        cli.ok("pins", "--snapshot", left, "--json"),
        cli.ok("rollback", "payments", "-e", "prod", "--json"),
        cli.ok("quarantine", "list", "-e", "prod"),
        cli.ok("doctor", "-e", "prod", "-r", cli.config, "--settings"),
    ]
    wrong = {
        "type": f"currency: EUR\nbatch_size: {SECRET}\n",
        "enum": f"batch_size: 1\ncurrency: {SECRET}\n",
        "pattern": f"batch_size: 1\ncurrency: EUR\ndatabase: {{password_from: {SECRET}}}\n",
        "duplicate": f"currency: {SECRET}\ncurrency: {SECRET}\n",
        "syntax": f"currency: '{SECRET}\n",
        "hidden": f'currency: "{SECRET}\u200e\u202e"\n',
        "tag": f"currency: !secret {SECRET}\n",
        "number": f"batch_size: 1\ncurrency: EUR\nx: [{SECRET}, .nan]\n",
    }
    for text in wrong.values():
        cli.commit({ETL: text})
        answers += [cli.run("validate", "-r", cli.config), cli.run("publish", "-e", "dev", "-r", cli.config, "--json")]
    asked = cli.ok("diff", "payments", left, "-e", "prod").out + cli.ok("show", left).out

    assert [1] * 2 * len(wrong) == [answer.code for answer in answers[-2 * len(wrong) :]]
    assert not [answer for answer in answers if SECRET in answer.out + answer.err]
    assert SECRET in asked


def test_a_terminal_of_another_encoding(cli: CommandLine) -> None:
    """What it cannot show is escaped, and the command goes on."""
    cli.commit({PROD: "batch_size: 7\n"}, "Größe → 数据")
    answer = cli.process("publish", "-e", "prod", "-r", "config", PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert (0, "") == (answer.code, answer.err)
    assert "Gr\\xf6\\xdfe" in answer.out


def test_a_reader_that_leaves_early(cli: CommandLine) -> None:
    """`runpin ... | head -1` leaves no traceback behind."""
    cli.publish()
    for arguments in (["history", "payments", "-e", "prod"], ["show", "payments", "-e", "prod", "--json"]):
        process = cli.started(*arguments)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        process.wait(SECONDS)

        assert "Traceback" not in err
        assert "fault of its own" not in err


def test_pipes_get_whole_lines(cli: CommandLine) -> None:
    """Nothing is cut off or wrapped where nobody looks, and no line ends in blanks."""
    cli.variables["COLUMNS"] = "20"
    del cli.variables["COLUMNS"]
    cli.publish("--reason", "a long reason " * 30)
    lines = cli.process("history", "payments", "-e", "prod").out.splitlines()

    assert 4 == len(lines)
    assert all(line == line.rstrip() for line in lines)


def test_sigterm_needs_no_manners(cli: CommandLine) -> None:
    """A command that is ended from outside ends at once."""
    process = cli.started("doctor", "-r", "config")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=SECONDS)

    assert process.returncode in (-signal.SIGTERM, 0)


def test_the_program_starts_fast() -> None:
    """`runpin --help` takes less than half a second of a processor, and loads no database."""
    program = f"import sys, runpin.cli; print(sorted(set({HEAVY}) & set(sys.modules)))"
    command = [sys.executable, "-c", program]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS)
    # The work of the processor, which depends less on who else is at work than the clock on the wall.
    spent = min(processor_seconds(PROGRAM, "--help") for _ in range(5))

    assert "[]\n" == loaded.stdout
    assert spent < HELP_SECONDS


def processor_seconds(*command: str | Path) -> float:
    """Run *command* and return the seconds that it kept a processor busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True, timeout=SECONDS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
