"""DAGs whose runs are cleared and backfilled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, dag, task  # noqa: TID253 - a DAG file

from run_reports import pass_gate


def _pin(application: str) -> dict[str, Any]:
    from airflow_provider_runpin.context import current_run

    pin = current_run().pin(application)
    return {"snapshot": str(pin.snapshot), "epoch": pin.epoch, "asked": str(pin.asked)}


def _two_steps(application: str) -> None:
    @task
    def first() -> dict[str, Any]:
        return _pin(application)

    @task(outlets=[Asset("repeated_rows")])
    def second() -> dict[str, Any]:
        pass_gate("second")
        return _pin(application)

    first() >> second()


@dag(schedule=None, tags=["config:again", "config-rerun:latest"])
def repeated_latest() -> None:
    """Wants the latest when it is repeated."""
    _two_steps("again")


@dag(schedule=None, tags=["config:again"])
def repeated_keep() -> None:
    """Says nothing about reruns."""
    _two_steps("again")


@dag(schedule=None, tags=["config:again", "config-rerun:newest"])
def repeated_nonsense() -> None:
    """Declares a policy that there is not."""
    _two_steps("again")


@dag(schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, tags=["config:dated"])
def repeated_daily() -> None:
    """Is backfilled."""

    @task
    def day() -> dict[str, Any]:
        return _pin("dated")

    day()


repeated_latest()
repeated_keep()
repeated_nonsense()
repeated_daily()
