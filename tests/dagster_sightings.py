"""
What steps of the test jobs note down about the configuration they see; a test compares the lines of a run.

Every look is one line in a file that all processes of all runs share.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import OpExecutionContext

    from dagster_runpin import RunpinResource

FILE = "DAGSTER_SIGHTINGS"
"""The variable that names the file of lines; a file `<name>` beside it lets steps pass the gate of this name."""

PATIENCE = 180.0
"""Seconds that a step waits at a gate: on a busy machine another run takes a minute to get to the same one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """
    One look at the configuration by one attempt of one step.

    Attributes:
        run_id: the run.
        step: the key of the step.
        attempt: 0 for the first.
        how: through what it was read.
        snapshot: the id of the snapshot that was read.
        number: what its document said, another one in every version.
        pid: the process of the step.
        shown: the run's label of the application before this look; None if it had none.
    """

    run_id: str
    step: str
    attempt: int
    how: str
    snapshot: str
    number: int
    pid: int
    shown: str | None


def look(resource: RunpinResource, how: str = "pinned", application: str = "payments") -> Seen:
    """Read the pinned configuration as user code does, and note down what was seen."""
    step = step_context()
    shown = shown_now(step, application)
    number = resource.config(f"{application}/etl")["number"]
    return note(step, how, str(resource.snapshot(application)), number, shown)


def note(step: OpExecutionContext, how: str, snapshot: str, number: int, shown: str | None = None) -> Seen:
    """Write one line, whole and at once."""
    seen = Seen(
        run_id=step.run.run_id,
        step=step.get_step_execution_context().step.key,
        attempt=step.retry_number,
        how=how,
        snapshot=snapshot,
        number=number,
        pid=os.getpid(),
        shown=shown,
    )
    # One write of one line is atomic when the file is opened to append.
    descriptor = os.open(os.environ[FILE], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, f"{json.dumps(asdict(seen))}\n".encode())
    finally:
        os.close(descriptor)
    return seen


def step_context() -> OpExecutionContext:
    """Return the context of the step that this code runs in."""
    import dagster as dg

    return dg.OpExecutionContext.get()


def shown_now(step: OpExecutionContext, application: str = "payments") -> str | None:
    """Return the label that Dagster's storage holds now, which is not what the step was started with."""
    run = step.instance.get_run_by_id(step.run.run_id)
    return None if run is None else run.tags.get(f"runpin/{application}")


def sightings(file: Path) -> list[Seen]:
    """Return every line of *file*, in the order of writing."""
    return [Seen(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def pass_gate(name: str) -> None:
    """Wait until the test, or another step, has opened the gate *name*."""
    deadline = time.monotonic() + PATIENCE
    while not gate(name).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody opened {name}")
        time.sleep(0.02)


def gate(name: str) -> Path:
    """Return the file that opens the gate *name* once it exists."""
    return Path(os.environ[FILE]).parent / name
