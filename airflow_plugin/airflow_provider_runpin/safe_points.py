"""
Safe points of a DAG run: places where an `AUTO_UPGRADE` run may change its configuration.

A DAG declares that with the tag `config-behavior:AUTO_UPGRADE`. Each task is a process of its own, which sees the
switch of another one with its first read after that.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow.sdk import Context

    from runpin import PinnedRun
    from runpin.declining import Offer
    from runpin.model import Behavior, Pin

BEHAVIOR_PREFIX = "config-behavior:"
"""A DAG declares its behaviour with the tag `config-behavior:<behaviour>`."""

APPLICATION_PREFIX = "config:"
"""A DAG declares an application with the tag `config:<application>`."""

XCOM_KEY = "runpin_safe_point"
"""Where a task that switched in its own code leaves what it switched to."""

_log = logging.getLogger("airflow_provider_runpin.safe_points")


def safe_point(
    accept: Callable[[Offer], bool] | None = None, *, applications: Sequence[str] | None = None
) -> Mapping[str, Pin]:
    """
    Declare, inside a task, that the DAG run may change its configuration here, and return its pins after that.

    A `PINNED` run keeps what it has. Values read before keep their meaning; call `get_config` again to see the new
    ones. A switch is logged, and left as the task's XCom `runpin_safe_point`.

    Args:
        accept: is asked about each application whose channel moved on, and may decline by answering false. The run is
            not asked again, and does not switch, before the channel moves once more.
        applications: which ones may switch, beside those that this task has read; by default those that the DAG
            declares by its tags.

    Raises:
        RunpinError: see `get_config`.
    """
    from airflow.sdk import get_current_context

    from airflow_provider_runpin.context import current_run

    context, run = get_current_context(), current_run()
    passed = pass_safe_point(run, declared_applications(context) if applications is None else applications, accept)
    if passed["switched"] or passed["declined"]:
        log_passed(passed, _log)
        context["ti"].xcom_push(key=XCOM_KEY, value=passed)
    return run.pins


def pass_safe_point(
    run: PinnedRun, applications: Iterable[str], accept: Callable[[Offer], bool] | None = None
) -> dict[str, Any]:
    """Let *run* switch its *applications*, and what this process has read, and return what happened as JSON values."""
    for application in applications:
        run.pin(application)
    before = run.pins
    after = run.safe_point(accept)
    return {
        "behavior": str(run.behavior),
        "pins": {name: str(pin.snapshot) for name, pin in after.items()},
        "switched": {
            name: {"from": str(before[name].snapshot), "to": str(pin.snapshot), "epoch": pin.epoch}
            for name, pin in after.items()
            if pin.epoch != before[name].epoch
        },
        "declined": {name: str(snapshot) for name, snapshot in run.declined.items()},
    }


def log_passed(passed: Mapping[str, Any], log: Any) -> None:
    """Write what happened at a safe point into the task's log."""
    for name, switch in passed["switched"].items():
        log.info("%s switched from %s to %s, epoch %s", name, switch["from"], switch["to"], switch["epoch"])
    for name, snapshot in passed["declined"].items():
        log.info("%s stays at %s: this run declined %s", name, passed["pins"][name], snapshot)


def behavior_of(context: Context) -> Behavior:
    """
    Return the behaviour that the DAG of *context* declares; none is `PINNED`.

    Raises:
        InvalidProposal: there is no such behaviour, or it declares two.
    """
    from runpin.proposing import read_behavior

    return read_behavior(" ".join(declared(context, BEHAVIOR_PREFIX)))


def declared_applications(context: Context) -> list[str]:
    """Return the applications that the DAG of *context* declares."""
    return declared(context, APPLICATION_PREFIX)


def declared(context: Context, prefix: str) -> list[str]:
    """Return what the DAG of *context* declares with tags that begin with *prefix*, sorted."""
    tags = getattr(context.get("dag"), "tags", None) or ()
    return sorted(tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix))
