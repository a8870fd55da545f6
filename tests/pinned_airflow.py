"""A real Airflow beside a store whose configuration changes all the time, and the question whether its runs notice."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from command_line import PROGRAM
from demo.airflow_api import AirflowApi, Run
from demo.engine import AirflowEngine
from demo.processes import wait_until
from heard_airflow import wait_until_heard
from run_reports import FILE, Sighting, gate, sightings
from runpin.assembly import Runpin
from runpin.canonical import canonical, snapshot_of
from runpin.errors import UnknownChannel
from runpin.model import STABLE, Commit, Pin, Scope, SnapshotId, digest_of

TESTS = Path(__file__).resolve().parent
DAGS = TESTS / "airflow_plugin" / "dags"

PAUSE = 0.3
"""Seconds between two versions."""

_COMMIT = Commit("c" * 40, "test", "main", "Ada <ada@example.org>", "change", datetime(2026, 1, 1, tzinfo=UTC))


def environment(folder: Path) -> dict[str, str]:
    """Return what the engine's components need to read configuration and to report it, all below *folder*."""
    (folder / "reports").mkdir(parents=True)
    return {
        "RUNPIN_HOME": str(folder / "home"),
        "RUNPIN_ENVIRONMENT": "prod",
        "RUNPIN_REFRESH_INTERVAL": "0.3",
        FILE: str(folder / "reports" / "lines"),
        "PYTHONPATH": str(TESTS),
    }


