"""Repositories, refs and addresses that were made to harm their reader get a typed answer everywhere, in time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bad_doors import Doors, opened_doors
from bad_inputs import PLANTED
from bad_repositories import ADDRESSES, FINE, GOOD, REPOSITORIES, BadRepository
from git_origin import Origin
from runpin.checking import check_in
from runpin.clock import SystemClock
from runpin.errors import RunpinError
from runpin.publishing import plan
from runpin.sources.git import GitSource
from runpin.testing.memory import MemoryStore

SECONDS = 60.0
"""That nothing takes on the busiest machine; what is not ended goes on for minutes."""

Kind = Callable[[Doors, Path, str, Path], tuple[str, str]]
"""Asks about a ref of the repository, with a folder for mirrors; returns the kind of the error, and what was said."""


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """Return the entry points, whose child serves all tests here."""
    with opened_doors(tmp_path_factory.mktemp("doors"), []) as made:
        yield made


def of_library(doors: Doors, repository: Path, ref: str, mirrors: Path) -> tuple[str, str]:
    """Check a commit."""
    try:
        source = GitSource(str(repository), branch="main", mirrors=mirrors)
        check_in(doors.sandbox)(source, source.resolve(ref))["dev"].must_pass()
    except RunpinError as error:
        return type(error).__name__, f"{error} {error!r}"
    return FINE, ""


def of_publishing(doors: Doors, repository: Path, ref: str, mirrors: Path) -> tuple[str, str]:
    """Plan to publish it."""
    try:
        source = GitSource(str(repository), branch="main", mirrors=mirrors)
        made = plan(source, source.resolve(ref), "dev", MemoryStore(SystemClock()), check=check_in(doors.sandbox))
    except RunpinError as error:
        return type(error).__name__, f"{error} {error!r}"
    (scope,) = made.scopes
    # What is read is what the commit says, whatever else the repository says about it.
    assert b'"a":1' in scope.documents["etl"].body
    return FINE, ""


def of_command(doors: Doors, *arguments: str) -> tuple[str, str]:
    """Run a command that answers in JSON."""
    code, out = doors.run(*arguments, "--json")
    answer = json.loads(out)
    kind = answer["error"]["kind"] if "error" in answer else (answer.get("findings") or [{"rule": FINE}])[0]["rule"]

    assert (code == 0) == (kind == FINE)
    return str(kind), out


def of_validate(doors: Doors, repository: Path, ref: str, _: Path) -> tuple[str, str]:
    """Run `runpin validate`."""
    return of_command(doors, "validate", f"--repository={repository}", f"--ref={ref}")


def of_publish(doors: Doors, repository: Path, ref: str, _: Path) -> tuple[str, str]:
    """Run `runpin publish`."""
    return of_command(doors, "publish", f"--repository={repository}", f"--ref={ref}", "-e", "dev", "--dry-run")


@pytest.mark.parametrize("ask", [of_library, of_publishing, of_validate, of_publish])
@pytest.mark.parametrize("bad", REPOSITORIES, ids=lambda bad: bad.name)
def test_every_entry_point_answers(bad: BadRepository, ask: Kind, doors: Doors, tmp_path: Path) -> None:
    """An error of the source or of the files, in time, without a value; or the files as the commit has them."""
    origin = Origin(tmp_path / "origin.git")
    origin.commit(GOOD)
    ref = bad.prepare(origin)
    started = time.monotonic()
    kind, said = ask(doors, origin.path, ref, tmp_path / "mirrors")

    assert kind in bad.kinds, said
    assert time.monotonic() - started < SECONDS
    assert PLANTED not in said
    assert not (Path.cwd() / "x").exists()


@pytest.mark.parametrize("command", ["validate", "publish"])
@pytest.mark.parametrize(("name", "address"), ADDRESSES, ids=[name for name, _ in ADDRESSES])
def test_an_address_runs_nothing_and_shows_nothing(
    name: str, address: str, command: str, doors: Doors, tmp_path: Path
) -> None:
    """It is refused, or leads nowhere; no command ran, and no password is repeated."""
    spy = tmp_path / "spy"
    started = time.monotonic()
    kind, said = of_command(doors, command, f"--repository={address.replace('{spy}', str(spy))}", "--ref=main")

    assert kind.startswith(("Source", "Unsafe", "Unknown", "Usage", "Settings")), (name, said)
    assert time.monotonic() - started < SECONDS
    assert PLANTED not in said
    assert not spy.exists()
