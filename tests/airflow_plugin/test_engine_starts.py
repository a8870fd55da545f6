"""The stage stands: a real Airflow starts, runs what it is given, can be hit, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page

from browser import listed_run_ids
from demo.engine import AirflowEngine, EngineFailed
from demo.processes import Family, is_running, wait_until

pytestmark = pytest.mark.timeout(600)

OURS = str(os.getpid())
NAPS = (f"sleep 601.{OURS}", f"sleep 602.{OURS}")
"""The two commands that a task starts, and nobody else on this machine."""

DAGS = """
from subprocess import Popen

from airflow.sdk import dag, get_current_context, task


@dag(schedule=None)
def stage():
    @task
    def numbers():
        return [1, 2, 3]

    @task(retries=1, retry_delay=0)
    def double(number):
        if number == 2 and get_current_context()["ti"].try_number == 1:
            raise ValueError("the first try of the second one fails")
        return number * 2

    double.expand(number=numbers())


@dag(schedule=None)
def sleeper():
    @task
    def sleep():
        Popen(["sleep", "601.OURS"], env={"PATH": "/usr/bin:/bin"})
        Popen(["sleep", "602.OURS"], start_new_session=True).wait()

    sleep()


stage()
sleeper()
""".replace("OURS", OURS)


WANTED = "payments.prod.v42.3f9a1c2b7d10"

CONFS = {
    "token-1": {"runpin": {"payments": WANTED}},
    "other-version": {"runpin": {"payments": "payments.prod.v4.0123456789ab"}},
    "none": {},
    "other-digest": {"runpin": {"payments": "payments.prod.v42.ffffffffffff"}},
    "token-2": {"runpin": {"payments": WANTED, "orders": "orders.prod.v1.abcdef012345"}},
}

ABANDONING = """
import os, signal, subprocess, sys
from pathlib import Path

from demo.processes import guard

home = Path(sys.argv[1])
watching = guard(home)
orphan = subprocess.Popen(["sleep", "600"], env={"AIRFLOW_HOME": str(home)}, stdout=subprocess.DEVNULL)
print(orphan.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def stage(airflow_engine: AirflowEngine) -> AirflowEngine:
    """Return the engine with the DAGs of this module, ready to run."""
    (airflow_engine.dags / "stage.py").write_text(DAGS)
    airflow_engine.api.unpause("stage")
    airflow_engine.api.unpause("sleeper")
    return airflow_engine


@pytest.fixture(scope="module")
def tagged(stage: AirflowEngine) -> AirflowEngine:
    """Return the engine after five runs: two hold the token, one a longer one, one half of it, one none."""
    for run_id, conf in CONFS.items():
        stage.api.trigger("stage", run_id, conf)
    for run_id in CONFS:
        stage.api.wait_for_run("stage", run_id)
    return stage


@pytest.mark.engine
def test_a_run_with_a_mapped_and_a_failing_task_succeeds(stage: AirflowEngine) -> None:
    """Every map index runs, the one that fails is tried again, and what it returns can be read."""
    run_id = stage.api.trigger("stage", "mapped")["dag_run_id"]
    run = stage.api.wait_for_run("stage", run_id)
    tries = [len(stage.api.tries("stage", run_id, "double", index)) for index in range(3)]
    results = [stage.api.xcom("stage", run_id, "double", map_index=index) for index in range(3)]

    assert (run["state"], tries, results) == ("success", [1, 2, 1], [2, 4, 6])


@pytest.mark.engine
def test_runs_are_found_by_what_their_conf_contains(tagged: AirflowEngine) -> None:
    """The filter that pins rely on returns the runs that hold the token, and no other."""
    found = [run["dag_run_id"] for run in tagged.api.runs(conf_contains=WANTED)]

    assert found == ["token-1", "token-2"]


@pytest.mark.engine
@pytest.mark.browser
def test_the_web_interface_lists_the_same_runs(tagged: AirflowEngine, browser_page: Page) -> None:
    """The link that we hand out opens a list of exactly the runs that hold the token."""
    assert listed_run_ids(browser_page, tagged.url, WANTED) == ["token-2", "token-1"]


@pytest.mark.engine
def test_a_killed_scheduler_comes_back(stage: AirflowEngine) -> None:
    """A component that was killed is seen to be dead, and runs go on once it has been started again."""
    stage.kill("scheduler")
    died = wait_until(lambda: not stage.alive("scheduler"), 60.0)
    stage.api.trigger("stage", "after-the-kill")
    stage.restart("scheduler")

    assert (died, stage.api.wait_for_run("stage", "after-the-kill")["state"]) == (True, "success")


@pytest.mark.engine
def test_a_component_that_ends_by_itself_is_noticed(stage: AirflowEngine) -> None:
    """Whoever waits for something learns at once who is gone and what it wrote last."""
    os.kill(stage.pid("triggerer"), signal.SIGKILL)
    assert wait_until(lambda: not stage.alive("triggerer"), 60.0)
    last = stage.logs("triggerer", tail=1)
    with pytest.raises(EngineFailed, match="ended by itself: triggerer") as failed:
        stage.api.wait_for_dag("no-such-dag")
    stage.restart("triggerer")

    # Not its first words: it says something each minute, and a busy suite takes more of that than the message holds.
    assert last in str(failed.value)
    assert stage.alive("triggerer")


@pytest.mark.engine
def test_a_start_that_cannot_work_says_why(tmp_path: Path) -> None:
    """It ends with Airflow's own words and without a process."""
    nowhere = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/absent/airflow.db"}
    with pytest.raises(EngineFailed, match="unable to open database file"):
        AirflowEngine(tmp_path, tmp_path / "dags", environment=nowhere).start()

    assert Family(tmp_path).members() == []


@pytest.mark.engine
def test_stopping_leaves_no_process_and_starting_again_keeps_the_runs(stage: AirflowEngine) -> None:
    """Running tasks go too, even in a session of their own or without their environment; the database stays."""
    stage.api.trigger("sleeper", "asleep")
    asleep = wait_until(lambda: len(_named(*NAPS)) == 2, 120.0)
    stage.stop()
    left = [*Family(stage.home).members(), *_mentioning(stage.home), *_named(*NAPS)]
    stage.start()

    assert (asleep, left) == (True, [])
    assert stage.api.run("sleeper", "asleep")["dag_run_id"] == "asleep"
    stage.check()


def test_an_engine_whose_owner_was_killed_is_ended_by_its_guard(tmp_path: Path) -> None:
    """Nothing outlives the process that started it, not even when that had no chance to clean up."""
    owner = subprocess.run(
        [sys.executable, "-c", ABANDONING, str(tmp_path)],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    left_behind = int(owner.stdout)

    assert owner.returncode == -signal.SIGKILL
    assert wait_until(lambda: not is_running(left_behind), 60.0)


def _named(*commands: str) -> list[str]:
    lines = (_read(folder / "cmdline").replace("\0", " ").strip() for folder in Path("/proc").glob("[0-9]*"))
    return [line for line in lines if line in commands]


def _mentioning(home: Path) -> list[str]:
    """Return the processes whose command line, environment or current folder names *home*."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            where = str((folder / "cwd").readlink())
            if str(home) in "".join((where, _read(folder / "cmdline"), _read(folder / "environ"))):
                found.append(f"{folder.name}: {_read(folder / 'cmdline')}")
    return found


def _read(file: Path) -> str:
    with contextlib.suppress(OSError):
        return file.read_text(errors="replace")
    return ""
