"""What the operators that move channels have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator  # noqa: TID253 - DAG files import this module on top of Airflow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.sdk import Context

    from runpin.assembly import Runpin
    from runpin.errors import RunpinError
    from runpin.model import Finding
    from runpin.released import PromoteOutcome, PublishOutcome, Request, RollbackOutcome

_OWNER_OF_NOBODY = "airflow"


class MovingOperator(BaseOperator):
    """
    What moves a channel, once in each DAG run.

    A task that is tried again finds in the channel's history what an earlier try has done, and ends as that would have
    ended: it moves nothing twice, and undoes nothing that came after it. A task that is cleared does the same; to move
    the channel once more, trigger another run.
    """

    ui_color = "#fce8e8"

    def __init__(
        self,
        *,
        environment: str | None = None,
        channel: str | None = None,
        reason: str = "",
        require_mirrors: bool = False,
        runpin_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.environment = environment
        self.channel = channel
        self.reason = reason
        self.require_mirrors = require_mirrors
        self.runpin_conn_id = runpin_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Move, log what happened, and return it; a denial is final, whatever else fails may be tried again."""
        from airflow.sdk.exceptions import AirflowFailException

        from runpin.errors import RunpinError

        try:
            return self.move(self._core(), context)
        except RunpinError as error:
            if not _denies(error):
                raise
            self.log_findings(getattr(error, "findings", ()))
            raise AirflowFailException(RunpinError.__str__(error)) from error

    def move(self, core: Runpin, context: Context) -> dict[str, Any]:
        """Move, and return what happened as XCom can keep it."""
        raise NotImplementedError

    def _core(self) -> Runpin:
        from airflow_provider_runpin.hooks.runpin import RunpinHook
        from runpin.assembly import default

        return RunpinHook(self.runpin_conn_id).runpin if self.runpin_conn_id else default()

    def request(self, context: Context, core: Runpin, of: str = "") -> Request:
        """Return who moves the channel and why; all tries of a task of a run make one request."""
        from airflow_provider_runpin.context import run_of
        from runpin.released import Request

        run = context["dag_run"]
        user = getattr(run, "triggering_user_name", None)
        owner = f" of {self.owner}" if self.owner != _OWNER_OF_NOBODY else ""
        actor = f"airflow:{run.dag_id}/{run.run_id}{f' by {user}' if user else owner}"
        reason = self.reason or f"task {self.task_id}{f': {of}' if of else ''}"
        return Request(actor, reason, _name_of(run_of(context, core).key.digest, self.task_id, context))

    def log_findings(self, findings: Iterable[Finding]) -> None:
        """Write *findings* into the task's log; they hold no values."""
        tell = {"error": self.log.error, "warning": self.log.warning}
        for finding in findings:
            tell.get(finding.severity, self.log.info)("%s: %s", finding.severity, finding)

    def mirrors_of(self, outcome: PublishOutcome | PromoteOutcome | RollbackOutcome) -> dict[str, str]:
        """Return how each mirror stands, and fail if one does not follow that has to."""
        from runpin.errors import StoreUnavailable

        behind = [state for state in outcome.mirrors if not state.standing.is_well]
        for state in behind:
            which = f"{state.channel.name} of {state.channel.scope}"
            self.log.warning("The mirror %s is %s for %s: %s", state.where, state.standing, which, state.why)
        if behind and self.require_mirrors:
            raise StoreUnavailable(
                f"what was decided stays decided, but the mirror {behind[0].where} is {behind[0].standing}",
                where=f"{behind[0].channel.name} of {behind[0].channel.scope}",
                fix="the next try of this task brings it there; so does `runpin mirror bring`",
            )
        return {state.where: str(state.standing) for state in (*outcome.mirrors, *behind)}


def _name_of(run: str, task_id: str, context: Context) -> str:
    """Return the name of the one request that a task of a run makes, in all of its tries."""
    from hashlib import sha256

    index = getattr(context["ti"], "map_index", None)
    return sha256(f"{run} {-1 if index is None else index} {task_id}".encode()).hexdigest()[:12]


def _denies(error: RunpinError) -> bool:
    """Tell whether *error* is an answer that no other try will change."""
    from runpin.errors import CheckFailed, Conflict, HistoryRewritten, InvalidConfig, InvalidProposal, RevisionConflict

    answers = (InvalidConfig, Conflict, HistoryRewritten, InvalidProposal)
    return isinstance(error, answers) and not isinstance(error, (CheckFailed, RevisionConflict))
