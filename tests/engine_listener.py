"""A server on loopback that stands in for both engines: it keeps what it is asked, and gives prepared answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LAUNCHED = {"data": {"launchRunReexecution": {"__typename": "LaunchRunSuccess", "run": {"runId": "r"}}}}
_RUN = re.compile(r"/api/v2/dags/(?P<dag>[^/]+)/dagRuns/(?P<run>[^/]+)")
_MOST = 100
"""Airflow gives no more at a time, whatever it is asked for."""


class Listener(HTTPServer):
    """
    Both engines.

    Attributes:
        asked: path, token and body of each POST.
        looked: path and query of each GET.
        answers: what the next POSTs get; when there are none, `LAUNCHED`.
        pages: what GETs get, by path; a list is given in pages, under its name; a number is the status of a refusal.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked: list[tuple[str, str | None, Any]] = []
        self.looked: list[str] = []
        self.answers: list[tuple[int, bytes]] = []
        self.pages: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def knows(self, run_id: str, *, tasks: Any = (), events: Any = (), **facts: Any) -> None:
        """Let Airflow know a run of the DAG `payments_daily`; *facts* are members of its answer about it."""
        path = f"/api/v2/dags/payments_daily/dagRuns/{run_id}"
        carried = {"runpin": {"run": unquote(run_id), "incarnation": "1"}}
        self.pages[path] = {"state": "success", "conf": carried, "run_after": "2026-01-05T00:00:00Z", **facts}
        self.pages[f"{path}/taskInstances"] = ("task_instances", list(tasks))
        self.pages[f"/api/v2/assets/events?{unquote(run_id)}"] = ("asset_events", list(events))


class Asked(BaseHTTPRequestHandler):
    """One request."""

    server: Listener

    def do_GET(self) -> None:
        """Answer as Airflow does."""
        self.server.looked.append(self.path)
        place = urlsplit(self.path)
        query = {name: value for name, (value,) in parse_qs(place.query).items()}
        source = f"?{query['source_run_id']}" if "source_run_id" in query else ""
        found = self.server.pages.get(place.path + source)
        run = _RUN.fullmatch(place.path)
        if found is None:
            detail = f"The DagRun with run_id: `{unquote(run['run'])}` was not found" if run else "Not Found"
            self._answer(404, json.dumps({"detail": detail}).encode())
        elif isinstance(found, int):
            self._answer(found, b'{"detail": "Refused"}')
        elif isinstance(found, tuple):
            name, items = found
            start = int(query["offset"])
            part = items[start : start + min(int(query["limit"]), _MOST)]
            self._answer(200, json.dumps({name: part, "total_entries": len(items)}).encode())
        else:
            self._answer(200, json.dumps(found).encode())

    def do_POST(self) -> None:
        """Keep it, and answer."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers.get("Authorization"), body))
        self._answer(*(self.server.answers.pop(0) if self.server.answers else (200, json.dumps(LAUNCHED).encode())))

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def listening() -> Iterator[Listener]:
    """Give a server that answers meanwhile."""
    with Listener() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
