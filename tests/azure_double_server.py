"""The double of Azure App Configuration on a port of the loopback interface, with faults on demand."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from azure_double import Double
from azure_double_wire import IDENTITY, SECRET, Answer, Request
from runpin.azure_appconfig.endpoint import Endpoint
from runpin.clock import SystemClock

_LATE = 0.3
_DRIP = 0.05


class Fault(Enum):
    """What may happen to a request."""

    STALL = "taken, and never answered"
    DRIP = "answered one byte at a time, without an end"
    RESET = "not carried out, and the connection is reset"
    LOST = "carried out, and the connection is reset"
    LATE = "the connection is reset, and it is carried out after that"
    BROKEN = "refused with 500"
    BUSY = "refused with 503"
    THROTTLED = "refused with 429, to be repeated after some milliseconds"
    GARBAGE = "answered with what is no JSON"
    NONSENSE = "answered with JSON that says nothing"


class Server:
    """
    The double, listening.

    Attributes:
        double: the rules and what is stored.
        faults: asked for every request; what it returns happens instead of an answer.
        rest: milliseconds that a throttled request has to wait.
    """

    def __init__(self, double: Double, certificate: Path | None = None) -> None:
        self.double = double
        self.faults: Callable[[Request], Fault | None] = lambda _: None
        self.rest = 10
        self.released = Event()
        handler = type("Handler", (_Handler,), {"server_of_double": self})
        self._http = _Http(("127.0.0.1", 0), handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.host = f"127.0.0.1:{self._http.server_address[1]}"
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def connection_string(self) -> str:
        """What lets a client in."""
        return f"Endpoint=http://{self.host};Id={IDENTITY};Secret={SECRET}"

    @property
    def url(self) -> str:
        """The address of a prefix, for an access key."""
        return f"azure-appconfig://{self.host}/runpin?auth=connection-string"

    def endpoint(self, patience: float = 5.0) -> Endpoint:
        """Return a client of its own, which shares no Sync-Token with another."""
        return Endpoint.open(self.url, clock=SystemClock(), connection_string=self.connection_string, patience=patience)

    def fail(self, fault: Fault, times: int = 1, method: str = "", key: str = "") -> None:
        """Let *fault* happen to the next requests, *times* in all, that are made with *method* and name *key*."""
        left, lock = [times], Lock()

        def choose(request: Request) -> Fault | None:
            named = request.key if request.key is not None else request.query.get("key", "")
            with lock:
                if not left[0] or method not in request.method or key not in named:
                    return None
                left[0] -= 1
                return fault

        self.faults = choose

    def close(self) -> None:
        """Let go of every connection that hangs, and stop."""
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def serving(double: Double | None = None, certificate: Path | None = None) -> Iterator[Server]:
    """Serve a double, a new one unless one is given."""
    # On a busy machine the first call of this process would spend its patience on that.
    import_module("azure.appconfiguration")
    import_module("azure.core.pipeline.transport").RequestsTransport  # noqa: B018 - which is when it is imported
    server = Server(double or Double(), certificate)
    try:
        yield server
    finally:
        server.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server_of_double: Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        fault = self.server_of_double.faults(request)
        if fault is None:
            self._send(self.server_of_double.double.answer(request))
        else:
            self._upset(fault, request)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815 - the standard library's names

    def _upset(self, fault: Fault, request: Request) -> None:
        answer, released = self.server_of_double.double.answer, self.server_of_double.released
        match fault:
            case Fault.BROKEN | Fault.BUSY:
                self._send(Answer(500 if fault is Fault.BROKEN else 503, {"title": "try again"}))
            case Fault.THROTTLED:
                self._send(
                    Answer(429, {"policy": "Total Requests"}, {"retry-after-ms": str(self.server_of_double.rest)})
                )
            case Fault.GARBAGE:
                self._send_body(200, b"<html>not what you asked for</html>", {})
            case Fault.NONSENSE:
                self._send(Answer(200, {"items": None}))
            case Fault.STALL:
                released.wait(60)
                self._reset()
            case Fault.DRIP:
                self._drip(released)
            case Fault.RESET:
                self._reset()
            case Fault.LOST:
                answer(request)
                self._reset()
            case Fault.LATE:
                self._reset()
                released.wait(_LATE)
                answer(request)

    def _drip(self, released: Event) -> None:
        with suppress(OSError):
            self.connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not released.wait(_DRIP):
                self.connection.sendall(b"x")
        self.close_connection = True

    def _reset(self) -> None:
        self.close_connection = True
        # Zero seconds of lingering make a close a reset. The file objects hold the socket open until they are closed.
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()

    def _send(self, answer: Answer) -> None:
        body = b"" if answer.content is None or answer.status == 304 else json.dumps(answer.content).encode()
        self._send_body(answer.status, body, dict(answer.headers))

    def _send_body(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
