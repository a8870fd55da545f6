"""What the listener may do on the scheduler's thread, and what a thread of ours may do to the scheduler's forks."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pinned_airflow import Published
from runpin.assembly import Runpin, default
from runpin.model import Channel, SnapshotId
from runpin.proposing import KEY
from runpin.testing import FixedClock, MemoryLedger, MemoryStore
from runpin.watching import FORK_PATIENCE, ChannelWatch
from world import World

if TYPE_CHECKING:
    from airflow_provider_runpin.listeners import PinningListener

# From Python 3.12 on it warns about every fork of a process with threads; such forks are what is tested here.
forks = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

WATCHED = """
import json, os, sys, threading
from datetime import UTC, datetime
from types import SimpleNamespace

touched, thread = [], []

def note(event, arguments):
    if threading.get_ident() in thread:
        touched.append(event)

from airflow_provider_runpin.listeners import PinningListener
from runpin.assembly import default

listener, core = PinningListener(), default()
assert core.watch.wait_for_view(90)
tags = {"config:payments"}
runs = [
    SimpleNamespace(run_id=f"r{n}", conf={}, note=None, clear_number=0, last_scheduling_decision=None,
                    start_date=datetime.now(UTC), backfill_id=None, run_type="scheduled",
                    dag=SimpleNamespace(tags=tags))
    for n in range(3)
]
listener.on_dag_run_running(runs[0])
sys.addaudithook(note)
thread.append(threading.get_ident())
if "open" in sys.argv:
    open(os.devnull).close()
for run in runs[1:]:
    listener.on_dag_run_running(run)
thread.clear()
print(json.dumps([sorted(set(touched)), [sorted(run.conf) for run in runs]]))
core.close()
"""


class InMemory:
    """A run of which only some attributes may be touched; the others would ask a database."""

    # Airflow sets `start_date` a moment before it tells the listeners.
    _free = frozenset(
        {
            "dag_id",
            "run_id",
            "conf",
            "note",
            "clear_number",
            "last_scheduling_decision",
            "start_date",
            "dag",
            "backfill_id",
            "run_type",
        }
    )

    def __init__(self, run_id: str = "r1", conf: Any = None, applications: Sequence[str] = ("payments",)) -> None:
        self.touched: list[str] = []
        self.run_id, self.conf, self.note, self.clear_number = run_id, conf or {}, "", 0
        self.dag_id, self.last_scheduling_decision, self.backfill_id = "nightly", None, None
        self.start_date, self.run_type = datetime.now(UTC), "scheduled"
        self.dag = SimpleNamespace(tags={f"config:{name}" for name in applications})

    def __getattr__(self, name: str) -> Any:
        self.touched.append(name)
        raise RuntimeError(f"{name} is not in memory")

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._free and name != "touched":
            self.touched.append(name)
        super().__setattr__(name, value)


@pytest.fixture(scope="module", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep Airflow, which reads its settings when it is first imported, out of the home folder."""
    home = tmp_path_factory.mktemp("airflow-home")
    (home / "airflow.cfg").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(home))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        yield


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runpin]:
    """Return this process's core, which finds one version of `payments` in prod."""
    for name in [name for name in os.environ if name.startswith("RUNPIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RUNPIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RUNPIN_ENVIRONMENT", "prod")
    default.cache_clear()
    with default() as found:
        Published(found).publish()
        found.watch.refresh()
        yield found
    default.cache_clear()


@pytest.fixture
def listener(core: Runpin) -> PinningListener:
    """Return a listener that knows where the channel stands."""
    from airflow_provider_runpin.listeners import PinningListener

    del core
    return PinningListener()


def start(listener: PinningListener, run: Any) -> Any:
    """Start *run* as the scheduler does, and return it."""
    listener.on_dag_run_running(run)
    return run


def test_only_what_is_in_memory_is_touched(listener: PinningListener) -> None:
    """No attribute is read that the scheduler has not loaded, and none is written but conf and note."""
    run = start(listener, InMemory())

    assert ([], True) == (run.touched, KEY in run.conf)


def test_a_forbidden_touch_is_noticed() -> None:
    """So the test above can fail."""
    run = InMemory()
    with pytest.raises(RuntimeError, match="not in memory"):
        _ = run.consumed_asset_events
    run.state = "failed"

    assert ["consumed_asset_events", "state"] == run.touched


@pytest.mark.parametrize(("argument", "expected"), [("", []), ("open", ["open"])])
def test_the_thread_of_the_scheduler_opens_nothing(core: Runpin, argument: str, expected: list[str]) -> None:
    """Python reports no file, socket, database, import or process there; one file would be noticed."""
    del core
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, argument],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    touched, carried = json.loads(done.stdout)
    harmless = {"object.__getattr__", "builtins.id", "sys._getframe"}

    assert (expected, [[KEY]] * 3) == ([event for event in touched if event not in harmless], carried)


