"""How `runpin impact` shows what a snapshot has reached: runs, and below each what it worked on, if that is known."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from runpin.cli.printing import columns, heading, moment, note, say
from runpin.cli.shapes import Shape, pin_shape
from runpin.errors import EngineRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runpin.engines.work import Task, Work, Written
    from runpin.impact import Reached
    from runpin.model import RunKey

    Works = Mapping[RunKey, Work | EngineRefused | None]
    """What each run worked on that an engine was asked about; None for one that its engine does not know."""

_SHOWN = 20


def reached_shape(each: Reached, works: Works) -> Shape:
    """Return a run that used the snapshot; `work` is null where no engine was asked."""
    run = each.pin.run
    work = _work_shape(works[run]) if run in works else None
    return {**pin_shape(each.pin), "still": each.still, "newest": str(each.newest.snapshot), "work": work}


def print_reached(runs: Sequence[Reached], works: Works) -> None:
    """Print *runs* by engine and job."""
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
        for run in dict.fromkeys(each.pin.run for each in members[-_SHOWN:]):
            if run in works:
                _print_work(run, works[run])
        if len(members) > _SHOWN:
            note(f"  and {len(members) - _SHOWN} older ones; --json lists all of them")
    _print_sum(runs, works)


def _state(each: Reached) -> str:
    return "uses it" if each.still else f"uses {each.newest.snapshot}"


def _print_work(run: RunKey, work: Work | EngineRefused | None) -> None:
    if work is None:
        say(f"  {run.run_id}: {run.engine} at this address does not know this run, or not any more")
        return
    if isinstance(work, EngineRefused):
        say(f"  {run.run_id}: not told: {work.what}")
        return
    say(f"  {run.run_id}: {', '.join(_facts(work))}")
    _table(("task", "instances", "tries", "states"), _task_rows(work.tasks))
    _table(("asset", "partition", "written by"), [_written_row(each) for each in work.written])
    if not work.complete:
        note("    and more than can be listed")


def _facts(work: Work) -> Iterable[str]:
    yield work.state
    if work.partitions:
        more = "" if len(work.partitions) <= _SHOWN else f" and {len(work.partitions) - _SHOWN} more"
        yield f"partition {', '.join(work.partitions[:_SHOWN])}{more}"
    if work.logical_date is not None:
        yield f"logical date {work.logical_date}"
    if work.interval is not None:
        yield f"data from {work.interval[0]} to {work.interval[1]}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        return
    columns(header, rows[:_SHOWN], indent=4)
    if len(rows) > _SHOWN:
        note(f"    and {len(rows) - _SHOWN} more; --json lists all of them")


def _task_rows(tasks: Iterable[Task]) -> list[tuple[str, ...]]:
    """Return a row for each task; a mapped one is one row, however many instances it has."""
    by_name: dict[str, list[Task]] = {}
    for task in tasks:
        by_name.setdefault(task.name, []).append(task)
    return [(name, str(len(members)), _tries(members), _states(members)) for name, members in by_name.items()]


def _tries(members: Sequence[Task]) -> str:
    tries = {task.tries for task in members}
    return str(max(tries)) if len(tries) == 1 else f"up to {max(tries)}"


def _states(members: Sequence[Task]) -> str:
    counted = Counter(task.state or "none yet" for task in members)
    return ", ".join(state if len(counted) == 1 else f"{number} {state}" for state, number in counted.most_common())


def _written_row(written: Written) -> tuple[str, str, str]:
    place = "" if written.uri in {None, written.asset} else f" ({written.uri})"
    return (f"{written.asset}{place}", written.partition or "", written.task or "")


def _print_sum(runs: Sequence[Reached], works: Works) -> None:
    from runpin.impact import can_repeat

    known = [work for work in works.values() if work is not None and not isinstance(work, EngineRefused)]
    if known:
        tasks = sum(len(work.tasks) for work in known)
        assets = {written.asset for work in known for written in work.written}
        partitions = {partition for work in known for partition in work.partitions}
        counts = (_number(tasks, "task"), _number(len(assets), "asset"), _number(len(partitions), "partition"))
        note(f"In {_number(len(known), 'run')}: {', '.join(counts)}.")
    silent = {each.pin.run.engine for each in runs if each.pin.run not in works and can_repeat(each.pin)}
    if silent:
        ways = " and ".join(f"--{engine} URL" for engine in sorted(silent))
        note(
            f"Of {' and '.join(sorted(silent))} only the runs are known."
            f" What tasks, assets and partitions they worked on is listed with {ways}."
        )


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _work_shape(work: Work | EngineRefused | None) -> Shape:
    if work is None:
        return {"known": False}
    if isinstance(work, EngineRefused):
        return {"known": None, "not_told": work.what}
    return {
        "known": True,
        "state": work.state,
        "complete": work.complete,
        "logical_date": work.logical_date,
        "interval": None if work.interval is None else list(work.interval),
        "tasks": [
            {"name": task.name, "map_index": task.map_index, "tries": task.tries, "state": task.state}
            for task in work.tasks
        ],
        "assets": [
            {"asset": each.asset, "uri": each.uri, "partition": each.partition, "written_by": each.task}
            for each in work.written
        ],
        "partitions": list(work.partitions),
    }
