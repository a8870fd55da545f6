"""Runs that configuration starts, and a task that waits for it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, get_current_context, task  # noqa: TID253 - a DAG file

from airflow_provider_runpin.assets import config_asset
from airflow_provider_runpin.sensors.config import ConfigVersionSensor
from run_reports import report

REPORTS = ["config:reports"]


@task
def what_came() -> list[Any]:
    """Return what the events that started this run say, and note what it reads."""
    report(application="reports")
    events = get_current_context()["triggering_asset_events"].values()
    return [event.extra["payload"] for each in events for event in each]


@dag(schedule=[config_asset("reports/etl")], tags=REPORTS, max_active_runs=1)
def reacting_to_config() -> None:
    """Started by every change of `reports/etl`."""
    what_came()


@dag(schedule=None, tags=REPORTS)
def reacting_later() -> None:
    """Waits in the triggerer until there is something else than what it has."""
    ConfigVersionSensor(task_id="wait", path="reports/etl")


reacting_to_config()
reacting_later()
