"""
What tasks of the test DAGs note down about the configuration they see, beyond what XCom keeps.

Airflow forgets what a task returned when the next try begins, so every look at the configuration is also a line in a
file. A test reads the lines of a run and compares them with each other, and with the ledger.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = "RUN_REPORTS"
"""The variable that names the file of lines; the folder beside it holds gates."""

PATIENCE = 300.0
"""Seconds; a task that waits for the test does so while other tasks, which the test waits for, are started."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """
    One look at the configuration by one try of one task.

    `where` tells several looks of one try apart. A template cannot see the digest, so it may be None.
    `number` is what the document said, which is another one in every version.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    where: str
    snapshot: str
    digest: str | None
    number: int
    at: str

    @property
    def attempt(self) -> tuple[str, int, int]:
        """Which try of which task this was."""
        return self.task_id, self.map_index, self.try_number


def report(where: str = "", application: str = "payments") -> dict[str, Any]:
    """Read the pinned configuration as user code does, note down what was seen, and return it."""
    from airflow_provider_runpin import current_pins, get_config

    config = get_config(f"{application}/etl")
    pin = current_pins()[application]
    return note(where, str(pin.snapshot), pin.digest, config["number"])


def note(where: str, snapshot: str, digest: str | None, number: int) -> dict[str, Any]:
    """Note down what a task has seen, and return it."""
    from airflow.sdk import get_current_context

    task = get_current_context()["ti"]
    seen = Sighting(
        task.dag_id,
        task.run_id,
        task.task_id,
        -1 if task.map_index is None else task.map_index,
        task.try_number,
        where,
        snapshot,
        digest,
        number,
        datetime.now(UTC).isoformat(),
    )
    # One write of one line is atomic when the file is opened to append.
    descriptor = os.open(os.environ[FILE], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, f"{json.dumps(asdict(seen))}\n".encode())
    finally:
        os.close(descriptor)
    return {"snapshot": snapshot, "digest": digest, "number": number}


def sightings(file: Path) -> list[Sighting]:
    """Return every line of *file*, in the order of writing."""
    return [Sighting(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def looks_so_far() -> int:
    """Return how often this try of this task has looked; for tasks that are started again and again."""
    from airflow.sdk import get_current_context

    task = get_current_context()["ti"]
    found = sightings(Path(os.environ[FILE]))
    key = (task.run_id, task.task_id, task.try_number)
    return sum((seen.run_id, seen.task_id, seen.try_number) == key for seen in found)


def gate(folder: Path, run_id: str, name: str) -> Path:
    """Return the file that lets a run go on once it exists."""
    return folder / f"{run_id}.{name}"


def pass_gate(name: str) -> None:
    """Wait until the test opens the gate *name* of this run."""
    from airflow.sdk import get_current_context

    file = gate(Path(os.environ[FILE]).parent, get_current_context()["ti"].run_id, name)
    wait_for(file.exists, f"nobody opened {file.name}")


def meet(others: int) -> None:
    """Wait until *others* tasks of this run have come here, so that all go on at the same moment."""
    from airflow.sdk import get_current_context

    task = get_current_context()["ti"]
    folder = Path(os.environ[FILE]).parent / f"{task.run_id}.meeting-{task.try_number}"
    folder.mkdir(exist_ok=True)
    (folder / str(task.map_index)).touch()
    wait_for(lambda: len(list(folder.iterdir())) >= others, f"fewer than {others} came to {folder.name}")


def wait_for(condition: Callable[[], object], otherwise: str) -> None:
    """Return when *condition* holds; raise when that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.005)


def channel_now(application: str = "payments") -> Mapping[str, Any]:
    """Return where the channel stands, as code would see that follows it without a pin."""
    from runpin.assembly import default
    from runpin.model import STABLE, Scope

    core = default()
    channel = core.store.channel(Scope(application, core.settings.environment), STABLE)
    snapshot = core.resolver.snapshot(channel.digest, channel.snapshot.sequence)
    number = core.resolver.document(snapshot, "etl")["number"]
    return {"snapshot": str(channel.snapshot), "digest": channel.digest, "number": number}
