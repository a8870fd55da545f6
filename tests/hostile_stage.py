"""A real Airflow whose scheduler runs with trouble of the test's choice, and the bystanders that must not notice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from demo.airflow_api import AirflowApi, Run
from demo.engine import AirflowEngine
from demo.processes import wait_until
from pinned_airflow import Published
from runpin.assembly import Runpin
from runpin.model import SnapshotId

HOSTILE = Path(__file__).resolve().parent / "airflow_plugin" / "hostile"
DAG_IDS = ("bystander", "ticking", "light", "light_with_config", "reader")

HOLD = """
import os, signal, sqlite3, sys

connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement)
print("held", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@dataclass
class Stage:
    """The engine, whose scheduler is restarted for each kind of trouble; homes of runpin are below *folder*."""

    engine: AirflowEngine
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def api(self) -> AirflowApi:
        """The engine's REST interface."""
        return self.engine.api

    @property
    def fault(self) -> Path:
        """The file that names the exception which the watch raises."""
        return self.folder / "fault"

    def home(self, name: str) -> tuple[Path, SnapshotId]:
        """Make a home of runpin with one version in it, and return both."""
        home = self.folder / name
        with Runpin.open(home=home, environment="prod") as core:
            return home, Published(core).publish()

    def scheduler(self, home: Path, **variables: str) -> None:
        """Restart the scheduler with other settings of runpin, unless it has them already."""
        wanted = {
            "RUNPIN_HOME": str(home),
            "RUNPIN_ENVIRONMENT": "prod",
            "RUNPIN_REFRESH_INTERVAL": "0.3",
            "PYTHONPATH": os.pathsep.join((str(HOSTILE / "site"), self.engine.environment().get("PYTHONPATH", ""))),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(HOSTILE / "plugins"),
            "HOSTILE_FAULT": str(self.fault),
            "HOSTILE_STOPWATCH": str(self.folder / "stopwatch"),
            **variables,
        }
        if wanted != self.variables:
            self.engine.restart("scheduler", wanted)
            self.variables = wanted

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """Let something bad happen meanwhile; the scheduler has to live on and to serve who does not use runpin."""
        pid, written, began = self.engine.pid("scheduler"), len(self.engine.logs("scheduler")), datetime.now(UTC)
        run_id = self.start("bystander")
        yield
        run = self.api.wait_for_run("bystander", run_id)

        assert run["state"] == "success"
        assert "runpin-watch" not in self.api.xcom("bystander", run_id, "threads")
        assert wait_until(lambda: self._ticks(began) > 0, 120.0, pause=0.2), "nothing is scheduled any more"
        assert (pid, True) == (self.engine.pid("scheduler"), self.engine.alive("scheduler"))
        # Airflow takes it for dead after 30 s without a heartbeat, which a disk that is busy may hold back.
        assert wait_until(lambda: self.api.health()["scheduler"]["status"] == "healthy", 120.0, pause=0.2)
        assert "UNEXPECTED COMMIT" not in self.engine.logs("scheduler")[written:]

    def start(self, dag_id: str, prefix: str = "run") -> str:
        """Trigger a run and return its id."""
        run_id = f"{prefix}-{next(self.numbers)}"
        self.api.trigger(dag_id, run_id)
        return run_id

    def finish(self, dag_id: str) -> Run:
        """Let a run end, and return it."""
        return self.api.wait_for_run(dag_id, self.start(dag_id))

    def read(self, prefix: str = "run") -> tuple[Run, dict[str, Any]]:
        """Run the reader; return the run, and what it read or by type the errors that ended it."""
        run = self.api.wait_for_run("reader", self.start("reader", prefix), timeout=180)
        if run["state"] == "success":
            return run, dict(self.api.xcom("reader", run["dag_run_id"], "read"))
        log = self.api.task_log("reader", run["dag_run_id"], "read")
        return run, {
            error["exc_type"]: error["exc_value"] for record in log for error in record.get("error_detail") or ()
        }

    def delays(self, runs: int = 6) -> list[float]:
        """Start runs with and without configuration by turns; return how many seconds each of them was queued."""
        started = [(dag_id, self.start(dag_id)) for _ in range(runs) for dag_id in ("light", "light_with_config")]
        found = [self.api.wait_for_run(dag_id, run_id) for dag_id, run_id in started]
        return [_moment(run["start_date"]) - _moment(run["queued_at"]) for run in found]

    @contextmanager
    def measured(self) -> Iterator[list[float]]:
        """Return a list that holds, afterwards, how many milliseconds the scheduler spent in our listener each time."""
        file = self.folder / "stopwatch"
        file.unlink(missing_ok=True)
        found: list[float] = []
        yield found
        found += [float(line) for line in file.read_text().splitlines()]

    def _ticks(self, since: datetime) -> int:
        ended = self.api.runs("ticking", state="success", start_date_gte=since.isoformat())
        return len(ended)


def _moment(text: str | None) -> float:
    return datetime.fromisoformat(text or "").timestamp()


def carried(run: Run) -> dict[str, Any]:
    """Return what a run carries under our key."""
    found: dict[str, Any] = (run["conf"] or {}).get("runpin", {})
    return found


@contextmanager
def held(database: Path, *statements: str) -> Iterator[None]:
    """Let a process lock *database* by *statements*, and stop."""
    with subprocess.Popen([sys.executable, "-c", HOLD, database, *statements], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            yield
        finally:
            holder.kill()
