"""DAGs by which tests ask a scheduler what it proposes: it completes their runs itself, and nothing is pinned."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator  # noqa: TID253 - a DAG file
from airflow.sdk import DAG  # noqa: TID253 - a DAG file

for application in ("payments", "reports", "invoices"):
    with DAG(f"probe_{application}", schedule=None, tags=[f"config:{application}"]):
        EmptyOperator(task_id="nothing")
