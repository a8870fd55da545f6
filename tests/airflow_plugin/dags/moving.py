"""DAGs that move channels, and DAGs that may switch while they run."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, dag, get_current_context, task  # noqa: TID253 - a DAG file

from airflow_provider_runpin import safe_point
from airflow_provider_runpin.operators.releasing import (
    PromoteConfigOperator,
    PublishConfigOperator,
    RollbackConfigOperator,
)
from airflow_provider_runpin.operators.safe_points import SafePointOperator
from run_reports import pass_gate, report

if TYPE_CHECKING:
    from airflow.sdk import Context

    from runpin.assembly import Runpin
    from runpin.declining import Offer

REPOSITORY = "{{ dag_run.conf['repository'] }}"
AGAIN: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=1)}


def die() -> None:
    """End this process as a machine that loses its power does."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingPublisher(PublishConfigOperator):
    """Is killed at its first try, after it has published and before Airflow knows."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Publish, and die once."""
        answer = super().execute(context)
        if context["ti"].try_number == 1:
            die()
        return answer


class DyingPromoter(PromoteConfigOperator):
    """Is killed at its first try, after it has promoted and before Airflow knows."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Promote, and die once."""
        answer = super().execute(context)
        if context["ti"].try_number == 1:
            die()
        return answer


class DyingRollback(RollbackConfigOperator):
    """Is killed between its two steps at its first try, and before Airflow knows at the second."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Go back, and die twice."""
        self._try = context["ti"].try_number
        answer = super().execute(context)
        if self._try == 2:
            die()
        return answer

    def _core(self) -> Runpin:
        from runpin.assembly import Runpin
        from runpin.ledgers.sql import SqlLedger

        class Deadly(SqlLedger):
            """A ledger over which the process dies when something is to be barred."""

            def bar(self, *_: object, **__: object) -> None:
                """Die."""
                die()

        class Dying(Runpin):
            """A core that can move channels and bar nothing."""

            @property
            def ledger(self) -> Any:
                """Pins, and a deadly quarantine."""
                return Deadly(self.database)

        return Dying.open() if self._try == 1 else super()._core()


@dag(schedule=None)
def moves_channels() -> None:
    """Publishes to a channel of its own, promotes what it published, and works with it."""
    publish = DyingPublisher(task_id="publish", repository=REPOSITORY, channel="canary", **AGAIN)
    promote = DyingPromoter(
        task_id="promote",
        application="moved",
        snapshot="{{ ti.xcom_pull('publish')['published']['moved']['snapshot'] }}",
        repository=REPOSITORY,
        **AGAIN,
    )
    work = task(task_id="work")(report)
    publish >> promote >> work(application="moved")


@dag(schedule=None)
def goes_back() -> None:
    """Sends new runs back."""
    DyingRollback(task_id="back", application="moved", reason="too slow", **AGAIN)


def accept(offer: Offer) -> bool:
    """Answer as the run's caller wants it."""
    del offer
    return bool((get_current_context()["dag_run"].conf or {})["accept"])


@task
def read_before() -> dict[str, Any]:
    """Look at the version that the run begins with."""
    seen = report("before", application="switching")
    pass_gate("published")
    return seen


@task
def beside() -> dict[str, Any]:
    """Look, and look again after the rest of the run has passed its safe point."""
    report("beside", application="switching")
    pass_gate("beside")
    return report("beside", application="switching")


@task
def read_between() -> dict[str, Any]:
    """Look after the operator."""
    return report("between", application="switching")


@task
def switch_inside() -> dict[str, Any]:
    """Pass a safe point in code, when the test has gone on."""
    pass_gate("inside")
    safe_point()
    return report("inside", application="switching")


def switching(name: str, *tags: str) -> DAG:
    """Return a DAG with two safe points, one between tasks and one inside of a task."""
    with DAG(name, schedule=None, tags=["config:switching", *tags]) as found:
        point = SafePointOperator(task_id="safe_point", accept=accept)
        if tags:
            beside()
        read_before() >> point >> read_between() >> switch_inside()
    return found


moves_channels()
goes_back()
switches = switching("switches", "config-behavior:AUTO_UPGRADE")
stays = switching("stays")
