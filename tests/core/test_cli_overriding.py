"""`runpin override`: what one run uses from its next rerun on; named, shown, replaced, taken back."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from command_line import CommandLine
from runpin.errors import RepinRefused
from runpin.model import Pin
from runpin.rerunning import Event, Rerun


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with two releases; the run `r1` has the first."""
    made = CommandLine(tmp_path)
    made.start()
    made.publish()
    made.pin("r1")
    made.batches(7)
    made.publish()
    return made


def reread(cli: CommandLine, number: int, *, whole: bool = True) -> Pin:
    """Let a task of the cleared run read."""
    with cli.core() as core:
        (run,) = {pin.run for pin in core.ledger.pins_of_run("r1")}
        return core.run(run, rerun=Rerun(Event.CLEAR, number=number, whole=whole)).pin("payments")


def refusal(cli: CommandLine, *command: str) -> str:
    """Return what a command that fails says."""
    answer = cli.run(*command)
    assert answer.code, command
    return answer.err


def test_an_override_waits_for_the_next_rerun(cli: CommandLine) -> None:
    """And is taken there, once and for all."""
    second = cli.present()
    text = cli.ok("override", "r1", "--snapshot", second, "--reason", "to repair March").out
    waiting = cli.ok("override", "r1", "-a", "payments", "-e", "prod", "--json").json
    taken = reread(cli, 1)
    after = cli.ok("override", "r1", "-a", "payments", "-e", "prod").out

    assert "Tasks that are under way keep what they have" in text
    assert ("ada", "to repair March", None) == (waiting["actor"], waiting["reason"], waiting["outcome"])
    assert (second, 1) == (str(taken.snapshot), taken.epoch)
    assert "taken at rerun 1" in after
    assert "under way" not in after


def test_once_goes_back(cli: CommandLine) -> None:
    """After one rerun."""
    cli.ok("override", "r1", "--snapshot", cli.present(), "--once", "-m", "to look at it")
    first, second = reread(cli, 1), reread(cli, 2)

    assert cli.present() == str(first.snapshot) != str(second.snapshot)


def test_what_waits_can_be_replaced_and_withdrawn(cli: CommandLine) -> None:
    """Neither reaches the run then."""
    for reason in ("one", "two"):
        cli.ok("override", "r1", "--snapshot", cli.present(), "-m", reason)
    gone = cli.ok("override", "r1", "-a", "payments", "-e", "prod", "--withdraw", "--json").json
    again = refusal(cli, "override", "r1", "-a", "payments", "-e", "prod", "--withdraw")

    assert (2, "two", "withdrawn by ada") == (gone["number"], gone["reason"], gone["outcome"])
    assert "withdrawn by ada" in again
    assert cli.present() != str(reread(cli, 1).snapshot)


def test_what_a_refused_rerun_advises_can_be_entered(cli: CommandLine) -> None:
    """As it stands there: to accept two snapshots in one run, or to take the wish back."""
    cli.ok("override", "r1", "--snapshot", cli.present(), "-m", "to repair March")
    with pytest.raises(RepinRefused) as refused:
        reread(cli, 1, whole=False)
    accept, withdraw = (shlex.split(command)[1:] for command in re.findall("`(.+?)`", str(refused.value)))
    withdrawn = cli.ok(*withdraw, "--json").json
    accepted = cli.ok(*accept, "--json").json

    assert "withdrawn by ada" == withdrawn["outcome"]
    assert (2, "to repair March", None) == (accepted["number"], accepted["reason"], accepted["outcome"])
    assert cli.present() == str(reread(cli, 1, whole=False).snapshot)


def test_a_run_whose_id_begins_with_a_dash_can_be_named(cli: CommandLine) -> None:
    """What is printed for it can be entered, too."""
    cli.pin("-r2")
    said = cli.ok("override", "--snapshot", cli.present(), "-m", "why", "--", "-r2").out
    command = shlex.split(said.splitlines()[-1])[1:]

    assert ("--", "-r2", "withdrawn by ada") == (
        *command[-2:],
        cli.ok("override", "--json", *command[1:]).json["outcome"],
    )


