"""`runpin impact`: every run that used a snapshot, and how to repeat them with another one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.lookup import publication_of
from runpin.cli.options import TOKEN, AsJson, ChannelName, Reason, SnapshotName, actor, opened
from runpin.cli.printing import columns, emit, heading, moment, note, say
from runpin.cli.shapes import Shape, commit_text, pin_shape, snapshot_shape
from runpin.errors import UnknownChannel, UnknownSnapshot
from runpin.model import SnapshotId
from runpin.overrides import OverrideKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpin.assembly import Runpin
    from runpin.engines import Engines
    from runpin.impact import Reached, Step
    from runpin.model import Snapshot

_SHOWN = 20


def impact(  # noqa: PLR0913 - one parameter for each option
    snapshot: SnapshotName,
    *,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="SNAPSHOT", help="What repeated runs shall use; where the channel stands, else."),
    ] = None,
    channel: ChannelName = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print the commands that repeat the runs.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Repeat them, where an engine's address is given.")] = False,
    airflow: Annotated[
        str | None,
        typer.Option("--airflow", metavar="URL", help=f"Airflow's API server; {TOKEN} has a token for it."),
    ] = None,
    dagster: Annotated[str | None, typer.Option("--dagster", metavar="URL", help="Dagster's web server.")] = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """
    List every run that used a snapshot.

    With --plan, print what repeats them with another one, in Airflow and in Dagster; with --apply, do it.
    """
    if apply and airflow is None and dagster is None:
        raise typer.BadParameter("give the address of an engine: --airflow or --dagster", param_hint="--apply")
    from runpin.engines import Engines
    from runpin.impact import plan as plan_for
    from runpin.impact import reached

    target = None if to is None else SnapshotId.parse(to)
    with opened(channel=channel) as core:
        found = core.store.find(SnapshotId.parse(snapshot))
        goal = _standing(core, found) if target is None else _named(core, found, target)
        runs = list(reached(core.ledger, found.id))
        publication = publication_of(core, found)
        why = reason or f"repeated without {found.id}"
        steps = [] if goal is None or goal == found.id else plan_for(runs, goal, why)
        if apply and goal is not None:
            engines = Engines(airflow, os.environ.get(TOKEN), dagster)
            steps = _apply(core, [step for step in steps if engines.reaches(step.engine)], engines, goal, why)
    if as_json:
        emit(_shape(found, runs, goal, steps))
        return
    if plan:
        say(*(line for step in steps for line in step.lines()))
        return
    if apply:
        say(*(f"{step.engine}: {step.job}, run {step.run_id} is repeated with {goal}" for step in steps))
        note(f"{len(steps)} runs are repeated.")
        return
    heading(f"{found.id}" + (f", {commit_text(publication.commit)}" if publication else ""))
    _print(runs)
    if steps:
        note(f"{len(steps)} can be repeated with {goal}. The commands, for a shell; nothing is run:")
        say(f"  runpin impact {found.id} --to {goal} --plan")


def _apply(core: Runpin, steps: list[Step], engines: Engines, goal: SnapshotId, why: str) -> list[Step]:
    from runpin.overriding import Wish

    for step in steps:
        if step.engine == "airflow":
            pin = core.overriding.pin_of(step.run_id, goal.application, goal.environment, step.job)
            waiting = core.overriding.newest(pin.run, pin.scope)
            if waiting is None or waiting.outcome is not None or waiting.snapshot != goal:
                core.overriding.name_for(Wish(pin, goal, OverrideKind.PINNED, actor(), why))
        engines.ask(step.engine, step.path, step.body)
    return steps


def _named(core: Runpin, found: Snapshot, target: SnapshotId) -> SnapshotId:
    goal = core.store.find(target)
    if goal.scope != found.scope:
        raise UnknownSnapshot(f"{target} is not a snapshot of {found.scope}", fix="name one that is")
    return goal.id


def _standing(core: Runpin, found: Snapshot) -> SnapshotId | None:
    try:
        return core.store.channel(found.scope, core.settings.channel).snapshot
    except UnknownChannel:
        return None


def _shape(found: Snapshot, runs: Sequence[Reached], goal: SnapshotId | None, steps: Sequence[Step]) -> Shape:
    return {
        "snapshot": snapshot_shape(found),
        "to": None if goal is None else str(goal),
        "runs": [{**pin_shape(each.pin), "still": each.still, "newest": str(each.newest.snapshot)} for each in runs],
        "plan": [
            {
                "engine": step.engine,
                "job": step.job,
                "run_id": step.run_id,
                "commands": list(step.lines()),
            }
            for step in steps
        ],
    }


def _print(runs: Sequence[Reached]) -> None:
    if not runs:
        note("No run used it.")
        return
    groups: dict[tuple[str, str, str], list[Reached]] = {}
    for each in runs:
        run = each.pin.run
        groups.setdefault((run.engine, run.deployment, run.job), []).append(each)
    for (engine, deployment, job), members in sorted(groups.items()):
        heading(f"{job}: {len(members)} runs ({engine}, {deployment})")
        rows = [(each.pin.run.run_id, moment(each.pin.at), _state(each)) for each in members[-_SHOWN:]]
        columns(("run", "since", "now"), rows, indent=2)
        if len(members) > _SHOWN:
            note(f"  and {len(members) - _SHOWN} older ones; --json lists all of them")


def _state(each: Reached) -> str:
    return "uses it" if each.still else f"uses {each.newest.snapshot}"
