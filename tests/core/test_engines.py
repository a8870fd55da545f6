"""Asking an engine to repeat a run: what is sent, and what counts as yes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from command_line import CommandLine
from runpin.engines import Engines
from runpin.errors import EngineRefused, SettingsError

LAUNCHED = {"data": {"launchRunReexecution": {"__typename": "LaunchRunSuccess", "run": {"runId": "r"}}}}
REFUSED = {"data": {"launchRunReexecution": {"__typename": "PythonError", "message": "no such run"}}}


class Listener(HTTPServer):
    """Stands in for both engines: keeps what it is asked, and gives the next answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked: list[tuple[str, str | None, Any]] = []
        self.answers: list[tuple[int, bytes]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Asked(BaseHTTPRequestHandler):
    """One request."""

    server: Listener

    def do_POST(self) -> None:
        """Keep it, and answer."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers.get("Authorization"), body))
        status, content = self.server.answers.pop(0) if self.server.answers else (200, json.dumps(LAUNCHED).encode())
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def engine() -> Iterator[Listener]:
    """Return a server on loopback."""
    with Listener() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_token_is_airflows_alone(engine: Listener) -> None:
    """And stays out of what is printed."""
    engines = Engines(f"{engine.url}/behind/", "secret", engine.url)
    engines.ask("airflow", "/api", {"a": 1})
    engines.ask("dagster", "/graphql", {"b": 2})

    assert [("/behind/api", "Bearer secret", {"a": 1}), ("/graphql", None, {"b": 2})] == engine.asked
    assert "secret" not in repr(engines)


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


def test_who_is_not_there_refuses() -> None:
    """A dead address, none at all, or none that can be one."""
    with pytest.raises(EngineRefused, match="does not answer"):
        Engines("http://127.0.0.1:1").ask("airflow", "/api", {})
    with pytest.raises(EngineRefused, match="nobody says where"):
        Engines().ask("dagster", "/graphql", {})
    with pytest.raises(SettingsError, match="begins with"):
        Engines(airflow="file:///etc/passwd")


def test_impact_repeats_runs(engine: Listener, tmp_path: Path) -> None:
    """Each is given its snapshot first; the same command asks again after a refusal, and names nothing twice."""
    cli = CommandLine(tmp_path)
    cli.start()
    cli.publish()
    for run in ("run 1", "run-2"):
        cli.pin(run)
    first = cli.present()
    cli.batches(7)
    cli.publish()
    engine.answers = [(200, b"{}"), (409, b"busy")]
    command = ("impact", first, "--apply", "--airflow", engine.url, "-m", "bad rows")
    failed = cli.run(*command)
    done = cli.ok(*command)
    named = cli.ok("override", "run 1", "-a", "payments", "-e", "prod", "--json").json

    assert (5, True) == (failed.code, "409: busy" in failed.err)
    assert "2 runs are repeated" in done.err + done.out
    assert ["run%201", "run-2"] * 2 == [path.split("/")[-2] for path, _, _ in engine.asked]
    assert (1, cli.present(), "bad rows") == (named["number"], named["snapshot"], named["reason"])
    assert 2 == cli.run("impact", first, "--apply").code
