"""`runpin impact`: every run that used a snapshot, what it worked on, and how to repeat it with another one."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cases import WARNING
from runpin.cli.lookup import publication_of
from runpin.cli.options import TOKEN, AsJson, ChannelName, DeploymentName, Reason, SnapshotName, actor, opened
from runpin.cli.printing import complain, emit, heading, note, say, tracker
from runpin.cli.reach import print_reached, reached_shape
from runpin.cli.shapes import Shape, commit_text, snapshot_shape
from runpin.errors import Conflict, EngineRefused, EngineSilent, UnknownChannel, UnknownSnapshot
from runpin.model import SnapshotId
from runpin.overrides import OverrideKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runpin.assembly import Runpin
    from runpin.cli.reach import Works
    from runpin.engines import Engines
    from runpin.engines.work import Work
    from runpin.impact import Reached, Step
    from runpin.model import RunKey, Snapshot

_SILENCES = 2
"""So often in a row an engine may say nothing; then it is not waited for once more for each of many runs."""


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
        typer.Option("--airflow", metavar="URL", help=f"Airflow's API server, to ask it; {TOKEN} has a token."),
    ] = None,
    dagster: Annotated[
        str | None, typer.Option("--dagster", metavar="URL", help="Dagster's web server, to ask it.")
    ] = None,
    deployment: DeploymentName = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """
    List every run that used a snapshot, and what it worked on.

    Tasks, assets and partitions are asked of the engines whose addresses are given.
    With --plan, print what repeats the runs with another one, in Airflow and in Dagster; with --apply, do it.
    """
    if apply and airflow is None and dagster is None:
        raise typer.BadParameter("give the address of an engine: --airflow or --dagster", param_hint="--apply")
    from runpin.engines import Engines
    from runpin.impact import plan as plan_for
    from runpin.impact import reached

    engines = Engines(airflow, os.environ.get(TOKEN), dagster)
    target = None if to is None else SnapshotId.parse(to)
    with opened(channel=channel) as core:
        found = core.store.find(SnapshotId.parse(snapshot))
        goal = _standing(core, found) if target is None else _named(core, found, target)
        runs = [each for each in reached(core.ledger, found.id) if deployment in {None, each.pin.run.deployment}]
        publication = publication_of(core, found)
        works = _works(engines, runs)
        lost = {run for run, work in works.items() if work is None}
        untold = {run: work for run, work in works.items() if isinstance(work, EngineRefused)}
        why = reason or f"repeated without {found.id}"
        there = [each for each in runs if each.pin.run not in lost | untold.keys()]
        steps = [] if goal is None or goal == found.id else plan_for(there, goal, why)
        if apply and goal is not None:
            steps = [step for step in steps if engines.reaches(step.run.engine)]
            _check_deployments(core, steps, deployment)
            _apply(core, steps, engines, goal, why)
        elif plan and not as_json:
            _warn_of_deployments(core, steps, deployment)
    if as_json:
        emit(_shape(found, runs, works, goal, steps))
    elif plan:
        say(*(line for step in steps for line in step.lines()))
    elif apply:
        say(*(f"{step.run.engine}: {step.run.job}, run {step.run.run_id} is repeated with {goal}" for step in steps))
        note(f"{len(steps)} runs are repeated." + (f" {len(lost)} are not known to their engine." if lost else ""))
    else:
        heading(f"{found.id}" + (f", {commit_text(publication.commit)}" if publication else ""))
        print_reached(runs, works)
        _point_to_plan(found, goal, steps, engines, deployment)
    if untold:
        _complain_of(untold)
        raise typer.Exit(EngineRefused.exit_code)


def _check_deployments(core: Runpin, steps: Sequence[Step], named: str | None) -> None:
    """Raise a `Conflict` if one address may stand for several deployments; whoever names one says which it is."""
    from runpin.impact import check_deployments

    if named is None:
        check_deployments(steps, core.ledger)


def _warn_of_deployments(core: Runpin, steps: Sequence[Step], named: str | None) -> None:
    try:
        _check_deployments(core, steps, named)
    except Conflict as error:
        complain(error.what, [("where", error.where), ("fix", error.fix)], severity=WARNING)


def _complain_of(untold: Mapping[RunKey, EngineRefused]) -> None:
    """Say that runs are left out because their engine did not tell of them, and why for the first."""
    run, error = next(iter(untold.items()))
    what = f"of {len(untold)} runs their engine does not tell; they are listed, and not repeated"
    details = [("first", f"{run.run_id}: {error.what}"), ("where", error.where)]
    complain(what, [*details, ("fix", "give the same command again once the engine tells of them")])


def _point_to_plan(
    found: Snapshot, goal: SnapshotId | None, steps: Sequence[Step], engines: Engines, deployment: str | None
) -> None:
    if steps:
        note(f"{len(steps)} can be repeated with {goal}. The commands, for a shell; nothing is run:")
        options = {"--airflow": engines.airflow, "--dagster": engines.dagster, "--deployment": deployment}
        given = [word for name, value in options.items() if value for word in (name, value)]
        say(f"  {shlex.join(['runpin', 'impact', str(found.id), '--to', str(goal), *given, '--plan'])}")


def _works(engines: Engines, runs: Sequence[Reached]) -> Works:
    """Ask the engines that have an address what each of *runs* worked on."""
    from runpin.impact import can_repeat

    asked = dict.fromkeys(
        each.pin.run for each in runs if engines.reaches(each.pin.run.engine) and can_repeat(each.pin)
    )
    bar, step = tracker("asking engines", len(asked))
    works: dict[RunKey, Work | EngineRefused | None] = {}
    silences: Counter[str] = Counter()
    with bar:
        for run in asked:
            works[run] = _work(engines, run, silences)
            step()
    return works


def _work(engines: Engines, run: RunKey, silences: Counter[str]) -> Work | EngineRefused | None:
    """Ask what *run* worked on, unless its engine was silent too often; an error is one answer of many."""
    if silences[run.engine] >= _SILENCES:
        return EngineSilent(f"{run.engine} did not answer before, and is not asked again", where=run.run_id)
    try:
        work: Work | EngineRefused | None = engines.work(run)
    except EngineSilent as error:
        silences[run.engine] += 1
        return error
    except EngineRefused as error:
        work = error
    silences[run.engine] = 0
    return work


def _apply(core: Runpin, steps: Sequence[Step], engines: Engines, goal: SnapshotId, why: str) -> None:
    from runpin.overriding import Wish

    for step in steps:
        if step.run.engine == "airflow":
            waiting = core.overriding.newest(step.run, step.pin.scope)
            if waiting is None or waiting.outcome is not None or waiting.snapshot != goal:
                core.overriding.name_for(Wish(step.pin, goal, OverrideKind.PINNED, actor(), why))
        engines.ask(step.run.engine, step.path, step.body)


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


def _shape(
    found: Snapshot, runs: Sequence[Reached], works: Works, goal: SnapshotId | None, steps: Sequence[Step]
) -> Shape:
    return {
        "snapshot": snapshot_shape(found),
        "to": None if goal is None else str(goal),
        "runs": [reached_shape(each, works) for each in runs],
        "plan": [
            {
                "engine": step.run.engine,
                "deployment": step.run.deployment,
                "job": step.run.job,
                "run_id": step.run.run_id,
                "commands": list(step.lines()),
            }
            for step in steps
        ],
    }
