"""What is shown of a real store and a real repository: overrides, lines, and what is missing without them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from command_line import PROD, CommandLine
from runpin.assembly import Runpin
from runpin.model import Origin, RunKey
from runpin.showcase import open_showing
from runpin.showing import DiffFacts, SeenRun, Story

RUN = RunKey("test", "default", "nightly", "r1")


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """Return a command line with one published release, which a run has, and another one that is live."""
    made = CommandLine(tmp_path)
    made.start()
    made.publish()
    with Runpin.open(home=made.home, environment="prod") as core:
        core.run(RUN).pin("payments")
    made.batches(3000)
    made.publish()
    return made


@pytest.fixture
def core(cli: CommandLine) -> Iterator[Runpin]:
    """Return a core of a process that has nothing to do with the one that published."""
    with Runpin.open(home=cli.home, environment="prod") as found:
        yield found


def test_lines_of_both_sides_are_found_in_the_commits(core: Runpin) -> None:
    """The file and line that set the value before, and after."""
    told = diff(core)

    (change,) = [each for each in told.changes if each.pointer == "/batch_size"]
    assert change.before_origin is not None
    assert change.after_origin is not None
    assert {change.before_origin.file, change.after_origin.file} == {PROD}
    assert told.before.lines_missing is told.after.lines_missing is None


def test_without_the_repository_only_lines_are_missing(cli: CommandLine, core: Runpin) -> None:
    """Why they are is said, and the values are told."""
    rmtree(cli.config)
    rmtree(cli.home / "mirrors")

    told = diff(core)

    assert told.total > 0
    assert told.before.lines_missing
    assert all(each.after_origin is None for each in told.changes)


def test_the_repository_of_the_settings_is_read(cli: CommandLine) -> None:
    """Who published may have had a checkout that nobody else has."""
    rmtree(cli.home / "mirrors")
    elsewhere = cli.config.rename(cli.folder / "elsewhere")
    with Runpin.open(home=cli.home, environment="prod", repository=str(elsewhere)) as core:
        told = diff(core)

    assert any(isinstance(each.after_origin, Origin) for each in told.changes)


def test_everything_is_told_of_a_real_store(core: Runpin) -> None:
    """Runs, applications, history and problems, with nothing missing."""
    showing = open_showing(core)
    told = showing.run(Story(SeenRun(RUN)))
    (payments,) = told.applications
    live = showing.applications()
    (channel,) = next(each.channels for each in live.applications if each.application == "payments")

    assert payments.override is None
    assert payments.epochs[0].commit is not None
    assert [each.run_id for each in showing.runs_on(payments.epochs[0].snapshot, None, lambda _: True).runs] == ["r1"]
    assert channel.pins is not None
    assert (channel.pins.count, channel.pins.more) == (0, False)
    assert [each.kind for each in showing.history("payments").events] == ["move", "publication"] * 2
    assert (told.problems, live.problems, showing.problems().problems) == ((), (), ())


def diff(core: Runpin) -> DiffFacts:
    """Return what differs between the run and live; lines take as long as a busy machine needs."""
    showing, told = open_showing(core), None
    for _ in range(20):
        told = showing.diff(Story(SeenRun(RUN)), "payments", "live")
        if told.after.lines_missing != "they are still being looked up":
            break
    assert told is not None
    return told