def test_a_proposal_takes_no_time(listener: PinningListener) -> None:
    """A thousand runs start; half of them are held up for less than five milliseconds, and in truth for far less."""
    runs = [InMemory(f"r{number}") for number in range(1000)]
    took = []
    for run in runs:
        began = time.perf_counter()
        start(listener, run)
        took.append(time.perf_counter() - began)

    assert all(KEY in run.conf for run in runs)
    assert statistics.median(took) < 0.005


def test_a_note_fits_into_airflows_table(listener: PinningListener) -> None:
    """PostgreSQL refuses a note of more than 1000 characters, and with it every run that starts at the moment."""
    pins = {f"application-{n}": f"application-{n}.prod.v1.{n:012x}" for n in range(60)}
    run = start(listener, InMemory(conf={KEY: {"pins": pins}}))
    *named, last = run.note.split(" ")

    assert (60 + 1, "…") == (len(run.conf[KEY]["pins"]), last)
    assert 900 < len(run.note) <= 1000
    assert all(str(SnapshotId.parse(name)) == name for name in named)


@pytest.mark.parametrize("given", [{"pins": {f"a{n}": f"a{n}.prod.v1.{0:012x}" for n in range(100_000)}}, "[" * 10**6])
def test_a_huge_entry_is_left_to_the_task(listener: PinningListener, given: Any) -> None:
    """Whoever may trigger a run must not be able to keep the scheduler busy."""
    took = []
    for run in (InMemory(conf={KEY: given}) for _ in range(3)):
        began = time.thread_time()
        start(listener, run)
        took.append(time.thread_time() - began)

        assert (given, "") == (run.conf[KEY], run.note)

    # Python may collect its garbage in the middle of one, which takes as long where Airflow is loaded.
    assert min(took) < 0.1


@pytest.mark.parametrize("character", ["\0", "\ud800", "\x1b"])
def test_no_character_is_unpacked_that_airflows_database_refuses(listener: PinningListener, character: str) -> None:
    """As text in a text it is harmless; written out, PostgreSQL refuses it, and with it every run that starts then."""
    given = json.dumps({"pins": {"payments": f"payments.prod.v1.{0:012x}"}, "run": "r1", "incarnation": character})
    run = start(listener, InMemory(conf={KEY: given}))

    assert ({KEY: given}, "") == (run.conf, run.note)


class Scheduler:
    """Ends itself on a signal as Airflow's does: by an exception, wherever it happens to be."""

    def exit_gracefully(self, number: int, frame: FrameType | None) -> None:
        """End."""
        del number, frame
        sys.exit(0)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to the signal meanwhile."""
        before = signal.signal(signal.SIGUSR1, self.exit_gracefully)
        try:
            yield
        finally:
            signal.signal(signal.SIGUSR1, before)


class Struck(InMemory):
    """A run that is looked at in the very moment when somebody ends the scheduler."""

    def __getattribute__(self, name: str) -> Any:
        if name == "last_scheduling_decision":
            os.kill(os.getpid(), signal.SIGUSR1)
        return super().__getattribute__(name)


def test_a_scheduler_can_be_ended_in_the_middle_of_our_listener(listener: PinningListener) -> None:
    """The exception is the scheduler's own, so it is none of ours to swallow."""
    with Scheduler().listening(), pytest.raises(SystemExit):
        start(listener, Struck())


