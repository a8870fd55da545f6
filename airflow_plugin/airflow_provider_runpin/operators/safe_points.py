"""An operator that is a safe point between tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator  # noqa: TID253 - DAG files import this module on top of Airflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import Context

    from runpin.declining import Offer

_BEGUN = frozenset({"running", "restarting", "deferred", "up_for_reschedule"})
"""States of a task that may have read configuration, and may read more."""


class SafePointOperator(BaseOperator):
    """
    Lets the DAG run switch to where its channels stand now, if the DAG declares `config-behavior:AUTO_UPGRADE`.

    Tasks after it read the new configuration. It belongs where nothing else of the run is running: a task beside it
    that has read keeps what it read, and one that reads later sees the new one. It says in its log which ones are
    running, and with *alone* it refuses to switch then.

    Args:
        applications: which ones may switch; by default those that the DAG declares by its tags `config:<application>`.
        accept: is asked about each application whose channel moved on, see `runpin.declining.Offer`, and may decline
            by answering false. The run is not asked again, and does not switch, before the channel moves once more.
        alone: fail, to be tried again, while another task of the run is running.
        runpin_conn_id: a connection of type `runpin`; the `RUNPIN_*` settings by default.

    Returns:
        Snapshot ids by application, what switched from where to where and to which epoch, and what was declined, as
        XCom.
    """

    template_fields: Sequence[str] = ("applications",)
    ui_color = "#e8fcec"

    def __init__(
        self,
        *,
        applications: Sequence[str] | None = None,
        accept: Callable[[Offer], bool] | None = None,
        alone: bool = False,
        runpin_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.applications = applications
        self.accept = accept
        self.alone = alone
        self.runpin_conn_id = runpin_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Switch, log it, and return it."""
        from airflow_provider_runpin.context import run_of
        from airflow_provider_runpin.hooks.runpin import RunpinHook
        from airflow_provider_runpin.safe_points import declared_applications, log_passed, pass_safe_point

        run = run_of(context, RunpinHook(self.runpin_conn_id).runpin if self.runpin_conn_id else None)
        if run.behavior == "PINNED":
            self.log.info("This run is PINNED and keeps what it has; config-behavior:AUTO_UPGRADE lets a DAG switch.")
        else:
            self._look_around(context)
        names = declared_applications(context) if self.applications is None else self.applications
        passed = pass_safe_point(run, names, self.accept)
        log_passed(passed, self.log)
        for name, pin in run.pins.items():
            self.log.info("%s is pinned to %s, epoch %s", name, pin.snapshot, pin.epoch)
        return passed

    def _look_around(self, context: Context) -> None:
        from runpin.errors import Conflict

        others = _running_beside(context["ti"])
        if not others:
            return
        self.log.warning("Other tasks of this run may read two configurations: %s", ", ".join(others))
        if self.alone:
            raise Conflict(
                f"this run may not switch while {len(others)} of its tasks are running: {', '.join(others[:5])}",
                where=f"{context['dag_run'].dag_id} {context['dag_run'].run_id}",
                fix="let this task come after them, or let it be tried again until they have ended",
            )


def _running_beside(task: Any) -> list[str]:
    """Return which tasks of the run have begun and not ended, without *task* itself."""
    index = -1 if task.map_index is None else task.map_index
    own = task.task_id if index < 0 else f"{task.task_id}_{index}"
    states = task.get_task_states(dag_id=task.dag_id, run_ids=[task.run_id]).get(task.run_id, {})
    return sorted(name for name, state in states.items() if state in _BEGUN and name != own)
