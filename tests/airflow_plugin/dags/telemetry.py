"""Runs that are looked at from outside: what their spans and their log lines say."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, dag, get_current_context, task  # noqa: TID253 - a DAG file

from run_reports import report

RATES = Asset("observed_rates")


@task(outlets=[RATES])
def reads() -> dict[str, Any]:
    """Read within a span of its own, and log before and after."""
    from opentelemetry import trace

    logging.getLogger("user").warning("before the read")
    with trace.get_tracer("user").start_as_current_span("user.reads"):
        seen = report()
    logging.getLogger("user").warning("after the read")
    return seen


@task
def reads_nothing() -> None:
    """Do something that has nothing to do with configuration."""
    from opentelemetry import trace

    trace.get_tracer("user").start_span("user.reads_nothing").end()
    logging.getLogger("user").warning("nothing was read")


@task
def follows() -> list[str]:
    """Read, and return what the runs used that made what this one waited for."""
    from airflow_provider_runpin.reruns import links

    report()
    return sorted(f"{pin.snapshot} {pin.run.job}/{pin.run.run_id}" for pin in links(get_current_context()))


@task
def follows_too() -> None:
    """Read once more, in another process."""
    report()


@dag(schedule="@once", start_date=datetime(2026, 1, 1, tzinfo=UTC), tags=["config:payments"])
def observed() -> None:
    """One task that reads, and one that does not."""
    reads() >> reads_nothing()


@dag(schedule=[RATES], tags=["config:payments"])
def observing() -> None:
    """Started by what `observed` makes."""
    follows() >> follows_too()


observed()
observing()
