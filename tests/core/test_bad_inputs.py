"""Files that harm what reads them get a typed answer, in time, at every entry point; nothing is fetched or shown."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bad_doors import DOORS, Doors, Found, opened_doors
from bad_inputs import DOCUMENT, EXPONENTIAL, MANIFEST, MESSAGES, PLANTED, SCHEMAS, BadInput, deep, references
from bad_texts import TEXTS
from command_line import CommandLine
from runpin.canonical import thaw
from runpin.errors import CheckFailed, SourceError

ADDRESS = "http://127.0.0.1:1"
"""Stands for the listener's in the names of the tests."""

SECONDS = 5.0
"""Of processor time, which people feel as so many seconds where nobody else computes."""

LONG = 60.0
"""Seconds on the clock that nothing takes on the busiest machine; what is not ended goes on for minutes."""

TABLE = (*SCHEMAS, *MESSAGES, *TEXTS, *references(ADDRESS))
CASES = {bad.name: bad for bad in TABLE}
FIRST_ONLY = ("plan", "publish")
"""The entry points that stop at the first file that cannot be read."""

MANY = {f"key-{number:x}": 0 for number in range(15_000)}
SLOW = (
    BadInput(
        EXPONENTIAL.name,
        {**EXPONENTIAL.files, f"{DOCUMENT}.json": json.dumps(deep(40, {"planted": PLANTED})).encode()},
    ),
    BadInput(
        "many-findings",
        {
            "runpin.toml": (MANIFEST + 'schemas = { etl = "s.json" }\n').encode(),
            f"{DOCUMENT}.json": json.dumps(MANY).encode(),
            "s.json": b'{"additionalProperties": {"type": "string"}}',
        },
    ),
    BadInput(
        "many-unknown-keys",
        {
            "runpin.toml": (MANIFEST + 'schemas = { etl = "s.json" }\n').encode(),
            f"{DOCUMENT}.json": json.dumps(MANY).encode(),
            "s.json": json.dumps(
                {"properties": {f"key_{number:x}": {} for number in range(1000)}, "additionalProperties": False}
            ).encode(),
        },
    ),
)
"""What takes long, and is asked for at one entry point only."""


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """Return somebody who waits for a connection that must not come."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory, listener: socket.socket) -> Iterator[Doors]:
    """Return the entry points, whose child serves all tests here one after the other."""
    here = f"http://127.0.0.1:{listener.getsockname()[1]}".encode()
    cases = [
        replace(bad, files={path: body.replace(ADDRESS.encode(), here) for path, body in bad.files.items()})
        for bad in (*CASES.values(), *SLOW)
    ]
    with opened_doors(tmp_path_factory.mktemp("doors"), cases) as made:
        yield made


def nobody_came(listener: socket.socket) -> bool:
    """Tell whether nobody opened a connection."""
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return True
    return False


def expected_at(door: str, bad: BadInput, found: Found) -> bool:
    """Tell whether an entry point found what it has to."""
    if door in FIRST_ONLY:
        return bool(found) == bool(bad.found) and set(found) <= set(bad.found)
    return found == sorted(bad.found)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", CASES)
def test_every_entry_point_answers(
    name: str, door: str, doors: Doors, listener: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    """What is wrong is found with rule and file, in time; nothing is fetched; no value is shown or logged."""
    bad = CASES[name]
    with caplog.at_level(logging.DEBUG):
        started, used = time.monotonic(), time.process_time()
        heard = getattr(doors, door)(bad)
        took, used = time.monotonic() - started, time.process_time() - used

    assert expected_at(door, bad, heard.found), heard
    assert (used < SECONDS, took < LONG) == (True, True), (used, took)
    assert PLANTED not in heard.said + caplog.text
    assert nobody_came(listener)
    if bad.reads is not None and door in ("check", "plan"):
        assert bad.reads == thaw(heard.documents["etl"].body)


@pytest.mark.parametrize("name", ["26-laughs", "43-brackets", "67-redos", "60-http", "94-no-utf-8"])
def test_a_process_of_its_own_answers(name: str, doors: Doors, listener: socket.socket) -> None:
    """`runpin validate --json` says the same with nothing shared, and nothing on stderr."""
    bad = CASES[name]
    answer = doors.cli.process("validate", "-r", str(doors.folder(bad)), "--json")
    found = [(each["rule"], each["where"].partition(":")[0]) for each in answer.json["findings"]]

    assert (1, "") == (answer.code, answer.err)
    assert sorted(bad.found) == sorted(found)
    assert PLANTED not in answer.out
    assert nobody_came(listener)


def test_what_takes_exponentially_long_is_ended(doors: Doors) -> None:
    """The limit on processor time is the answer to schemas whose cost no keyword shows, and names the document."""
    bad = SLOW[0]
    doors.sandbox.close()
    before = os.times()
    answer = doors.cli.process("validate", "-r", str(doors.folder(bad)), "--json")
    after = os.times()
    (found,) = answer.json["findings"]

    assert (1, "", "CheckFailed", f"{DOCUMENT}.json") == (answer.code, answer.err, found["rule"], found["where"])
    assert PLANTED not in answer.out
    # Of both processes, from their start; on the clock it is as much where nobody else computes.
    assert after.children_user + after.children_system - before.children_user - before.children_system < SECONDS


def test_the_library_ends_it_too(doors: Doors) -> None:
    """It is an error of the check, with the place, and without a value."""
    started = time.monotonic()
    # On a machine that is busy with other things the limit on the clock may come first.
    with pytest.raises(CheckFailed, match=r"processor time|took longer") as caught:
        doors.check(SLOW[0])

    assert time.monotonic() - started < doors.sandbox.limits.wall + LONG
    assert f"{DOCUMENT}.json" == caught.value.where
    assert PLANTED not in f"{caught.value} {caught.value!r} {caught.getrepr()}"


@pytest.mark.parametrize("bad", SLOW[1:], ids=lambda bad: bad.name)
def test_many_findings_are_all_told(doors: Doors, bad: BadInput) -> None:
    """A document in which everything is wrong is an answer too, with a finding for each value, in every form."""
    # The child has limits of its own; what is written afterwards has none.
    started = time.process_time()

    assert len(MANY) == len(doors.check(bad).found)
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize("size", [2 << 20, 1 << 30], ids=["46-two-megabytes", "46-a-gigabyte"])
def test_a_file_that_is_far_too_large_is_not_read(doors: Doors, tmp_path: Path, size: int) -> None:
    """The source refuses it by its size, before anything of it is in memory."""
    cli = CommandLine(tmp_path)
    cli.write("runpin.toml", MANIFEST)
    cli.write(f"{DOCUMENT}.yaml", "")
    with (cli.config / f"{DOCUMENT}.yaml").open("r+b") as file:
        file.truncate(size)
    large = replace(CASES["46-large"], name=str(cli.config))
    started = time.process_time()
    with pytest.raises(SourceError, match="bytes"):
        doors.check(large)
    answer = cli.run("validate", "-r", str(cli.config), "--json")

    assert time.process_time() - started < SECONDS
    assert 6 == answer.code
    assert f"{DOCUMENT}.yaml" in str(answer.error["where"])


def test_no_case_hides_another() -> None:
    """Each has a name of its own."""
    assert len(TABLE) == len(CASES)


def test_the_child_still_answers(doors: Doors) -> None:
    """After all of the above, the process and its sandbox do what they are for."""
    assert [] == doors.check(CASES["72-anywhere"]).found