def test_what_cannot_come_true_is_refused(cli: CommandLine) -> None:
    """With what to do, and nothing is recorded."""
    second = cli.present()
    cli.pin("r1", "another_job")
    cli.pin("r2")
    refusals = {
        "2 runs go by the id": ("override", "r1", "--snapshot", second, "-m", "x"),
        "has read anything": ("override", "r9", "--snapshot", second, "-m", "x"),
        "needs a reason": ("override", "r2", "--snapshot", second),
        "not the id": ("override", "r2", "--snapshot", "second", "-m", "x"),
        "uses": ("override", "r2", "--snapshot", second, "--once", "-m", "x"),
        "nobody named": ("override", "r2", "-a", "payments", "-e", "prod"),
        "name a snapshot": ("override", "r2"),
    }
    for words, command in refusals.items():
        assert words in refusal(cli, *command), command
    cli.ok("rollback", "payments", "-e", "prod")
    assert "barred" in refusal(cli, "override", "r2", "--snapshot", second, "-m", "x")
    assert refusal(cli, "override", "r2", "-a", "payments", "-e", "prod")


def test_the_job_tells_runs_apart(cli: CommandLine) -> None:
    """Where two have a run of the same id."""
    cli.pin("r1", "another_job")
    named = ("override", "r1", "--snapshot", cli.present(), "--job", "payments_daily", "-m", "x")
    answer = cli.ok(*named, "--json").json
    withdraw = shlex.split(cli.ok(*named).out.splitlines()[-1])

    assert "payments_daily" == answer["job"]
    assert "withdrawn by ada" in cli.ok(*withdraw[1:]).out


def test_the_deployment_tells_runs_apart(cli: CommandLine) -> None:
    """Where the blue and the green Airflow have a run of one id and one DAG; nothing is recorded until one is named."""
    second = cli.present()
    cli.pin("r1", deployment="green")
    named = ("override", "r1", "--snapshot", second, "-m", "x")
    shown = ("override", "r1", "-a", "payments", "-e", "prod")
    refused = cli.run(*named)
    unknown = cli.run(*named, "--deployment", "gren")
    answer = cli.ok(*named, "--deployment", "green", "--json").json
    others = refusal(cli, *shown, "--deployment", "default")
    text = cli.ok(*shown, "--deployment", "green").out
    gone = cli.ok(*shlex.split(text.splitlines()[-1])[1:]).out

    assert (4, True) == (refused.code, "--deployment NAME" in refused.err)
    assert "payments_daily (airflow, default), payments_daily (airflow, green)" in refused.err
    assert "--job" not in refused.err
    assert (3, True) == (unknown.code, "default, green" in unknown.err)
    assert ("green", second) == (answer["deployment"], answer["snapshot"])
    assert "nobody named" in others
    assert "payments_daily, run r1 (airflow, green)" in text
    assert "withdrawn by ada" in gone


def test_what_tells_runs_apart_is_what_differs(cli: CommandLine) -> None:
    """A job that is named may leave runs of two deployments, and the other way round."""
    cli.pin("r1", "another_job")
    cli.pin("r1", deployment="green")
    named = ("override", "r1", "--snapshot", cli.present(), "-m", "x")
    neither = refusal(cli, *named)
    job = refusal(cli, *named, "--job", "payments_daily")
    deployment = refusal(cli, *named, "--deployment", "default")
    both = cli.ok(*named, "--job", "payments_daily", "--deployment", "default", "--json").json

    assert "--job NAME, --deployment NAME" in neither
    assert ("--deployment NAME" in job, "--job" in job) == (True, False)
    assert ("--job NAME" in deployment, "--deployment" in deployment) == (True, False)
    assert ("payments_daily", "default") == (both["job"], both["deployment"])
