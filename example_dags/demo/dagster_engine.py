"""
Starts a real, private Dagster for demonstrations and tests, and takes it away again without a trace.

    with DagsterEngine(home, Path("definitions.py")) as engine:
        run = engine.api.launch("orders")
        engine.api.wait_for_run(run.id)

Starting takes about ten seconds on two idle cores; most of it is Python importing Dagster once per component.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import yaml

from demo.dagster_api import DagsterApi
from demo.dagster_query import DagsterRefused
from demo.dagster_target import Target
from demo.engine import START_LIMIT, EngineFailed
from demo.processes import DAGSTER, GRACE, Family, dismiss, guard, is_running, send, wait_until
from demo.settings import free_ports

WEBSERVER, DAEMON, CODE_SERVER = "webserver", "daemon", "code-server"
"""The components. Each code location has a code server; with several of them it is called `code-server-<name>`."""

_HOST = "127.0.0.1"
_LAUNCHER = Path(__file__).with_name("dagster_process.py")
_UNREACHABLE = "DagsterUserCodeUnreachableError"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Started:
    process: subprocess.Popen[bytes]
    at: float


class DagsterEngine:
    """
    One Dagster: webserver, daemon and a code server per location as real processes on loopback.

    The webserver and the daemon share the code servers, as in a deployment on Docker or Kubernetes. Letting each of
    them start its own keeps the code in memory twice, ends runs together with the webserver, and leaves
    the daemon with old code for a minute after a reload. A code server is `dagster code-server start`, which loads
    its code anew when asked; it is up before the others start, or they would take a while to find it.

    Run workers are children of the code server. Databases and logs are SQLite and files in *home*.

    Each component sees, in this order of precedence:

    1. `DAGSTER_HOME`, which also marks the processes as ours;
    2. *environment*, unchanged: `RUNPIN_*` settings, `PYTHONPATH` and whatever else;
    3. the settings of this class;
    4. the environment of the calling process without its own `DAGSTER*` variables.

    The packages are those of the calling interpreter.

    Attributes:
        home: folder of `dagster.yaml`, the databases and the logs; created when missing.
        url: where the web interface is.
        api: the GraphQL client for the first location; usable while the engine runs.
        start_seconds: how long the last `start` took.

    Args:
        home: see above.
        target: what to load, one or more code locations.
        environment: more variables for every component, see above.
        dagster_yaml: keys of `dagster.yaml` that replace ours or come beside them, `run_coordinator` for one. Ours
            asks the queue every second; a coordinator given here needs `dequeue_interval_seconds: 1` for that.
        pace: seconds between two looks of the daemon for sensors, automation and backfills, which Dagster does every
            5, 5 and 30; 0 leaves it at that. A sensor's own minimum interval, 30 s by default, holds all the same.
    """

    def __init__(
        self,
        home: Path,
        target: Path | Target | Sequence[Target],
        *,
        environment: Mapping[str, str] = _NOTHING,
        dagster_yaml: Mapping[str, Any] = _NOTHING,
        pace: float = 1.0,
    ) -> None:
        self.home = home.resolve()
        targets = [Target(target)] if isinstance(target, Path) else [target] if isinstance(target, Target) else target
        port, *code_ports = free_ports(1 + len(targets))
        self.url = f"http://{_HOST}:{port}"
        self.api = DagsterApi(self.url, self.check, targets[0].location)
        self.start_seconds = 0.0
        # Dagster removes a folder `logs` from its home when telemetry is off.
        self._output = self.home / "output"
        self._pace = pace
        self._extra = dict(environment)
        self._yaml = dict(dagster_yaml)
        self._ports = {each.location: free for each, free in zip(targets, code_ports, strict=True)}
        self._code = {_code_server(each, targets): each for each in targets}
        self._commands = {name: self._serve(each) for name, each in self._code.items()} | _commands(port)
        self._started: dict[str, _Started] = {}
        self._hit: set[str] = set()
        self._guard: subprocess.Popen[bytes] | None = None
        self._sockets: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """
        Write the settings, start every component and return when all are healthy; what is in *home* is kept.

        Raises:
            EngineFailed: a component ended or is not healthy in time, or a location can not be loaded, and nothing is
                left running then; or it runs already.
        """
        if self._started:
            raise EngineFailed(f"it runs already, at {self.url}")
        began = time.monotonic()
        self._output.mkdir(parents=True, exist_ok=True)
        self._write_settings()
        # The path of a socket may not be longer than 107 bytes, so it can not be in our home.
        self._sockets = Path(tempfile.mkdtemp(prefix="dagster-"))
        self._guard = guard(self.home, DAGSTER)
        try:
            # The first one creates the tables; several would race to do so, and lose.
            first, *others = self._code
            for components in ((first,), others, (DAEMON, WEBSERVER)):
                for component in components:
                    self._spawn(component)
                self._wait_until_healthy(*components)
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - began

    def stop(self) -> None:
        """
        End every process of this engine, running runs included; calling it twice is fine.

        Raises:
            EngineFailed: a process survived being killed.
        """
        # The process id of one that `end` has collected may be somebody else's by now.
        leaders = [each.process.pid for each in self._started.values() if each.process.returncode is None]
        survivors = Family(self.home, leaders, DAGSTER).end()
        for started in self._started.values():
            started.process.wait(GRACE)
        self._started.clear()
        self._hit.clear()
        if self._guard is not None:
            dismiss(self._guard)
            self._guard = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None
        if survivors:
            raise EngineFailed(f"these processes would not end: {survivors}")

    def kill(self, component: str, number: int = signal.SIGKILL, *, alone: bool = False) -> None:
        """
        Send the signal *number* to *component* with all it started, as the end of its container would.

        Args:
            component: whom to hit; with a code server go the runs of its location.
            number: the signal; SIGSTOP and SIGCONT work as well.
            alone: hit the main process only.
        """
        process = self._started[component].process
        self._hit.add(component)
        if process.returncode is not None:
            return
        if alone:
            send(process.pid, number)
        else:
            Family(None, [process.pid]).signal(number)

    def end(self, component: str) -> None:
        """Ask *component* to end, and wait until it has; `restart` brings it back."""
        process = self._started[component].process
        self._hit.add(component)
        if process.returncode is None:
            Family(None, [process.pid]).end()
            process.wait(GRACE)

    def restart(self, component: str, environment: Mapping[str, str] = _NOTHING) -> None:
        """
        End what is left of *component*, start it again, this once with *environment* too, and wait until it is healthy.

        Raises:
            EngineFailed: it did not come back in time.
        """
        self.end(component)
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

    def alive(self, component: str) -> bool:
        """Say whether the main process of *component* lives."""
        started = self._started.get(component)
        return started is not None and is_running(started.process.pid)

    def pid(self, component: str) -> int:
        """Return the process id of the main process of *component*, which also leads its session."""
        return self._started[component].process.pid

    def logs(self, component: str, tail: int | None = None) -> str:
        """Return the last *tail* lines that *component* wrote, or all of them; runs write to their code server's."""
        file = self._output / f"{component}.log"
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
        return "\n".join(lines if tail is None else lines[-tail:])

    def environment(self) -> dict[str, str]:
        """Return what every component sees in its environment."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DAGSTER")}
        folders = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
        ours = {
            "PATH": folders,
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": f"{_HOST},localhost",
            "no_proxy": f"{_HOST},localhost",
            # A failed run is retried by the daemon that reads this.
            "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": str(max(1, round(self._pace or 5))),
        }
        if self._sockets is not None:
            ours["TMPDIR"] = str(self._sockets)
        return inherited | ours | self._extra | {DAGSTER: str(self.home)}

    def _write_settings(self) -> None:
        queue = {"module": "dagster", "class": "QueuedRunCoordinator", "config": {"dequeue_interval_seconds": 1}}
        ours = {
            "telemetry": {"enabled": False},
            "nux": {"enabled": False},
            "storage": {"sqlite": {"base_dir": str(self.home / "storage")}},
            "run_coordinator": queue,
        }
        servers = [
            {"grpc_server": {"host": _HOST, "port": port, "location_name": name}} for name, port in self._ports.items()
        ]
        (self.home / "dagster.yaml").write_text(yaml.safe_dump(ours | self._yaml))
        (self.home / "workspace.yaml").write_text(yaml.safe_dump({"load_from": servers}))

    def _serve(self, target: Target) -> tuple[str, ...]:
        door = ("-h", _HOST, "-p", str(self._ports[target.location]))
        patience = ("--startup-timeout", f"{START_LIMIT:.0f}")
        return ("dagster", "code-server", "start", *door, *patience, *target.arguments())

    def _spawn(self, component: str, environment: Mapping[str, str] = _NOTHING) -> None:
        at = time.time()
        with (self._output / f"{component}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", str(_LAUNCHER), str(self._pace), *self._commands[component]],
                env={**self.environment(), **environment, DAGSTER: str(self.home)},
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started[component] = _Started(process, at)

    def _wait_until_healthy(self, *components: str) -> None:
        def healthy() -> bool:
            self.check()
            return all(self._healthy(component) for component in components)

        if not wait_until(healthy, START_LIMIT, pause=0.2):
            what = f"not healthy after {START_LIMIT:.0f} s: {', '.join(components)}"
            raise EngineFailed("\n".join([what, *self._tails()]))

    def _healthy(self, component: str) -> bool:
        if component in self._code and not _answers(self._ports[self._code[component].location]):
            return False
        if component in self._code and WEBSERVER not in self._started:
            return True
        if WEBSERVER in self._hit:
            return True
        try:
            return self._beats() if component == DAEMON else self._loaded()
        except DagsterRefused:
            return False

    def _beats(self) -> bool:
        # A killed daemon counts as healthy for a while, so only a heartbeat of the new one will do.
        started = self._started[DAEMON].at
        required = [daemon for daemon in self.api.daemons().values() if daemon.required]
        return bool(required) and all(each.healthy and (each.beat or 0.0) >= started for each in required)

    def _loaded(self) -> bool:
        errors = {name: error for name, error in self.api.locations().items() if error}
        broken = {name: error for name, error in errors.items() if error != "loading" and _UNREACHABLE not in error}
        if broken:
            said = [f"--- {name} ---\n{error}" for name, error in broken.items()]
            raise EngineFailed("\n".join([f"can not be loaded: {', '.join(broken)}", *said]))
        return not errors

    def _tails(self) -> Iterator[str]:
        for component in self._commands:
            yield f"--- {component} ---\n{self.logs(component, tail=40)}"


def _code_server(target: Target, targets: Sequence[Target]) -> str:
    return CODE_SERVER if len(targets) == 1 else f"{CODE_SERVER}-{target.location}"


def _commands(port: int) -> dict[str, tuple[str, ...]]:
    """Return the module to run and its arguments for what every engine has once."""
    return {
        DAEMON: ("dagster._daemon", "run", "-w", "workspace.yaml"),
        WEBSERVER: ("dagster_webserver", "-h", _HOST, "-p", str(port), "-w", "workspace.yaml"),
    }


def _answers(port: int) -> bool:
    with socket.socket() as door:
        door.settimeout(1.0)
        return door.connect_ex((_HOST, port)) == 0
