"""Short runs, each for one way in which a run may begin or go on."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator  # noqa: TID253 - a DAG file
from airflow.sdk import DAG, Asset, dag, task  # noqa: TID253 - a DAG file

from airflow_provider_runpin.operators.config import PinConfigOperator, ValidateConfigOperator
from run_reports import channel_now, meet, note, pass_gate, report, wait_for

if TYPE_CHECKING:
    from airflow.sdk import Context

RACERS = 4
PAYMENTS = ["config:payments"]


@task
def read() -> dict[str, Any]:
    """Look once."""
    return report()


@task
def read_again() -> dict[str, Any]:
    """Look once more, in another process and later, when the channel has moved on."""
    first = report("at once")
    wait_for(lambda: channel_now()["snapshot"] != first["snapshot"], "the channel does not move")
    return report("later")


@dag(schedule=None, tags=PAYMENTS)
def pinned_pair() -> None:
    """Two tasks, one after the other."""
    read() >> read_again()


@dag(schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, tags=PAYMENTS)
def pinned_daily() -> None:
    """For backfills."""
    read() >> read_again()


@dag(schedule=[Asset("pinned_rates")], tags=PAYMENTS)
def pinned_by_asset() -> None:
    """Started by an event."""
    read() >> read_again()


@dag(schedule=None, tags=PAYMENTS)
def pinned_child() -> None:
    """Started by its parent."""
    read() >> read_again()


@dag(schedule=None, tags=PAYMENTS)
def pinned_parent() -> None:
    """Hands its snapshot to its child, long after the channel has moved on."""
    start = TriggerDagRunOperator(
        task_id="start",
        trigger_dag_id="pinned_child",
        trigger_run_id="child-of-{{ run_id }}",
        conf={"runpin": "{{ macros.runpin.inherit('payments') }}"},
    )
    read() >> read_again() >> start


@dag(schedule=None)
def pinned_race() -> None:
    """Several tasks that all want to be the first to read, and no tag, so that nothing is proposed."""

    @task
    def racer(number: int) -> dict[str, Any]:
        meet(RACERS)
        return report(f"racer {number}")

    racer.expand(number=list(range(RACERS)))


@dag(schedule=None, tags=PAYMENTS)
def unpinned() -> None:
    """What happens without pins: every task follows the channel."""

    @task
    def follow() -> None:
        seen = channel_now()
        note("", seen["snapshot"], seen["digest"], seen["number"])

    @task
    def follow_later() -> None:
        first = channel_now()
        wait_for(lambda: channel_now()["snapshot"] != first["snapshot"], "the channel does not move")
        seen = channel_now()
        note("", seen["snapshot"], seen["digest"], seen["number"])

    follow() >> follow_later()


def one_look(application: str) -> DAG:
    """Return a DAG that looks once."""

    @task
    def look() -> dict[str, Any]:
        return report(application=application)

    with DAG(f"pinned_{application}", schedule=None, tags=[f"config:{application}"]) as found:
        look()
    return found


class WithoutGit(ValidateConfigOperator):
    """The operator on a worker where git is not installed."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Judge, after git has gone."""
        os.environ["PATH"] = "/nowhere"
        return super().execute(context)


def judged(name: str, operator: type[ValidateConfigOperator], retries: int) -> DAG:
    """Return a DAG that works only if the rules of a config repository, which its caller names, accept its snapshot."""
    with DAG(name, schedule=None, tags=["config:judged"]) as found:
        pin = PinConfigOperator(task_id="pin", applications=["judged"])
        validate = operator(
            task_id="validate",
            applications=["judged"],
            repository="{{ dag_run.conf['repository'] }}",
            retries=retries,
            retry_delay=timedelta(seconds=1),
        )
        work = task(task_id="work")(report)
        pin >> validate >> work(application="judged")
    return found


def behind_gates(application: str) -> DAG:
    """Return a DAG whose two looks wait for the test."""

    @task
    def before_first() -> dict[str, Any]:
        pass_gate("first")
        return report(application=application)

    @task
    def before_second() -> dict[str, Any]:
        pass_gate("second")
        return report(application=application)

    with DAG(f"pinned_{application}_gated", schedule=None, tags=[f"config:{application}"]) as found:
        before_first() >> before_second()
    return found


pinned_pair()
pinned_daily()
pinned_by_asset()
pinned_child()
pinned_parent()
pinned_race()
unpinned()
reports_quick = one_look("reports")
billing_quick = one_look("billing")
payments_gated = behind_gates("payments")
billing_gated = behind_gates("billing")
judged_by_rules = judged("pinned_judged", ValidateConfigOperator, 2)
judged_without_git = judged("pinned_judged_without_git", WithoutGit, 0)
