"""DAGs that know nothing about runpin, and must not notice it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator  # noqa: TID253 - a DAG file
from airflow.sdk import DAG, dag, task  # noqa: TID253 - a DAG file


@dag(schedule=None)
def bystander() -> None:
    """One task, in a process of its own."""

    @task
    def threads() -> list[str]:
        return sorted(thread.name for thread in threading.enumerate())

    threads()


bystander()

# The scheduler itself completes an empty operator, so these show how fast it goes round and cost nothing else.
with DAG("ticking", schedule=timedelta(seconds=2), start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False):
    EmptyOperator(task_id="nothing")

with DAG("light", schedule=None, max_active_runs=50):
    EmptyOperator(task_id="nothing")

with DAG("light_with_config", schedule=None, max_active_runs=50, tags=["config:payments"]):
    EmptyOperator(task_id="nothing")
