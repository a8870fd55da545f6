"""A collector for tests: takes OTLP over HTTP on the loopback interface and decodes what real exporters send."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest  # noqa: TID253 - a receiver
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (  # noqa: TID253 - as above
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: TID253 - as above

_REQUESTS: Mapping[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span that somebody has exported."""

    name: str
    attributes: Mapping[str, Any]
    trace_id: str
    events: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ReceivedPoint:
    """A point of a metric that somebody has exported; the number of samples, where it is a histogram."""

    metric: str
    unit: str
    attributes: Mapping[str, Any]
    value: float


@dataclass
class OtlpReceiver:
    """
    What was received so far.

    Attributes:
        url: what `OTEL_EXPORTER_OTLP_ENDPOINT` has to be.
        requests: how many requests came in, by path.
    """

    url: str
    requests: dict[str, int] = field(default_factory=dict)
    _spans: list[ReceivedSpan] = field(default_factory=list)
    _points: list[ReceivedPoint] = field(default_factory=list)
    _logs: list[Mapping[str, Any]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def take(self, path: str, body: bytes) -> None:
        """Decode one request."""
        request = _REQUESTS[path].FromString(body)
        with self._lock:
            self.requests[path] = self.requests.get(path, 0) + 1
            self._spans += _spans_of(request) if path == "/v1/traces" else ()
            self._points += _points_of(request) if path == "/v1/metrics" else ()
            self._logs += _logs_of(request) if path == "/v1/logs" else ()

    def spans(self, prefix: str = "", **attributes: Any) -> list[ReceivedSpan]:
        """Return the spans whose names begin with *prefix*, and that have *attributes*, with `_` for `.`."""
        with self._lock:
            return [each for each in self._spans if each.name.startswith(prefix) and _has(each.attributes, attributes)]

    def points(self, metric: str, **attributes: Any) -> list[ReceivedPoint]:
        """Return the points of *metric*; otherwise as `spans`."""
        with self._lock:
            return [each for each in self._points if each.metric == metric and _has(each.attributes, attributes)]

    def logs(self, text: str) -> list[Mapping[str, Any]]:
        """Return the attributes of the log records whose body holds *text*."""
        with self._lock:
            return [each for each in self._logs if text in str(each["body"])]

    def wait_for(self, prefix: str, count: int = 1, *, timeout: float = 60.0, **attributes: Any) -> list[ReceivedSpan]:
        """Return the spans as soon as there are at least *count*, or what has come by then."""
        deadline = monotonic() + timeout
        while len(found := self.spans(prefix, **attributes)) < count and monotonic() < deadline:
            Event().wait(0.05)
        return found


def environment(receiver: OtlpReceiver) -> dict[str, str]:
    """Return the variables with which an SDK, and Airflow, export to *receiver* over HTTP, metrics every second."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{receiver.url}/v1/traces",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{receiver.url}/v1/metrics",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp_proto_http",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_SERVICE_NAME": "runpin-tests",
    }


@pytest.fixture
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """Return a receiver that listens, with nothing received yet."""
    with listening() as receiver:
        yield receiver


@contextmanager
def listening() -> Iterator[OtlpReceiver]:
    """Listen on a free port."""
    server = _Server(("127.0.0.1", 0), _Handler)
    receiver = server.receiver = OtlpReceiver(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, args=(0.05,), name="otlp-receiver", daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: OtlpReceiver


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take what an exporter sends."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.receiver.take(self.path, body)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def _has(attributes: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    named = {name.replace(".", "_"): value for name, value in attributes.items()}
    return all(named.get(name) == value for name, value in wanted.items())


def _spans_of(request: Any) -> Iterator[ReceivedSpan]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                events = {event.name: _attributes(event.attributes) for event in span.events}
                yield ReceivedSpan(span.name, _attributes(span.attributes), span.trace_id.hex(), events)


def _points_of(request: Any) -> Iterator[ReceivedPoint]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                data = getattr(metric, metric.WhichOneof("data"))
                for point in data.data_points:
                    yield ReceivedPoint(metric.name, metric.unit, _attributes(point.attributes), _value(point))


def _logs_of(request: Any) -> Iterator[Mapping[str, Any]]:
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield {"body": record.body.string_value, **_attributes(record.attributes)}


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _said(pair.value) for pair in pairs}


def _said(value: Any) -> Any:
    kind = value.WhichOneof("value") or "string_value"
    return [_said(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)


def _value(point: Any) -> float:
    if hasattr(point, "count"):
        return float(point.count)
    return float(getattr(point, point.WhichOneof("value")))
