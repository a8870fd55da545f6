"""Asking an engine to repeat a run: what is sent, and what counts as yes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from threading import Event, Thread

import pytest

from command_line import CommandLine
from engine_listener import Listener, listening
from runpin.engines import Engines
from runpin.engines.server import Server
from runpin.errors import EngineRefused, SettingsError

REFUSED = {"data": {"launchRunReexecution": {"__typename": "PythonError", "message": "no such run"}}}


@pytest.fixture
def engine() -> Iterator[Listener]:
    """Return a server on loopback."""
    with listening() as server:
        yield server


def test_the_token_is_airflows_alone(engine: Listener) -> None:
    """And stays out of what is printed."""
    engines = Engines(f"{engine.url}/behind/", "secret", engine.url)
    engines.ask("airflow", "/api", {"a": 1})
    engines.ask("dagster", "/graphql", {"b": 2})

    assert [("/behind/api", "Bearer secret", {"a": 1}), ("/graphql", None, {"b": 2})] == engine.asked
    assert "secret" not in repr(engines)


@contextmanager
def answering(answer: bytes, *, stalls: bool) -> Iterator[str]:
    """Give the address of a server that sends *answer* to one request, and then nothing, or ends the connection."""
    done = Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(answer)
            if stalls:
                done.wait()

    with create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    ("name", "status", "content", "words"),
    [
        ("airflow", 403, b'{"detail": "Forbidden"}', "answered 403: .*Forbidden"),
        ("airflow", 302, b"", "answered 302"),
        ("airflow", 200, b"<html>", "does not answer as an engine does"),
        ("dagster", 200, json.dumps(REFUSED).encode(), "no such run"),
        ("dagster", 200, b'{"errors": [{"message": "syntax"}]}', "syntax"),
        ("dagster", 200, b"[]", "does not re-execute"),
    ],
)
def test_everything_but_a_yes_is_a_refusal(
    engine: Listener, name: str, status: int, content: bytes, words: str
) -> None:
    """With what the engine said; no redirect is followed."""
    engine.answers.append((status, content))
    with pytest.raises(EngineRefused, match=words) as refused:
        Engines(engine.url, "secret", engine.url).ask(name, "/api", {})

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "stalls", "words"),
    [
        (b"HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\nabc", True, "answered 500: nothing that can be read"),
        (b"HTTP/1.1 502 X\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nabc", False, "answered 502"),
        (b"HTTP/1.1 404 X\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", False, "answered 404"),
        (b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nabc", True, "does not answer"),
    ],
)
def test_an_answer_that_breaks_off_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, words: str, *, stalls: bool
) -> None:
    """Whatever its status is, and whether the rest is waited for in vain or the connection ends."""
    monkeypatch.setattr("runpin.engines.server.PATIENCE", 2.0)
    with answering(answer, stalls=stalls) as address, pytest.raises(EngineRefused, match=words):
        Server("airflow", address).get("/x", missing="run-1")


def test_who_is_not_there_refuses() -> None:
    """A dead address, none at all, or none that can be one."""
    with pytest.raises(EngineRefused, match="does not answer"):
        Engines("http://127.0.0.1:1").ask("airflow", "/api", {})
    with pytest.raises(EngineRefused, match="nobody says where"):
        Engines().ask("dagster", "/graphql", {})
    with pytest.raises(SettingsError, match="begins with"):
        Engines(airflow="file:///etc/passwd")


def test_impact_repeats_runs(engine: Listener, tmp_path: Path) -> None:
    """
    Each is given its snapshot first; the same command asks again after a refusal, and names nothing twice.

    A run that Airflow does not know any more is left alone, and does not stop it.
    """
    cli = CommandLine(tmp_path)
    cli.start()
    cli.publish()
    for run in ("run 1", "run-2", "gone"):
        cli.pin(run)
    engine.knows("run%201")
    engine.knows("run-2")
    first = cli.present()
    cli.batches(7)
    cli.publish()
    engine.answers = [(200, b"{}"), (409, b"busy")]
    command = ("impact", first, "--apply", "--airflow", engine.url, "-m", "bad rows")
    failed = cli.run(*command)
    done = cli.ok(*command)
    named = cli.ok("override", "run 1", "-a", "payments", "-e", "prod", "--json").json

    assert (5, True) == (failed.code, "409: busy" in failed.err)
    assert "2 runs are repeated. 1 are not known" in done.out
    assert ["run%201", "run-2"] * 2 == [path.split("/")[-2] for path, _, _ in engine.asked]
    assert (1, cli.present(), "bad rows") == (named["number"], named["snapshot"], named["reason"])
    assert 2 == cli.run("impact", first, "--apply").code
