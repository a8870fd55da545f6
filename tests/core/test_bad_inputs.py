"""Files that harm what reads them get a typed answer, in time, from the library and from the command line."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bad_inputs import DOCUMENT, EXPONENTIAL, MANIFEST, PLANTED, SCHEMAS, TEXTS, BadInput, references
from command_line import CommandLine
from runpin.assembly import Runpin
from runpin.checking import Checked
from runpin.errors import CheckFailed, SourceError
from runpin.sources.directory import DirectorySource

ADDRESS = "http://127.0.0.1:1"
"""Stands for the listener's in the names of the tests."""

ALL = [*SCHEMAS, *TEXTS, *references(ADDRESS)]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runpin]:
    """Return one core, whose child serves all tests here one after the other."""
    with Runpin.open(home=tmp_path_factory.mktemp("home"), environment="dev") as made:
        yield made


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """Return somebody who waits for a connection that must not come."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def laid_out(bad: BadInput, folder: Path, listener: socket.socket) -> Path:
    """Write the files of *bad* into *folder*."""
    here = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for path, body in bad.files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body.replace(ADDRESS.encode(), here.encode()))
    return folder


def nobody_came(listener: socket.socket) -> bool:
    """Tell whether nobody opened a connection."""
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return True
    return False


def check(core: Runpin, folder: Path) -> Checked:
    """Check the folder in the child."""
    source = DirectorySource(folder)
    return core.check(source, source.resolve("HEAD"))["dev"]


def summary(checked: Checked) -> list[tuple[str, str]]:
    """Return rule and file of each thing that was found."""
    problems = [(type(each).__name__, str(each.where)) for each in checked.problems]
    findings = [(each.rule, str(each.origin)) for each in checked.findings]
    return sorted((rule, where.partition(":")[0]) for rule, where in problems + findings)


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.name)
def test_the_library_answers(bad: BadInput, core: Runpin, listener: socket.socket, tmp_path: Path) -> None:
    """What is wrong is found with rule and file, in time; nothing is fetched; no value is shown."""
    folder = laid_out(bad, tmp_path, listener)
    started = time.monotonic()
    checked = check(core, folder)

    assert time.monotonic() - started < bad.seconds
    assert sorted(bad.found) == summary(checked)
    assert PLANTED not in f"{checked.findings} {[str(each) for each in checked.problems]}"
    assert nobody_came(listener)


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.name)
def test_the_command_line_answers(bad: BadInput, listener: socket.socket, tmp_path: Path) -> None:
    """`runpin validate --json` says the same as a process of its own, and nothing on stderr."""
    cli = CommandLine(tmp_path)
    laid_out(bad, cli.config, listener)
    started = time.monotonic()
    answer = cli.process("validate", "-r", str(cli.config), "--json")
    found = [(each["rule"], each["where"].partition(":")[0]) for each in answer.json["findings"]]

    assert time.monotonic() - started < bad.seconds
    assert (1 if bad.found else 0, "") == (answer.code, answer.err)
    assert sorted(bad.found) == sorted(found)
    assert all(each["message"] for each in answer.json["findings"])
    assert PLANTED not in answer.out
    assert nobody_came(listener)


def test_what_takes_exponentially_long_is_ended(core: Runpin, listener: socket.socket, tmp_path: Path) -> None:
    """The limit on processor time is the answer to schemas whose cost no keyword shows, and names the document."""
    folder = exponential(tmp_path / "config", listener)
    started = time.monotonic()
    # On a machine that is busy with other things the limit on the clock may come first.
    with pytest.raises(CheckFailed, match=r"processor time|took longer") as caught:
        check(core, folder)

    assert time.monotonic() - started < core.sandbox.limits.wall + 1
    assert f"{DOCUMENT}.json" == caught.value.where
    assert PLANTED not in str(caught.value)
    cli = CommandLine(tmp_path)
    answer = cli.process("validate", "-r", str(folder), "--json")

    assert [("CheckFailed", f"{DOCUMENT}.json")] == [(each["rule"], each["where"]) for each in answer.json["findings"]]
    assert (1, "") == (answer.code, answer.err)


def exponential(folder: Path, listener: socket.socket) -> Path:
    """Lay out the schema that branches, with a document that goes deep into it."""
    value: Any = {"planted": PLANTED}
    for _ in range(40):
        value = {"n": value}
    laid_out(EXPONENTIAL, folder, listener)
    (folder / f"{DOCUMENT}.json").write_text(json.dumps(value))
    return folder


@pytest.mark.parametrize("size", [2 << 20, 1 << 30], ids=["46-two-megabytes", "46-a-gigabyte"])
def test_a_file_that_is_far_too_large_is_not_read(core: Runpin, tmp_path: Path, size: int) -> None:
    """The source refuses it by its size, before anything of it is in memory."""
    cli = CommandLine(tmp_path)
    cli.write("runpin.toml", MANIFEST)
    cli.write(f"{DOCUMENT}.yaml", "")
    with (cli.config / f"{DOCUMENT}.yaml").open("r+b") as file:
        file.truncate(size)
    started = time.monotonic()
    with pytest.raises(SourceError, match="bytes"):
        check(core, cli.config)
    answer = cli.process("validate", "-r", str(cli.config), "--json")

    assert time.monotonic() - started < 5
    assert 6 == answer.code
    assert f"{DOCUMENT}.yaml" in str(answer.error["where"])


def test_many_findings_are_all_told(core: Runpin, tmp_path: Path, listener: socket.socket) -> None:
    """A document in which everything is wrong is an answer too, with a finding for each value."""
    rows = {f"{number:x}": 0 for number in range(15_000)}
    files = {
        "runpin.toml": (MANIFEST + 'schemas = { etl = "s.json" }\n').encode(),
        f"{DOCUMENT}.json": json.dumps(rows).encode(),
        "s.json": b'{"additionalProperties": {"type": "string"}}',
    }
    folder = laid_out(BadInput("many", files), tmp_path, listener)
    started = time.monotonic()
    found = check(core, folder).findings

    assert 15_000 == len(found)
    assert time.monotonic() - started < 8


def test_the_library_still_answers(core: Runpin, tmp_path: Path, listener: socket.socket) -> None:
    """After all of the above, the process and its sandbox do what they are for."""
    fine = next(each for each in ALL if each.name == "72-anywhere")

    assert [] == summary(check(core, laid_out(fine, tmp_path, listener)))