@dataclass
class Published:
    """The configuration of every application, and what each version said."""

    core: Runpin
    numbers: dict[SnapshotId, int] = field(default_factory=dict)
    stands: list[tuple[datetime, SnapshotId]] = field(default_factory=list)
    _one_at_a_time: Lock = field(default_factory=Lock)

    def publish(self, application: str = "payments") -> SnapshotId:
        """Publish a version that no other one equals, and return its id."""
        with self._one_at_a_time:
            return self._publish(application)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Publish version after version of `payments` meanwhile."""
        enough = Event()
        failures: list[BaseException] = []

        def go_on() -> None:
            try:
                while not enough.wait(PAUSE):
                    self.publish()
            except BaseException as error:  # noqa: BLE001 - raised by the thread that waits for this one
                failures.append(error)

        self.publish()
        thread = Thread(target=go_on, name="publisher")
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join()
        if failures:
            raise failures[0]

    def at(self, moment: str) -> SnapshotId:
        """Return where the channel of `payments` stood at *moment*, at the earliest."""
        when = datetime.fromisoformat(moment)
        return [snapshot for moved, snapshot in self.stands if moved <= when][-1]

    def _publish(self, application: str) -> SnapshotId:
        store, number = self.core.store, len(self.numbers) + 1
        scope = Scope(application, "prod")
        body = canonical({"number": number})
        store.put_objects({digest_of(body): body})
        snapshot = store.commit(snapshot_of(scope, {"etl": digest_of(body)}), _COMMIT, "ada").id
        self.numbers[snapshot] = number
        try:
            revision = store.channel(scope, STABLE).revision
        except UnknownChannel:
            revision = 0
        store.move(scope, STABLE, snapshot, expected_revision=revision, actor="ada", reason="test")
        if application == "payments":
            self.stands.append((datetime.now(UTC), snapshot))
        return snapshot


@dataclass
class PinnedAirflow:
    """The engine, the store that its runs read, and what they have reported; everything is below *folder*."""

    engine: AirflowEngine
    folder: Path
    _gone: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    _deleted: Counter[tuple[str, str]] = field(default_factory=Counter)
    _probes: Iterator[int] = field(default_factory=count)

    @property
    def api(self) -> AirflowApi:
        """The engine's REST interface."""
        return self.engine.api

    @cached_property
    def core(self) -> Runpin:
        """The core with the same settings as the engine's."""
        return Runpin.open(home=self.folder / "home", environment="prod")

    @cached_property
    def published(self) -> Published:
        """What is published, and what publishes more."""
        return Published(self.core)

    def close(self) -> None:
        """Close the store."""
        self.core.close()

    def add_dags(self, *dag_ids: str) -> None:
        """Put the DAG files of the tests into the engine, and let runs of *dag_ids* start."""
        for file in DAGS.glob("*.py"):
            shutil.copy(file, self.engine.dags / file.name)
        for dag_id in dag_ids:
            self.api.unpause(dag_id)

    def start(self, dag_id: str, run_id: str, conf: Mapping[str, Any] | None = None, note: str | None = None) -> None:
        """Trigger a run."""
        self.api.trigger(dag_id, run_id, conf, note=note)

    def wait_until_proposed(self, snapshot: SnapshotId) -> None:
        """Wait until the scheduler, which looks at channels now and then, proposes *snapshot* or what came after it."""
        probe = f"probe_{snapshot.application}"
        if not (self.engine.dags / "probing.py").exists():
            self.add_dags()
        self.api.unpause(probe)

        def proposed() -> bool:
            run_id = f"{probe}-{next(self._probes)}"
            self.start(probe, run_id)
            found = self.finish(probe, run_id)["conf"] or {}
            # It runs no process, and nobody who lists runs shall find it.
            self.api.delete_run(probe, run_id)
            carried = found.get("runpin", {}).get("pins", {}).get(snapshot.application)
            return carried is not None and SnapshotId.parse(carried).sequence >= snapshot.sequence

        assert wait_until(proposed, 120.0, pause=0.2), f"{snapshot} is not proposed"

    def finish(self, dag_id: str, run_id: str, state: str = "success") -> Run:
        """Wait until a run has ended in *state*, and return it."""
        run = self.api.wait_for_run(dag_id, run_id, timeout=180)

        assert state == run["state"], self._complaints(dag_id, run_id)
        return run

    def delete(self, dag_id: str, run_id: str) -> None:
        """Delete a run that has ended, and take what is told about it from now on for another one's."""
        seen, pins = len(self.seen(dag_id, run_id)), len(self.pins(dag_id, run_id))
        before = self._gone.get((dag_id, run_id), (0, 0))
        self._deleted[dag_id, run_id] += 1
        attempts = self.attempts(dag_id, run_id)
        wait_until_heard(self.engine, dag_id, run_id, attempts, times=self._deleted[dag_id, run_id])
        self.api.delete_run(dag_id, run_id)
        self._gone[dag_id, run_id] = (before[0] + seen, before[1] + pins)

    def open_gate(self, run_id: str, name: str) -> None:
        """Let a run go on that waits for the test."""
        gate(self.folder / "reports", run_id, name).touch()

    def carried(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return what a run carries under runpin's key, once it has started."""
        run = self.api.wait_for_run(dag_id, run_id, {"running", "success", "failed"})
        return dict((run["conf"] or {}).get("runpin") or {})

    def seen(self, dag_id: str, run_id: str) -> list[Sighting]:
        """Return what the tasks of a run have reported, in order."""
        lines = sightings(self.folder / "reports" / "lines")
        found = [line for line in lines if (line.dag_id, line.run_id) == (dag_id, run_id)]
        return found[self._gone.get((dag_id, run_id), (0, 0))[0] :]

    def pins(self, dag_id: str, run_id: str) -> tuple[Pin, ...]:
        """Return what the ledger knows about a run."""
        return self.core.ledger.pins_of_run(run_id, dag_id)[self._gone.get((dag_id, run_id), (0, 0))[1] :]

    def attempts(self, dag_id: str, run_id: str) -> set[tuple[str, int, int]]:
        """Return every try of every task of a run that Airflow knows to have run."""
        tasks = self.api.task_instances(dag_id, run_id)
        tries = [each for task in tasks for each in self.api.tries(dag_id, run_id, task["task_id"], task["map_index"])]
        return {(task["task_id"], task["map_index"], task["try_number"]) for task in tries}

    def returned(self, dag_id: str, run_id: str) -> list[Any]:
        """Return what the tasks of a run have left as XCom."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/~/xcomEntries"
        entries = self.api.pages(path, "xcom_entries")
        return [
            self.api.xcom(dag_id, run_id, entry["task_id"], map_index=entry["map_index"])
            for entry in entries
            if entry["key"] == "return_value"
        ]

    def one_snapshot(self, dag_id: str, run_id: str, *, silent: frozenset[str] = frozenset()) -> Pin:
        """
        Return the one pin of a run, after asking everybody: the ledger, every try of every task, and XCom.

        Args:
            dag_id: the run's DAG.
            run_id: the run.
            silent: tasks that read nothing, or say so as XCom only.
        """
        pins = self.pins(dag_id, run_id)

        assert len(pins) == 1, (
            f"{run_id} of {dag_id} has to have one pin, and has {[str(each.snapshot) for each in pins]}"
        )
        pin, seen = pins[0], self.seen(dag_id, run_id)
        expected = (str(pin.snapshot), pin.digest, self.published.numbers[pin.snapshot])
        differing = [line for line in seen if expected != (line.snapshot, line.digest or pin.digest, line.number)]
        reported = {line.attempt for line in seen}
        ran = {attempt for attempt in self.attempts(dag_id, run_id) if attempt[0] not in silent}

        assert differing == [], f"pinned to {pin.snapshot}"
        assert ran == reported
        assert (0, True) == (pin.epoch, pin.confirmed)
        assert {(str(pin.snapshot), pin.digest)} == {
            (said.get("snapshot") or said.get("payments"), said.get("digest", pin.digest))
            for said in self.returned(dag_id, run_id)
            if isinstance(said, dict)
        }
        return pin

    def moved_on(self, dag_id: str, run_id: str) -> bool:
        """Say whether the channel stood elsewhere when the run looked last; otherwise its pin proves little."""
        last = self.seen(dag_id, run_id)[-1]
        return str(self.published.at(last.at)) != last.snapshot

    def failure(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the kind and the text of the error that ended a try of a task, as its log shows them."""
        records = self.api.task_log(dag_id, run_id, task_id, try_number, map_index)
        details = [detail for record in records for detail in record.get("error_detail") or ()]
        return "\n".join(f"{detail['exc_type']}: {detail['exc_value']}" for detail in details)

    def runpin(self, *arguments: str) -> str:
        """Run the command line with the engine's settings, as a process of its own."""
        done = subprocess.run(
            [str(PROGRAM), *arguments],
            env=self.engine.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        return done.stdout

    def _complaints(self, dag_id: str, run_id: str) -> str:
        """Return why tasks of a run failed; without an error in their log it was the machinery around them."""
        tasks = self.api.task_instances(dag_id, run_id)
        states = [f"{task['task_id']} {task['map_index']}, try {task['try_number']}: {task['state']}" for task in tasks]
        failed = [task for task in tasks if task["state"] == "failed"]
        errors = [self.failure(dag_id, run_id, t["task_id"], t["try_number"], t["map_index"]) for t in failed]
        around = [f"--- {name}\n{self.engine.logs(name, tail=40)}" for name in ("scheduler", "execution-api")]
        return "\n".join([f"{run_id} of {dag_id}", *states, *errors, *(() if any(errors) else around)])
