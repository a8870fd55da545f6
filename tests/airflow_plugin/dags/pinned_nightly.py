"""One run that reads its configuration in every way there is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger  # noqa: TID253 - a DAG file
from airflow.sdk import BaseOperator, dag, get_current_context, task  # noqa: TID253 - a DAG file

from airflow_provider_runpin.context import run_of
from airflow_provider_runpin.hooks.runpin import RunpinHook
from airflow_provider_runpin.operators.config import PinConfigOperator
from run_reports import looks_so_far, note, report

if TYPE_CHECKING:
    from airflow.sdk import Context

ABSENCE = 10
"""
Seconds between two processes of one try.

A try that is queued again before the scheduler has heard how its first process ended is taken for killed, and fails.
"""

RENDERED = '{{ macros.runpin.snapshot("payments") }} {{ macros.runpin.config("payments/etl")["number"] }}'


class ReadsAroundDeferral(BaseOperator):
    """Looks, hands itself over to the triggerer, and looks again when it is resumed."""

    def execute(self, context: Context) -> None:
        """Look, and defer."""
        del context
        report("before")
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=ABSENCE)), method_name="resume")

    def resume(self, context: Context, event: Any) -> dict[str, Any]:
        """Look again."""
        del context, event
        return report("after")


@dag(schedule=None, tags=["config:payments"])
def pinned_nightly() -> None:
    """Two layers of tasks, so that versions come and go between them."""

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def flaky() -> dict[str, Any]:
        seen = report()
        if get_current_context()["ti"].try_number == 1:
            raise RuntimeError("the first try fails after it has read")
        return seen

    @task.sensor(poke_interval=ABSENCE, timeout=300, mode="reschedule")
    def rescheduled() -> bool:
        looks = looks_so_far()
        report(f"poke {looks}")
        return looks > 0

    @task
    def part(number: int) -> dict[str, Any]:
        return report(f"part {number}")

    @task
    def rendered(text: str) -> dict[str, Any]:
        snapshot, number = text.split()
        note("template", snapshot, None, int(number))
        return report("code")

    @task
    def hooked() -> dict[str, Any]:
        hook = RunpinHook("runpin_in_database")
        pin = run_of(get_current_context(), hook.runpin).pin("payments")
        note("hook", str(pin.snapshot), pin.digest, hook.get_config("payments/etl")["number"])
        return report("code")

    pin = PinConfigOperator(task_id="pin", applications=["payments"])
    again = PinConfigOperator(task_id="pin_again", applications=["payments"], runpin_conn_id="runpin_in_database")
    deferred = ReadsAroundDeferral(task_id="deferred")

    [flaky(), rescheduled(), deferred] >> pin >> [part.expand(number=[1, 2, 3]), rendered(RENDERED), hooked(), again]


pinned_nightly()
