"""
A process that reads configuration as a host's own program does, with its own OpenTelemetry or without any.

    python telemetry_worker.py otlp | prometheus | off | bare    FOLDER

What it has seen goes to standard output as one JSON document; `prometheus` serves until its standard input ends.
"""

from __future__ import annotations

import json
import logging
import sys
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any

from runpin.errors import RunpinError
from runpin.model import Scope
from runpin.watching import ChannelWatch
from world import Host, World

LEDGER = Scope("ledger", "prod")
LINE = "rows were written"
FLAG: dict[str, Any] = {"id": "new-ledger", "enabled": True}


def main() -> None:
    """Do what the command line says."""
    how, folder = sys.argv[1], Path(sys.argv[2])
    if how == "otlp":
        exported(folder)
    elif how == "prometheus":
        scraped(folder)
    else:
        unobserved(folder, api=how == "off")


def exported(folder: Path) -> None:
    """Read within spans of the program, and export spans, metrics and log records over HTTP."""
    from opentelemetry import _logs, baggage, metrics, propagate, trace
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    spans = TracerProvider()
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(spans)
    measured = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
    metrics.set_meter_provider(measured)
    logs = LoggerProvider()
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    _logs.set_logger_provider(logs)
    logging.getLogger("user").addHandler(LoggingHandler(logger_provider=logs))

    world, host = _world(folder)
    run, headers = host.run("exported"), dict[str, str]()
    with trace.get_tracer("user").start_as_current_span("whole"), run.active():
        config = run.get_config("payments/etl")
        with trace.get_tracer("user").start_as_current_span("part"):
            logging.getLogger("user").warning(LINE)
            _decide()
        propagate.inject(headers)
        carried = dict(baggage.get_all())
    left = dict(baggage.get_all())
    _fail(host)
    _look(world, host)
    for provider in (spans, measured, logs):
        provider.shutdown()
    pin = run.pin("payments")
    said = {"batch_size": config["batch_size"], "snapshot": str(pin.snapshot), "digest": pin.digest}
    print(json.dumps({**said, "baggage": carried, "left": left, "headers": headers}))  # noqa: T201 - the answer


def scraped(folder: Path) -> None:
    """Serve what was measured to Prometheus, one change after the other, until nobody wants more."""
    from opentelemetry import metrics
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import start_http_server

    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
    server, _ = start_http_server(0, "127.0.0.1")
    world, host = _world(folder)
    print(server.server_port, flush=True)  # noqa: T201 - the answer
    for number, line in enumerate(sys.stdin):
        if line.strip() == "stop":
            break
        world.version(number + 2)
        run = host.run(f"r{number}")
        run.pin("payments"), run.pin("ledger")
        _fail(host)
        _look(world, host)
        world.store_switch.off = True
        host.resolver.channel(LEDGER)
        world.store_switch.off = False
        print(number, flush=True)  # noqa: T201 - the answer


def unobserved(folder: Path, *, api: bool) -> None:
    """Read where nobody observes: without OpenTelemetry, or with its API alone, as an engine may have loaded it."""
    if api:
        import_module("opentelemetry.metrics")
        import_module("opentelemetry.trace")
    _, host = _world(folder)
    run = host.run("unobserved")
    with run.active():
        run.get_config("payments/etl")
    loaded = [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "runpin.observing.spans"))]
    loaded += [name for name in sys.modules if name.startswith("opentelemetry") and not api]
    print(json.dumps(loaded))  # noqa: T201 - the answer


def _world(folder: Path) -> tuple[World, Host]:
    world = World(folder)
    world.publish({"etl": {"batch_size": 7}, "flags": {"feature_management": {"feature_flags": [FLAG]}}})
    world.publish({"etl": {"book": 1}}, scope=LEDGER)
    return world, world.host()


def _decide() -> None:
    from openfeature import api

    from runpin.flags import RunpinProvider

    api.set_provider_and_wait(RunpinProvider("payments/flags"))
    if not api.get_client().get_boolean_value(FLAG["id"], default_value=False):
        raise AssertionError("the flag is on")


def _fail(host: Host) -> None:
    try:
        host.run("failing").pin("nosuch")
    except RunpinError:
        return
    raise AssertionError("nobody has published this application")


def _look(world: World, host: Host) -> None:
    watch = _watches.setdefault(
        id(host),
        ChannelWatch(
            world.store, world.ledger, host.resolver, world.clock, environment="prod", tenant=None, interval=0.05
        ),
    )
    watch.wait_for_view(60)
    world.publish({"etl": {"book": world.clock.monotonic()}}, scope=LEDGER)
    while watch.lag is None:
        Event().wait(0.02)


_watches: dict[int, ChannelWatch] = {}

if __name__ == "__main__":
    main()
