"""
The double of AWS AppConfig on a port of the loopback interface, with faults on demand.

Paths, headers and members are taken from the service models that ship with botocore, so they are AWS's and not ours.
"""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from appconfig_double import Double
from appconfig_double_records import Refused
from appconfig_signatures import Signer

KEY_ID = "AKIDOFTHEDOUBLE"
SECRET = "canary-of-the-secret-access-key"  # noqa: S105 - lets in at the double only
REGION = "eu-west-1"

_SIGNER = Signer(KEY_ID, SECRET, REGION, "appconfig")
_DRIP = 0.05


class Fault(Enum):
    """What may happen to a request."""

    STALL = "taken, and never answered"
    DRIP = "answered one byte at a time, without an end"
    RESET = "not carried out, and the connection is reset"
    LOST = "carried out, and the connection is reset"
    BROKEN = "refused with 500"
    THROTTLED = "refused with 429"
    GARBAGE = "answered with what is no JSON"
    NONSENSE = "answered with JSON that says nothing"


@dataclass(frozen=True, slots=True)
class Route:
    """How one operation is asked for."""

    method: str
    path: re.Pattern[str]
    operation: Any


@cache
def routes() -> tuple[Route, ...]:
    """Return the route of every operation of both services, those with fewer parameters first."""
    from botocore.loaders import Loader  # type: ignore[import-untyped] # it ships no types
    from botocore.model import ServiceModel  # type: ignore[import-untyped] # it ships no types

    models = [
        ServiceModel(Loader().load_service_model(name, "service-2"), name) for name in ("appconfig", "appconfigdata")
    ]
    found = [_route(model.operation_model(name)) for model in models for name in model.operation_names]
    return tuple(sorted(found, key=lambda route: route.path.groups))


def _route(operation: Any) -> Route:
    path = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(operation.http["requestUri"].partition("?")[0]))
    return Route(operation.http["method"], re.compile(path), operation)


class Server:
    """
    The double, listening.

    Attributes:
        double: the rules and what is stored.
        faults: asked for every operation by its name; what it returns happens instead of an answer.
        asked: the name of every operation that was asked for.
        allowed: the operations that the policy of whoever asks lists; None if it lists all.
        allows: tells whether that policy allows an operation with these members.
    """

    def __init__(self, double: Double) -> None:
        self.double = double
        self.faults: Callable[[str], Fault | None] = lambda _: None
        self.asked: list[str] = []
        self.allowed: frozenset[str] | None = None
        self.allows: Callable[[str, Mapping[str, Any]], bool] = lambda _, __: True
        self.released = Event()
        handler = type("Handler", (Handler,), {"server_of_double": self})
        self._http = Http(("127.0.0.1", 0), handler)
        self.endpoint = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address of the mirror."""
        return f"aws-appconfig://{REGION}?endpoint={self.endpoint}"

    def fail(self, fault: Fault, times: int = 1, operation: str = "") -> None:
        """Let *fault* happen to the next *times* requests for an operation of that name, or for any."""
        left, lock = [times], Lock()

        def choose(name: str) -> Fault | None:
            with lock:
                if not left[0] or operation not in name:
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
def serving(double: Double | None = None) -> Iterator[Server]:
    """Serve a double, a new one unless one is given."""
    server = Server(double or Double())
    try:
        yield server
    finally:
        server.close()


class Http(ThreadingHTTPServer):
    """Takes many connections at once."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about clients that went away."""


