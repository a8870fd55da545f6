"""Operators that make pinning and judging steps of a DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator  # noqa: TID253 - DAG files import this module on top of Airflow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from airflow.sdk import Context

    from runpin.judging import Judgement


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


class ValidateConfigOperator(BaseOperator):
    """
    Judges configuration by the rules of today, and fails where they deny it.

    Without *ref* it judges the Snapshots that the run is pinned to, before the run works with them: rules may have
    become stricter since these were published. With *ref* it judges a commit, as `runpin validate` does, for DAGs that
    publish one. The worker needs git, and has to reach the config repository.

    What is found stands in the log, without values. A denial is final, the task is not tried again; when the rules or
    the store cannot be read, it may be.

    Args:
        applications: names of the applications to judge. Of a run, RUNPIN_APPLICATIONS by default; of a commit, all.
        ref: branch, tag or full sha of the commit to judge; without it the run is judged.
        environments: of a commit, the ones to judge; all of the manifest by default.
        repository: address of the config repository; RUNPIN_REPOSITORY by default, which is the place for an address
            with credentials: Airflow shows this one among the rendered fields.
        runpin_conn_id: a connection of type `runpin`; the `RUNPIN_*` settings by default.

    Returns:
        What was judged, by which commit, and how many errors, warnings and notes there are, as XCom.
    """

    template_fields: Sequence[str] = ("applications", "ref", "environments", "repository")
    ui_color = "#e8eefc"

    def __init__(
        self,
        *,
        applications: Sequence[str] = (),
        ref: str | None = None,
        environments: Sequence[str] = (),
        repository: str | None = None,
        runpin_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.applications = applications
        self.ref = ref
        self.environments = environments
        self.repository = repository
        self.runpin_conn_id = runpin_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Judge, log what was found, and fail if anything denies."""
        from airflow.sdk.exceptions import AirflowFailException

        judgement = self._judged(context)
        for severity, tell in (("error", self.log.error), ("warning", self.log.warning), ("note", self.log.info)):
            for line in judgement.lines(severity):
                tell("%s: %s", severity, line)
        if judgement.denied:
            raise AirflowFailException(judgement.sentence)
        self.log.info("%s", judgement.sentence)
        return judgement.summary()

    def _judged(self, context: Context) -> Judgement:
        from airflow_provider_runpin.context import run_of
        from airflow_provider_runpin.hooks.runpin import RunpinHook
        from runpin.assembly import default

        core = RunpinHook(self.runpin_conn_id).runpin if self.runpin_conn_id else default()
        if self.ref is not None:
            return core.judge_commit(
                self.ref, self.environments, applications=self.applications, repository=self.repository
            )
        return core.judge_run(run_of(context, core), self.applications, repository=self.repository)
