"""Operators that make pinning visible in a DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator  # noqa: TID253 - DAG files import this module on top of Airflow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from airflow.sdk import Context


class PinConfigOperator(BaseOperator):
    """
    Decides the run's pins as a task, for platforms that let no plugin into the scheduler.

    Pins are decided at the first read anyway; this makes it a step of its own, brings every document onto the
    worker's disk, and leaves the ids as the task's XCom.

    Args:
        applications: names of the applications to pin.
        runpin_conn_id: a connection of type `runpin`; the `RUNPIN_*` settings by default.

    Returns:
        Snapshot ids by application, as XCom.
    """

    template_fields: Sequence[str] = ("applications",)
    ui_color = "#e8eefc"

    def __init__(self, *, applications: Sequence[str], runpin_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.applications = applications
        self.runpin_conn_id = runpin_conn_id

    def execute(self, context: Context) -> dict[str, str]:
        """Pin every application and return the ids."""
        from airflow_provider_runpin.context import run_of
        from airflow_provider_runpin.hooks.runpin import RunpinHook

        core = RunpinHook(self.runpin_conn_id).runpin if self.runpin_conn_id else None
        run = run_of(context, core)
        pins = {application: run.pin(application) for application in self.applications}
        for application, pin in pins.items():
            run.warm(application)
            self.log.info("%s is pinned to %s", application, pin.snapshot)
        return {application: str(pin.snapshot) for application, pin in pins.items()}
