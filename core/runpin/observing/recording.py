"""
What is told of the core, as spans, metrics and baggage of OpenTelemetry.

Loaded only where the process has imported OpenTelemetry's API. Providers are looked up anew each time: a host may
configure them late, and Airflow does so once more in each task.
"""

from __future__ import annotations

import os
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

from opentelemetry import (  # noqa: TID253 - only loaded where the host did so before
    baggage,
    context,
    metrics,
    trace,
)

from runpin.baggage import DEPTH, PARENT, TENANT
from runpin.errors import RunpinError
from runpin.observing.attributes import APPLICATION, ENVIRONMENT, MOST_NAMED, attributes, key_of
from runpin.observing.measuring import Meters
from runpin.observing.sightings import Run, seen
from runpin.observing.telling import follow
from runpin.proposing import inherit

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

    from runpin.model import Pin, Scope
    from runpin.watching import ChannelWatch

SCOPE = "runpin"
"""The instrumentation scope of our spans and metrics."""

OTHER_ERROR = "_OTHER"
"""What OpenTelemetry's conventions call the type of an error that is none of a known few."""


class Recorder:
    """Records for the providers that the process had when `refresh` was called last."""

    def __init__(self) -> None:
        self._meters: Meters | None = None
        self._tracer: trace.Tracer | None = None
        self._spans: trace.TracerProvider | None = None
        follow(_carry)

    def refresh(self) -> bool:
        """Meet the providers that the process has now, and tell whether there is one."""
        spans, measured = trace.get_tracer_provider(), metrics.get_meter_provider()
        if spans is not self._spans:
            self._spans = spans
            self._tracer = spans.get_tracer(SCOPE) if _is_set(spans) else None
            _stamp(spans)
        if self._meters is None or self._meters.provider is not measured:
            self._meters = Meters(measured, SCOPE, self._meters) if _is_set(measured) else None
        return not (self._tracer is None and self._meters is None)

    def step(self, what: str, scope: Scope) -> _Step:
        """Return what measures one step."""
        return _Step(what, scope, self._tracer, self._meters)

    def pinned(self, pin: Pin) -> None:
        """Count a pin."""
        if self._meters is not None:
            self._meters.pinned(pin)

    def left(self, run: Run) -> None:
        """Take what belongs to *run* out of the baggage of this context."""
        kept = context.get_current()
        for name in _members(run):
            kept = baggage.remove_baggage(name, kept)
        # Detaching would bring back spans that have ended since.
        context.attach(kept)

    def looked(self, watch: ChannelWatch, environment: str) -> None:
        """Make the view of *watch* measurable."""
        if self._meters is not None:
            self._meters.watches[watch] = environment

    def forked(self) -> None:
        """Forget what the parent of this process has measured."""
        if self._meters is not None:
            self._meters.forked()


class _Step:
    """A span, and how long it took; whatever a provider does, the step itself goes on."""

    def __init__(self, what: str, scope: Scope, tracer: trace.Tracer | None, meters: Meters | None) -> None:
        self._what = what
        self._scope = scope
        self._tracer = tracer
        self._meters = meters
        self._span: trace.Span | None = None
        self._token: Token[context.Context] | None = None
        self._stale: bool | None = None
        self._began = 0.0

    def __enter__(self) -> Self:
        self._began = perf_counter()
        if self._tracer is not None:
            with suppress(Exception):
                said = {APPLICATION: self._scope.application, ENVIRONMENT: self._scope.environment}
                self._span = self._tracer.start_span(f"{SCOPE}.{self._what}", attributes=said)
                self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        took = perf_counter() - self._began
        fault = None if error is None else _type_of(error)
        with suppress(Exception):
            if self._meters is not None:
                self._meters.took(self._what, self._scope, took, fault, stale=self._stale)
        with suppress(Exception):
            if self._token is not None:
                context.detach(self._token)
            self._end(fault)

    def got(self, *, pin: Pin | None = None, stale: bool | None = None, **said: Any) -> None:
        """Say what came of it: a pin, or where a channel stands."""
        self._stale = stale
        if self._span is None:
            return
        with suppress(Exception):
            self._span.set_attributes({} if pin is None else attributes(pin))
            self._span.set_attributes({} if stale is None else {"config.stale": stale})
            self._span.set_attributes({f"config.{name}": value for name, value in said.items()})

    def _end(self, fault: str | None) -> None:
        if self._span is None:
            return
        if fault is not None:
            # The text of an error may be long; its type is enough to look it up.
            self._span.set_attribute("error.type", fault)
            self._span.set_status(trace.StatusCode.ERROR, fault)
        self._span.end()


def recorder() -> Recorder | None:
    """Return the one of this process; None while nothing is set up."""
    return _recorder if _recorder.refresh() else None


def _stamp(provider: object) -> None:
    add = getattr(provider, "add_span_processor", None)
    if add is not None:
        from runpin.observing.spans import ConfigSpanProcessor

        add(ConfigSpanProcessor())


def _carry(run: Run) -> None:
    """Put what is known of *run* into the baggage of this context."""
    if seen.here() != run or not _is_set(trace.get_tracer_provider()):
        return
    carried = context.get_current()
    for name, value in _members(run).items():
        if baggage.get_baggage(name, carried) != value:
            carried = baggage.set_baggage(name, value, carried)
    if carried is not context.get_current():
        context.attach(carried)


def _members(run: Run) -> dict[str, str]:
    """Return what `runpin.baggage` reads on the other side: all pins that were decided, or none of too many."""
    pins, depth = seen.pins(run)
    if not pins or len(pins) > MOST_NAMED:
        return {}
    handed = inherit(pins, depth)
    parent = handed["parent"]
    tenant = {} if parent["tenant"] is None else {TENANT: parent["tenant"]}
    named = {key_of(application): snapshot for application, snapshot in handed["pins"].items()}
    return {**named, DEPTH: str(parent["depth"]), PARENT: parent["run"], **tenant}


def _is_set(provider: object) -> bool:
    # Those of the API itself do nothing, or pass on to one that is set later.
    return not type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))


def _type_of(error: BaseException) -> str:
    return type(error).__name__ if isinstance(error, RunpinError) else OTHER_ERROR


_recorder = Recorder()
os.register_at_fork(after_in_child=_recorder.forked)
