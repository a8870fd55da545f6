"""Runs whose configuration is looked at: one that makes something, and one that this starts."""

from __future__ import annotations

from airflow.sdk import Asset, dag, task  # noqa: TID253 - a DAG file

from run_reports import report

TABBED = ["config:tabbed"]
RATES = Asset("tab_rates")


@task(outlets=[RATES])
def make() -> None:
    """Look, and make what others wait for."""
    report(application="tabbed")


@task
def look() -> None:
    """Look once."""
    report(application="tabbed")


@dag(schedule=None, tags=TABBED)
def tab_maker() -> None:
    """Started by the test."""
    make()


@dag(schedule=[RATES], tags=TABBED)
def tab_taker() -> None:
    """Started by what the other one makes."""
    look()


tab_maker()
tab_taker()
