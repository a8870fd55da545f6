"""From an Airflow task's context to the run it is part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

# What is imported here is paid for by every parse of every DAG file; the rest waits for the first read.

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from runpin import PinnedRun
    from runpin.assembly import Runpin
    from runpin.model import Pin
    from runpin.reading import Model

_held: tuple[object, PinnedRun] | None = None


def run_of(context: Context, runpin: Runpin | None = None) -> PinnedRun:
    """
    Return the DAG run that *context* belongs to, as runpin knows it.

    Args:
        context: the task's context.
        runpin: the wired core; the process's own by default.

    Raises:
        InvalidProposal: `dag_run.conf["runpin"]` or the behaviour that the DAG declares cannot be read.
        SettingsError
    """
    from airflow_provider_runpin.reruns import ancestry_of, rerun_of
    from airflow_provider_runpin.safe_points import behavior_of
    from runpin.assembly import default
    from runpin.model import RunKey
    from runpin.proposing import KEY, begun_at, read_proposal

    core = runpin or default()
    dag_run = context["dag_run"]
    proposal = read_proposal((dag_run.conf or {}).get(KEY), dag_run.run_id).believed(begun_at(dag_run.start_date))
    # A run that is deleted and created again keeps its id; what the listener wrote at its first start, or else
    # the moment it was due, tells the two apart. Both survive clears.
    incarnation = proposal.incarnation or dag_run.run_after.isoformat()
    key = RunKey("airflow", core.settings.deployment, dag_run.dag_id, dag_run.run_id, incarnation)
    rerun = rerun_of(context, proposal, core.settings.rerun)
    return core.run(key, proposal, behavior_of(context), ancestry=ancestry_of(key, proposal, rerun, core), rerun=rerun)


@overload
def get_config(path: str) -> Mapping[str, Any]: ...


@overload
def get_config(path: str, model: type[Model]) -> Model: ...


def get_config(path: str, model: type[Any] | None = None) -> Any:
    """
    Return the configuration document *path* that this DAG run is pinned to.

    Args:
        path: `"application/document"`, for example `"payments/etl"`.
        model: a pydantic model, of which the answer is a frozen instance, or a generated Protobuf message; without
            one the answer is a read-only mapping.

    Raises:
        RunpinError: see `runpin.errors`; those with `retryable` set are worth a retry of the task.
    """
    run = current_run()
    return run.get_config(path) if model is None else run.get_config(path, model)


def current_pins() -> Mapping[str, Pin]:
    """Return the pins this task has seen so far, by application."""
    return current_run().pins


def current_run() -> PinnedRun:
    """Return the DAG run of the task that is executing; one object for each attempt of a task."""
    from airflow.sdk import get_current_context

    global _held  # noqa: PLW0603 - a task process holds one attempt; dag.test() holds one after the other
    context = get_current_context()
    attempt = (context["ti"].id, context["ti"].try_number, context["dag_run"].run_id)
    held = _held
    if held is None or held[0] != attempt:
        held = (attempt, run_of(context))
        _held = held
    return held[1]
