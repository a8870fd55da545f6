"""A span processor that writes the pins of a run onto the spans of the run."""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakSet, WeakValueDictionary

from opentelemetry import trace  # noqa: TID253 - only loaded where the host configured the SDK
from opentelemetry.sdk.trace import Span, SpanProcessor  # noqa: TID253 - as above

from runpin.observing.sightings import Run, seen
from runpin.observing.telling import follow

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan

MOST_OPEN = 4096
"""Spans that are remembered while they are open; those beyond carry what was known when they began."""

# How Airflow names the run of a span; it ends runs in the scheduler, where no code of theirs is running.
_NAMED_BY = ("airflow.dag_id", "airflow.dag_run.run_id")


class ConfigSpanProcessor(SpanProcessor):
    """
    Writes `config.*` onto each span of a run: when it begins, and once more when more becomes known while it is open.

    Which run a span belongs to is said by its context, by its own attributes, or by being around the code that read
    the run's first document, as the span of an Airflow task is.
    """

    def __init__(self) -> None:
        self._open: WeakValueDictionary[int, Span] = WeakValueDictionary()
        self._runs: dict[int, Run] = {}
        self._lock = Lock()
        _alive.add(self)
        self._unfollow = follow(self._known)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the SDK's signature
        """Write what is known onto a span that begins."""
        run = _named(span) or seen.here()
        self._remember(span, run)
        said = seen.of(run)
        if said:
            span.set_attributes(said)

    def on_end(self, span: ReadableSpan) -> None:
        """Forget a span that has ended."""
        if span.context is not None:
            self._open.pop(span.context.span_id, None)
            self._runs.pop(span.context.span_id, None)

    def shutdown(self) -> None:
        """Follow runs no longer."""
        self._unfollow()

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the SDK's signature
        """There is nothing to flush."""
        return True

    def _remember(self, span: Span, run: Run | None) -> None:
        if span.context is None:
            return
        with self._lock:
            if len(self._runs) >= MOST_OPEN:
                # Of spans that never ended and that nobody holds any more.
                self._runs = {each: of for each, of in list(self._runs.items()) if each in self._open}
            if len(self._open) < MOST_OPEN:
                self._open[span.context.span_id] = span
                if run is not None:
                    self._runs[span.context.span_id] = run

    def _known(self, run: Run) -> None:
        said = seen.of(run)
        with self._lock:
            self._claim(run)
            spans = [self._open[each] for each, of in list(self._runs.items()) if of == run and each in self._open]
        if said:
            for span in spans:
                span.set_attributes(said)

    def _claim(self, run: Run) -> None:
        """Take the open spans around the code that calls for those of *run*."""
        current = trace.get_current_span()
        if isinstance(current, Span) and current.is_recording():
            # It may have begun before the process had this processor.
            self._open.setdefault(current.get_span_context().span_id, current)
        around: int | None = current.get_span_context().span_id
        while around is not None and (span := self._open.get(around)) is not None:
            self._runs.setdefault(around, run)
            around = None if span.parent is None else span.parent.span_id


def _named(span: Span) -> Run | None:
    said = span.attributes or {}
    job, run_id = (said.get(name) for name in _NAMED_BY)
    return (str(job), str(run_id)) if job is not None and run_id is not None else None


_alive: WeakSet[ConfigSpanProcessor] = WeakSet()


def _renew() -> None:
    # A fork may happen while another thread holds a lock; nobody would release the child's copy of it.
    for processor in list(_alive):
        processor._lock = Lock()  # noqa: SLF001 - one of this module's own


os.register_at_fork(after_in_child=_renew)
