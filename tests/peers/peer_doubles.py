"""
Doubles of the servers behind the peers' SDKs, on loopback: one flag, or one key, with one number in it.

They are not the services. What they say is what the SDKs' sources read: LaunchDarkly's stream of server-sent events,
Unleash's list of features, Azure's key-values by the double that the other tests use, flagd's sync stream.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from typing import IO, Any, Protocol

from azure_double_server import serving
from azure_readers import released
from runpin.model import STABLE, Scope
from runpin.stores.azure import AzureStore
from runpin.testing import MemoryLedger

FLAGD = Path(__file__).with_name("peer_flagd.py")


class Source(Protocol):
    """A server whose value can be changed."""

    port: int
    login: str

    def set(self, value: int) -> None:
        """Change the value."""
        ...


class _Flags:
    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.login = ""
        self.value = 1
        self.changed = Condition()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), {"flags": self}))
        self._http.daemon_threads = True
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.port: int = self._http.server_address[1]
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def set(self, value: int) -> None:
        with self.changed:
            self.value = value
            self.changed.notify_all()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Stream(BaseHTTPRequestHandler):
    """LaunchDarkly's stream: all flags first, then each change, and a comment now and then."""

    flags: _Flags
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        # In chunks, or the SDK waits for 10 kB.
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = 0
        with suppress(OSError):
            while True:
                with self.flags.changed:
                    self.flags.changed.wait_for(lambda known=sent: self.flags.value != known, 5)  # type: ignore[misc]
                    value = self.flags.value
                said = self._said(sent, value)
                self.wfile.write(b"%x\r\n%b\r\n" % (len(said), said))
                sent = value

    def _said(self, sent: int, value: int) -> bytes:
        flag = {"key": "batch", "version": value, "on": False, "offVariation": 0, "variations": [value], "salt": "x"}
        if sent == value:
            return b":\n\n"
        name, data = "patch", {"path": "/flags/batch", "data": flag}
        if not sent:
            name, data = "put", {"path": "/", "data": {"flags": {"batch": flag}, "segments": {}}}
        return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


class _Features(BaseHTTPRequestHandler):
    """Unleash's list of features."""

    flags: _Flags
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        payload = {"type": "number", "value": str(self.flags.value)}
        variant = {"name": "only", "weight": 1000, "payload": payload}
        strategies: list[Any] = [{"name": "default", "parameters": {}}]
        feature = {"name": "batch", "enabled": True, "strategies": strategies, "variants": [variant]}
        body = json.dumps({"version": 2, "features": [feature]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Azure:
    def __init__(self, server: Any) -> None:
        self._server = server
        self.port = int(server.host.rpartition(":")[2])
        self.login = server.connection_string.partition(";")[2]
        self.set(1)

    def set(self, value: int) -> None:
        self._server.double.put("peers/batch", str(value))


class _Runpin(_Azure):
    def set(self, value: int) -> None:
        with self._server.endpoint() as endpoint:
            store = AzureStore(endpoint, MemoryLedger())
            released(store, {"batch": {"batch": value}}, value - 1, Scope("payments", "prod"), STABLE)


class _Flagd:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.login = ""
        self._process = process
        self.port = int(_pipe(process.stdout).readline())

    def set(self, value: int) -> None:
        line = _pipe(self._process.stdin)
        line.write(f"{value}\n")
        line.flush()


def _pipe(end: IO[str] | None) -> IO[str]:
    if end is None:
        raise RuntimeError("the process has no such pipe")
    return end


@contextmanager
def _flags(handler: type[BaseHTTPRequestHandler]) -> Iterator[Source]:
    flags = _Flags(handler)
    try:
        yield flags
    finally:
        flags.close()


@contextmanager
def _azure(kind: type[_Azure]) -> Iterator[Source]:
    with serving() as server:
        yield kind(server)


@contextmanager
def _flagd(python: str) -> Iterator[Source]:
    pipe = subprocess.PIPE
    with subprocess.Popen([python, FLAGD], stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield _Flagd(process)
        finally:
            process.kill()


def source_of(peer: str, python: str) -> AbstractContextManager[Source]:
    """Serve what *peer* reads; *python* is the one of the peers' virtual environment."""
    match peer:
        case "launchdarkly":
            return _flags(_Stream)
        case "unleash":
            return _flags(_Features)
        case "flagd":
            return _flagd(python)
        case "azure":
            return _azure(_Azure)
    return _azure(_Runpin)
