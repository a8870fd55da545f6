"""Runs whose configuration is looked at: one that makes something, and one that this starts."""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator  # noqa: TID253 - a DAG file
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


@dag(schedule=None, tags=TABBED)
def tab_starter() -> None:
    """Starts another one, and hands its snapshot on."""
    start = TriggerDagRunOperator(
        task_id="start",
        trigger_dag_id="tab_child",
        trigger_run_id="{{ run_id }}",
        conf={"runpin": "{{ macros.runpin.inherit('tabbed') }}"},
    )
    look() >> start


@dag(schedule=None, tags=TABBED)
def tab_child() -> None:
    """Started by another one."""
    look()


tab_maker()
tab_taker()
tab_starter()
tab_child()
