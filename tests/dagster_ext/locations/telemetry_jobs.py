"""A code location that has set OpenTelemetry up by itself, and knows nothing of what runpin does with it."""

import asyncio

import dagster as dg
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from dagster_runpin import RunpinResource

spans = TracerProvider()
spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(spans)
metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
tracer = trace.get_tracer("user")


@dg.op
def reads(context: dg.OpExecutionContext, runpin: RunpinResource) -> str:
    """Read within a span."""
    with tracer.start_as_current_span("op.reads"):
        runpin.config("payments/etl")
        context.log.info("rows were read")
    return str(runpin.snapshot("payments"))


@dg.op
async def reads_later(runpin: RunpinResource) -> str:
    """Read before a span, in a coroutine."""
    runpin.config("payments/etl")
    with tracer.start_as_current_span("op.reads_later"):
        await asyncio.sleep(0)
    return str(runpin.snapshot("payments"))


@dg.job(logger_defs={"json": dg.json_console_logger}, config={"loggers": {"json": {"config": {}}}})
def observed() -> None:
    """Two steps, each a process of its own."""
    reads()
    reads_later()


defs = dg.Definitions(jobs=[observed], resources={"runpin": RunpinResource()})
