"""
A long run whose configuration changes half-way, and that does not notice.

`make demo` runs this DAG twice and publishes another batch size while the first run waits for its closing time.
A retry, three mapped tasks, a rescheduled sensor and a template all read the same Snapshot.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import dag, get_current_context, task

from airflow_provider_runpin import current_pins, get_config


def _seen() -> dict[str, object]:
    batch_size = get_config("payments/etl")["batch_size"]
    return {"snapshot": str(current_pins()["payments"].snapshot), "batch_size": batch_size}


@dag(schedule=None, tags=["config:payments"], params={"closing_seconds": 20})
def payments_nightly() -> None:
    @task
    def extract() -> dict[str, object]:
        return _seen()

    @task.sensor(poke_interval=5, timeout=300, mode="reschedule")
    def closing_time() -> bool:
        context = get_current_context()
        started = context["dag_run"].start_date or datetime.now(UTC)
        return datetime.now(UTC) - started >= timedelta(seconds=context["params"]["closing_seconds"])

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def clean() -> dict[str, object]:
        seen = _seen()
        if get_current_context()["ti"].try_number == 1:
            raise RuntimeError("the first try fails, the second must read the same configuration")
        return seen

    @task
    def load(part: int) -> dict[str, object]:
        return {"part": part, **_seen()}

    report = BashOperator(
        task_id="report",
        bash_command="echo '{{ macros.runpin.snapshot(\"payments\") }}'",
    )

    extract() >> closing_time() >> clean() >> load.expand(part=[1, 2, 3]) >> report


payments_nightly()