class Handler(BaseHTTPRequestHandler):
    """One connection: requests are carried out or upset."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server_of_double: Server
    is_authentic = False

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target, server = urlsplit(self.path), self.server_of_double
        for route in routes():
            named = route.path.fullmatch(target.path)
            if named and route.method == self.command:
                break
        else:
            return self._refuse(Refused(404, "UnknownOperationException"))
        server.asked.append(route.operation.name)
        fault = server.faults(route.operation.name)
        self.is_authentic = _SIGNER.has_signed(
            self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body
        )
        asked = _members(route.operation, named.groupdict(), parse_qs(target.query), self.headers, body)
        if fault is None:
            return self._carry_out(route.operation, asked)
        return self.upset(fault, route.operation, asked)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815 - the standard library's names

    def _carry_out(self, operation: Any, asked: Mapping[str, Any]) -> None:
        try:
            self.send(*_rendered(operation, self._result(operation, asked)))
        except Refused as refused:
            self._refuse(refused)

    def _result(self, operation: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
        if not self.is_authentic:
            raise Refused(403, "UnrecognizedClientException")
        server = self.server_of_double
        named = server.allowed is None or operation.name in server.allowed
        if not named or not server.allows(operation.name, asked):
            raise Refused(403, "AccessDeniedException")
        from botocore import xform_name  # type: ignore[import-untyped] # it ships no types

        carried_out = self.server_of_double.double.operation(xform_name(operation.name))
        if carried_out is None:
            raise Refused(501, "NotImplemented")
        with self.server_of_double.double.lock:
            return carried_out(asked)

    def upset(self, fault: Fault, operation: Any, asked: Mapping[str, Any]) -> None:
        """Let a fault happen."""
        match fault:
            case Fault.BROKEN:
                self._refuse(Refused(500, "InternalServerException"))
            case Fault.THROTTLED:
                self._refuse(Refused(429, "ThrottlingException"))
            case Fault.GARBAGE:
                self.send(200, {}, b"<html>not what you asked for</html>")
            case Fault.NONSENSE:
                self.send(200, {}, b'{"Items": null}')
            case Fault.STALL:
                self.server_of_double.released.wait(60)
                self._reset()
            case Fault.DRIP:
                self._drip()
            case Fault.RESET:
                self._reset()
            case Fault.LOST:
                with suppress(Refused):
                    self._result(operation, asked)
                self._reset()

    def _drip(self) -> None:
        with suppress(OSError):
            self.connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not self.server_of_double.released.wait(_DRIP):
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

    def _refuse(self, refused: Refused) -> None:
        self.send(
            refused.status,
            {"x-amzn-ErrorType": refused.code},
            json.dumps({"Message": "no", **refused.members}).encode(),
        )

    def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answer."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _members(
    operation: Any, uri: Mapping[str, str], query: Mapping[str, list[str]], headers: Any, body: bytes
) -> dict[str, Any]:
    """Return what a request says, by the operation's model."""
    shape, found = operation.input_shape, {}
    payload = shape.serialization.get("payload")
    content = json.loads(body) if body and payload is None else {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        match "payload" if name == payload else member.serialization.get("location"):
            case "payload":
                value: Any = body
            case "uri":
                value = unquote(uri[wire])
            case "querystring":
                value = query.get(wire, [None])[0]
            case "header":
                value = headers.get(wire)
            case _:
                value = content.get(wire)
        if value is not None:
            found[name] = _typed(member, value)
    return found


def _typed(shape: Any, value: Any) -> Any:
    if isinstance(value, str) and shape.type_name in {"integer", "long"}:
        return int(value)
    return value == "true" if isinstance(value, str) and shape.type_name == "boolean" else value


def _rendered(operation: Any, result: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an answer, by the operation's model."""
    shape, headers, content = operation.output_shape, {}, {}
    payload = shape.serialization.get("payload")
    for name, member in shape.members.items():
        value = result.get(name)
        if value is None or name == payload:
            continue
        if member.serialization.get("location") == "header":
            headers[member.serialization["name"]] = str(value)
        else:
            content[member.serialization.get("name", name)] = _shown(member, value)
    body = result[payload] if payload else json.dumps(content).encode()
    return operation.http.get("responseCode", 200), headers, body


def _shown(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure":
        return {name: _shown(each, value[name]) for name, each in shape.members.items() if value.get(name) is not None}
    if shape.type_name == "list":
        return [_shown(shape.member, each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value
