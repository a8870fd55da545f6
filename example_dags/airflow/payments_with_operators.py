"""
Configuration without TaskFlow: an operator that pins, a template, the hook, and a child run that inherits.

The connection `runpin_default` may name another store; without one the RUNPIN_* settings hold.
"""

from __future__ import annotations

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG

from airflow_provider_runpin.operators.config import PinConfigOperator

with DAG("payments_with_operators", schedule=None, tags=["config:payments"]):
    pin = PinConfigOperator(task_id="pin", applications=["payments"])

    show = BashOperator(
        task_id="show",
        bash_command='echo "batch size {{ macros.runpin.config("payments/etl")["batch_size"] }}"',
    )

    child = TriggerDagRunOperator(
        task_id="child",
        trigger_dag_id="payments_daily",
        conf={"runpin": "{{ macros.runpin.inherit('payments') }}"},
        wait_for_completion=True,
        poke_interval=1,
    )

    pin >> show >> child
