"""
Starts a real, private Airflow for demonstrations and tests, and takes it away again without a trace.

    with AirflowEngine(home, dags) as engine:
        engine.api.wait_for_dag("orders")
        engine.api.unpause("orders")
        run = engine.api.trigger("orders")
        engine.api.wait_for_run("orders", run["dag_run_id"])

Starting takes about twenty seconds on two idle cores; most of it is Python importing Airflow once per component.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from demo.airflow_api import AirflowApi
from demo.airflow_rest import AirflowRefused, AirflowRest
from demo.processes import GRACE, Family, dismiss, guard, is_running, send, wait_until
from demo.settings import Component, commands, free_ports, settings

START_LIMIT = 180.0
"""Seconds a component may take until it is healthy, on a machine that is busy with other things."""

_SERVERS: AbstractSet[Component] = frozenset({"api-server", "execution-api"})
_NOTHING: Mapping[str, str] = MappingProxyType({})
_empty_databases: dict[frozenset[tuple[str, str]], bytes] = {}


class EngineFailed(RuntimeError):
    """A component did not come up, went away, or would not end; the message holds the last lines of each log."""


@dataclass(frozen=True, slots=True)
class _Started:
    process: subprocess.Popen[bytes]
    at: datetime


class AirflowEngine:
    """
    One Airflow: API servers, DAG processor, scheduler and triggerer as real processes on loopback.

    Every caller is admin, tasks run in a LocalExecutor, secrets are made up per instance and never touch the disk.
    DAG files show up, and runs start, within about a second; on SQLite, whose clock has no fractions there, a run
    starts at the next full one. DAGs are paused when they first appear, as usual.

    Each component sees, in this order of precedence:

    1. `AIRFLOW_HOME`, which also marks the processes as ours;
    2. *environment*, unchanged: `RUNPIN_*` settings, `AIRFLOW_CONN_*`, any `AIRFLOW__SECTION__KEY`, `PYTHONPATH`;
    3. the settings of this class, see `settings`;
    4. the environment of the calling process without its own `AIRFLOW*` variables.

    The packages are those of the calling interpreter, so a provider that is installed beside Airflow is loaded
    through its entry points as in production.

    Attributes:
        home: folder of the database, the logs and Airflow's own files; created when missing.
        dags: folder of the DAG files; created when missing, may be written to at any time.
        url: where the web interface is.
        api: the REST client; usable while the engine runs.
        start_seconds: how long the last `start` took.

    Args:
        home: see above.
        dags: see above.
        environment: more variables for every component, see above.
        database: address of an existing, empty database, such as `postgresql+psycopg://user@127.0.0.1/airflow`;
            a SQLite file in *home* when absent.
    """

    def __init__(
        self, home: Path, dags: Path, *, environment: Mapping[str, str] = _NOTHING, database: str | None = None
    ) -> None:
        self.home = home.resolve()
        self.dags = dags.resolve()
        port, execution_port = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self.api = AirflowApi(self.url, self.check)
        self.start_seconds = 0.0
        self._execution = AirflowRest(f"http://127.0.0.1:{execution_port}")
        self._commands = commands(execution_port)
        self._extra = dict(environment)
        self._database_file = None if database else self.home / "airflow.db"
        address = database or f"sqlite:///{self._database_file}?timeout=30"
        self._settings = settings(self.home, self.dags, port, execution_port, address)
        self._started: dict[Component, _Started] = {}
        self._hit: set[Component] = set()
        self._guard: subprocess.Popen[bytes] | None = None
        self._migrated = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """
        Create the database when needed, start every component and return when all are healthy.

        Raises:
            EngineFailed: a component ended or is not healthy in time, and nothing is left running then; or it runs
                already.
        """
        if self._started:
            raise EngineFailed(f"it runs already, at {self.url}")
        began = time.monotonic()
        self.dags.mkdir(parents=True, exist_ok=True)
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        # Otherwise the components race to write a commented copy of every default.
        (self.home / "airflow.cfg").touch()
        self._guard = guard(self.home)
        try:
            self._migrate()
            for component in self._commands:
                self._spawn(component)
            self._wait_until_healthy(*self._commands)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - began

    def stop(self) -> None:
        """
        End every process of this engine, running tasks included; calling it twice is fine.

        Raises:
            EngineFailed: a process survived being killed.
        """
        survivors = Family(self.home, [started.process.pid for started in self._started.values()]).end()
        for started in self._started.values():
            started.process.wait(GRACE)
        self._started.clear()
        self._hit.clear()
        if self._guard is not None:
            dismiss(self._guard)
            self._guard = None
        if survivors:
            raise EngineFailed(f"these processes would not end: {survivors}")

    def kill(self, component: Component, number: int = signal.SIGKILL, *, alone: bool = False) -> None:
        """
        Send the signal *number* to *component* with its forks and running tasks, as the end of its container would.

        Args:
            component: whom to hit.
            number: the signal; SIGSTOP and SIGCONT work as well.
            alone: hit the main process only; its forks live on.
        """
        leader = self.pid(component)
        self._hit.add(component)
        if alone:
            send(leader, number)
        else:
            Family(None, [leader]).signal(number)

    def restart(self, component: Component, environment: Mapping[str, str] = _NOTHING) -> None:
        """
        End what is left of *component*, start it again, this once with *environment* too, and wait until it is healthy.

        Raises:
            EngineFailed: it did not come back in time.
        """
        Family(None, [self.pid(component)]).end()
        self._started[component].process.wait(GRACE)
        self._hit.discard(component)
        self._spawn(component, environment)
        self._wait_until_healthy(component)

    def check(self) -> None:
        """
        Say so when a component is gone that nobody has killed.

        Raises:
            EngineFailed: with the last lines of each log.
        """
        gone = [component for component in self._started if component not in self._hit and not self.alive(component)]
        if gone:
            raise EngineFailed("\n".join([f"ended by itself: {', '.join(gone)}", *self._tails()]))

    def alive(self, component: Component) -> bool:
        """Say whether the main process of *component* lives."""
        started = self._started.get(component)
        return started is not None and is_running(started.process.pid)

    def pid(self, component: Component) -> int:
        """Return the process id of the main process of *component*, which also leads its session."""
        return self._started[component].process.pid

    def logs(self, component: Component, tail: int | None = None) -> str:
        """Return the last *tail* lines that *component* wrote, or all of them."""
        file = self.home / "logs" / f"{component}.log"
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
        return "\n".join(lines if tail is None else lines[-tail:])

    def environment(self) -> dict[str, str]:
        """Return what every component sees in its environment."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        folders = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
        return inherited | {"PATH": folders} | self._settings | self._extra | {"AIRFLOW_HOME": str(self.home)}

    def command(self, *arguments: str, timeout: float = START_LIMIT) -> str:
        """
        Run `airflow` with *arguments* beside the engine and return what it wrote, standard error included.

        Raises:
            EngineFailed: it ended with an error.
        """
        done = subprocess.run(
            [sys.executable, "-P", "-m", "airflow", *arguments],
            env=self.environment(),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            last = "\n".join(done.stdout.splitlines()[-40:])
            raise EngineFailed(f"`airflow {' '.join(arguments)}` ended with {done.returncode}\n{last}")
        return done.stdout

    def _migrate(self) -> None:
        """Create the tables, or copy an empty database that another engine of this process has made."""
        if self._migrated:
            return
        file = self._database_file
        key = frozenset(pair for pair in self._extra.items() if pair[0].startswith("AIRFLOW__DATABASE__"))
        if file is not None and not file.exists() and key in _empty_databases:
            file.write_bytes(_empty_databases[key])
        else:
            new = file is not None and not file.exists()
            self.command("db", "migrate")
            if new and file is not None:
                _empty_databases[key] = file.read_bytes()
        self._migrated = True

    def _spawn(self, component: Component, environment: Mapping[str, str] = _NOTHING) -> None:
        at = datetime.now(UTC)
        with (self.home / "logs" / f"{component}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "airflow", *self._commands[component]],
                env={**self.environment(), **environment, "AIRFLOW_HOME": str(self.home)},
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started[component] = _Started(process, at)

    def _wait_until_healthy(self, *components: Component) -> None:
        def healthy() -> bool:
            self.check()
            return self._healthy(*components)

        if not wait_until(healthy, START_LIMIT, pause=0.2):
            what = f"not healthy after {START_LIMIT:.0f} s: {', '.join(components)}"
            raise EngineFailed("\n".join([what, *self._tails()]))

    def _healthy(self, *components: Component) -> bool:
        try:
            # The first request takes it five seconds and more, for which the first task would wait otherwise.
            self._execution.send("GET", "/execution/health")
            health = self.api.health()
        except AirflowRefused:
            return False
        return all(component in _SERVERS or self._beats(health, component) for component in components)

    def _beats(self, health: Mapping[str, Mapping[str, str | None]], component: Component) -> bool:
        # A killed component counts as healthy for another 30 s, so only a heartbeat of the new one will do.
        name = component.replace("-", "_")
        report = health.get(name, {})
        beat = report.get(f"latest_{name}_heartbeat")
        fresh = beat is not None and datetime.fromisoformat(beat) >= self._started[component].at
        return fresh and report.get("status") == "healthy"

    def _tails(self) -> Iterator[str]:
        for component in self._commands:
            yield f"--- {component} ---\n{self.logs(component, tail=40)}"
