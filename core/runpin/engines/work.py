"""What a run worked on, as its engine tells: tasks, what they wrote, and which partitions that was about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """
    One task of a run in Airflow, or one step of a run in Dagster.

    Attributes:
        name: the id of the task, or the key of the step.
        map_index: which of a mapped task, from 0; None where the engine has no such number.
        tries: how often it has begun.
        state: in the engine's words; None before it has one.
    """

    name: str
    map_index: int | None
    tries: int
    state: str | None


@dataclass(frozen=True, slots=True)
class Written:
    """
    An asset that a run wrote.

    Attributes:
        asset: its name in Airflow, its key in Dagster, as `first/second`.
        uri: where Airflow says it is; None in Dagster, and where it says nothing.
        partition: which part of it; None for all of it.
        task: who wrote it; None if the engine does not say.
    """

    asset: str
    uri: str | None
    partition: str | None
    task: str | None


@dataclass(frozen=True, slots=True)
class Work:
    """
    What one run worked on.

    Attributes:
        state: of the run, in the engine's words.
        tasks: those that the engine has on record.
        written: the assets, each partition by itself and each once.
        partitions: those that the run was for, and those that it wrote; a range is `first...last`.
        logical_date: what Airflow says the run is about, as it writes it; None if it is about no date.
        interval: start and end of the data that it is about, likewise.
        complete: whether this is all; false where the engine has more than anybody would read.
    """

    state: str
    tasks: tuple[Task, ...] = ()
    written: tuple[Written, ...] = ()
    partitions: tuple[str, ...] = ()
    logical_date: str | None = None
    interval: tuple[str, str] | None = None
    complete: bool = True


def text(value: object) -> str | None:
    """Return what an engine says as text; None and nothing at all are None."""
    return None if value is None or value == "" else str(value)
