"""The sensor that reacts to the moves of a channel, each once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg  # noqa: TID253 - a code location imports this on top of Dagster

from dagster_runpin.ticking import METADATA, Plan, evaluate
from runpin.errors import SettingsError, UnknownApplication, UnknownDocument
from runpin.model import check_name
from runpin.reading import split_path

_KEYS = re.compile(r'key:"[^"]*"(?: or key:"[^"]*")+')


def build_config_sensor(  # noqa: PLR0913 - by keyword, as Dagster's own definitions
    application: str,
    *,
    name: str | None = None,
    job: Any = None,
    target: Any = None,
    only_affected: bool = False,
    documents: Sequence[str] | None = None,
    reaction: str | None = None,
    channel: str | None = None,
    tags: Mapping[str, str] | None = None,
    run_config: dg.RunConfig | Mapping[str, Any] | None = None,
    resource_key: str = "runpin",
    minimum_interval_seconds: int = 30,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
    react_to_first: bool = False,
    description: str | None = None,
) -> dg.SensorDefinition:
    """
    Return a sensor that reacts, once, to each move of the channel of *application*.

        build_config_sensor("payments", target=[payments, fees], only_affected=True)
        build_config_sensor("payments", job=reprice)

    Whenever documents changed it observes their config assets, if the code location has any. Then it launches one run
    of the job or the assets. The run uses the snapshot that was reacted to, unless that was quarantined meanwhile.
    Several moves between two ticks are one change; going back to an earlier snapshot is a change like any other.
    Without a job and a target it only observes.

    What was reacted to is recorded in the store under what the sensor does: the job's name, or the selection's text.
    So a renamed sensor goes on where it was. Another job or selection begins anew, at the state of its first tick;
    *reaction* gives it a name that stays.

    Partitioned assets and jobs are left out, because a move names no partition, and the tick says so;
    `on_config_change` is for them.

    Args:
        application: whose channel is looked at.
        name: of the sensor; `runpin_<application>`, and the job's name, by default.
        job: the job that is launched, or its name.
        target: the assets that are materialised instead: definitions, keys, a selection or its text.
        only_affected: materialise only what depends on the config asset of a changed document, or names one in its
            metadata `runpin/documents`. What comes further downstream is left to Dagster.
        documents: paths; when none of them changed, nothing is launched. All documents count by default.
        reaction: a name for what is done; needed when two sensors do the same to one application.
        channel: the channel that is looked at; the resource's by default.
        tags: more tags for the runs.
        run_config: for the runs.
        resource_key: where the `RunpinResource` is.
        minimum_interval_seconds: between two ticks.
        default_status: whether it runs without being switched on.
        react_to_first: whether the state at the very first tick is a change. By default later moves are counted
            from it.
        description: for Dagster's pages.

    Raises:
        UnknownApplication, UnknownDocument: a name or a path cannot be one.
        SettingsError: what to launch is not clear.
    """
    check_name("application", application, UnknownApplication)
    selection = _selection(job, target)
    job_name = job if job is None or isinstance(job, str) else str(job.name)
    launches = job_name is not None or selection is not None
    if only_affected and not launches:
        raise SettingsError("only_affected needs a job or a target", where=f"the sensor for {application!r}")
    plan = Plan(
        application,
        reaction=(reaction or _purpose(job_name, selection)) if launches else None,
        job=job_name,
        selection=selection,
        only_affected=only_affected,
        documents=None if documents is None else frozenset(_own(path, application) for path in documents),
        channel=channel,
        tags=dict(tags or {}),
        run_config=run_config,
        resource_key=resource_key,
        react_to_first=react_to_first,
    )
    given = {"job_name": job} if isinstance(job, str) else {"job": job, "asset_selection": selection}
    return dg.SensorDefinition(
        name=name or re.sub(r"\W", "_", f"runpin_{application}_{job_name or ''}".rstrip("_")),
        evaluation_fn=lambda context: evaluate(plan, context),
        minimum_interval_seconds=minimum_interval_seconds,
        description=description or f"Reacts to new configuration of {application}.",
        default_status=default_status,
        required_resource_keys={resource_key},
        metadata={METADATA: plan.name},
        **given,
    )


def _selection(job: Any, target: Any) -> dg.AssetSelection | None:
    if job is not None and target is not None:
        raise SettingsError("a config sensor launches a job or a target, not both", where="build_config_sensor")
    if target is None or isinstance(target, dg.AssetSelection):
        return target
    try:
        return dg.AssetSelection.from_coercible(target)
    except dg.DagsterError as error:
        raise SettingsError(
            "this is no selection of assets", where="build_config_sensor(target=...)", fix="a job is given as job=..."
        ) from error


def _purpose(job: str | None, selection: dg.AssetSelection | None) -> str:
    """Return what a sensor does as text that is the same in every process: Dagster's order of keys need not be."""
    if job is not None:
        return f"job:{job}"
    text = _KEYS.sub(lambda found: " or ".join(sorted(found[0].split(" or "))), str(selection))
    if " object at 0x" in text:
        raise SettingsError(
            "the selection cannot be written as text, which what it did is recorded under",
            where="build_config_sensor(target=...)",
            fix="give it a name for what it does: reaction=...",
        )
    return f"assets:{text}"


def _own(path: str, application: str) -> str:
    if split_path(path)[0] != application:
        raise UnknownDocument(
            f"{path!r} is not a document of {application!r}", where="build_config_sensor(documents=...)"
        )
    return path