class Task:
    """What Airflow hands to `on_starting` in a task."""


class Job:
    """What Airflow hands to `on_starting` in a component."""


@pytest.mark.parametrize(
    ("component", "command", "watching"), [(Job(), "scheduler", 1), (Task(), "scheduler", 0), (Job(), "triggerer", 0)]
)
def test_only_a_scheduler_watches(
    listener: PinningListener, monkeypatch: pytest.MonkeyPatch, component: object, command: str, watching: int
) -> None:
    """Not a task of the LocalExecutor, which has its command line, and not another component."""
    monkeypatch.setattr(sys, "argv", ["airflow", command])
    before = _watchers()
    listener.on_starting(component)

    assert watching == len(_watchers() - before)


def _watchers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "runpin-watch"}


class LockingStore(MemoryStore):
    """
    Holds a lock while it is asked, as the libraries of databases do inside.

    Attributes:
        inside: the lock.
        enough: ends what it is asked at the moment; otherwise that takes some seconds.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(FixedClock(), MemoryLedger())
        self.inside = threading.Lock()
        self.enough = threading.Event()
        self.seconds = seconds

    def channels(self, environment: str, tenant: str | None) -> Sequence[Channel]:
        """Return the channels after a while."""
        with self.inside:
            self.enough.wait(self.seconds)
            return super().channels(environment, tenant)


class Noted:
    """
    A lock that notes how each wait for it ended that had a limit.

    Attributes:
        got: whether it was got.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.got: list[bool] = []

    def acquire(self, *, timeout: float) -> bool:
        """Wait, and note how that ended."""
        self.got.append(self._lock.acquire(timeout=timeout))
        return self.got[-1]

    def release(self) -> None:
        """Let go."""
        self._lock.release()

    def __enter__(self) -> None:
        """Wait without a limit."""
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self._lock.release()


@contextmanager
def watched(store: LockingStore, folder: Path, turn: Any = None) -> Iterator[ChannelWatch]:
    """Watch *store* without a pause; *turn* is what a fork waits for."""
    world = World(folder)
    watch = ChannelWatch(
        store, world.ledger, world.host().resolver, world.clock, environment="prod", tenant=None, interval=0.0001
    )
    watch.in_round = turn or watch.in_round
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def fork_that_finds_it_free(lock: threading.Lock) -> bool:
    """Fork, and tell whether the child can have *lock*."""
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.acquire(timeout=0.01) else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@forks
def test_a_fork_takes_no_lock_of_ours_along(tmp_path: Path) -> None:
    """Who locked it does not exist in the child, which would wait for ever; a fork that got no turn proves nothing."""
    store, turn = LockingStore(0.005), Noted()
    with watched(store, tmp_path, turn) as watch:
        assert watch.wait_for_view(60)
        free = [fork_that_finds_it_free(store.inside) for _ in range(30)]
    found = [is_free for is_free, got in zip(free, turn.got, strict=True) if got]

    assert [True] * len(found) == found
    assert len(found) > 5


@forks
def test_a_store_that_hangs_holds_up_no_fork(tmp_path: Path) -> None:
    """The fork waits for a moment and goes on; and the lock is seen to be taken, so the test above can fail."""
    store = LockingStore(600)
    with watched(store, tmp_path):
        while not store.inside.locked():
            threading.Event().wait(0.001)
        began = time.perf_counter()
        free = fork_that_finds_it_free(store.inside)
        took = time.perf_counter() - began
        hangs = store.inside.locked()
        store.enough.set()

    assert (False, True) == (free, hangs)
    assert took >= FORK_PATIENCE
