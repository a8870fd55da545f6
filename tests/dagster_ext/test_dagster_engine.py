"""The stage stands: a real Dagster starts, runs what it is given, can be hit, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_stage import DagsterEngines
from demo.dagster_engine import DAEMON, DagsterEngine
from demo.dagster_query import DagsterRefused, DagsterTooSlow
from demo.dagster_state import Tick
from demo.dagster_target import Target
from demo.engine import EngineFailed
from demo.processes import DAGSTER, Family, is_running, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

OURS = str(os.getpid())
NAPS = (f"sleep 603.{OURS}", f"sleep 604.{OURS}")
"""The two commands that a run starts, and nobody else on this machine."""

DEFINITIONS = """
from subprocess import Popen

import dagster as dg


@dg.op(config_schema={"word": str})
def say(context):
    context.log.info("said " + context.op_config["word"])


@dg.op
def early():
    metadata = {"text": "a", "many": {"a": [1]}, "whole": 2**60, "part": 0.5, "true": True, "none": None}
    return dg.Output(1, metadata=metadata)


@dg.op
def late(context, number):
    if context.run.parent_run_id is None:
        raise ValueError("the first time fails")


@dg.op
def sleep():
    Popen(["sleep", "603.OURS"], env={"PATH": "/usr/bin:/bin"})
    Popen(["sleep", "604.OURS"], start_new_session=True).wait()


@dg.job
def saying():
    say()


@dg.job
def failing():
    late(early())


@dg.job
def sleeping():
    sleep()


@dg.asset
def source(context):
    return dg.MaterializeResult(metadata={"run": context.run.run_id}, data_version=dg.DataVersion(context.run.run_id))


@dg.asset(deps=[source])
def target():
    pass


@dg.asset(key=["daily", "report"], partitions_def=dg.StaticPartitionsDefinition(["monday", "tuesday"]))
def report(context):
    return dg.MaterializeResult(metadata={"day": context.partition_key})


@dg.sensor(job=saying, minimum_interval_seconds=1)
def looking(context):
    if context.cursor:
        return dg.SkipReason("stands at " + context.cursor)
    config = {"ops": {"say": {"config": {"word": "seen"}}}}
    return dg.SensorResult(run_requests=[dg.RunRequest("key", run_config=config, tags={"by": "sensor"})], cursor="one")


definitions = dg.Definitions(
    jobs=[saying, failing, sleeping],
    assets=[source, target, report],
    sensors=[looking],
    executor=dg.in_process_executor,
)
""".replace("OURS", OURS)

ADDED = """

@dg.sensor(job=saying)
def staring():
    pass


definitions = dg.Definitions.merge(definitions, dg.Definitions(sensors=[staring]))
"""

BROKEN = "raise ValueError('no such luck')"

ABANDONING = """
import os, signal, subprocess, sys
from pathlib import Path

from demo.processes import DAGSTER, guard

home = Path(sys.argv[1])
watching = guard(home, DAGSTER)
orphan = subprocess.Popen(["sleep", "600"], env={DAGSTER: str(home)}, stdout=subprocess.DEVNULL)
print(orphan.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def stage(dagster_engines: DagsterEngines) -> DagsterEngine:
    """Return the engine with the definitions of this module."""
    return dagster_engines.start(DEFINITIONS, environment={"STAGE": "set"}, dagster_yaml={"schedules": {}})


def _words(word: str) -> dict[str, object]:
    return {"ops": {"say": {"config": {"word": word}}}}


def test_a_run_succeeds(stage: DagsterEngine) -> None:
    """It carries its tags, its log can be read, and it is found by a tag."""
    run = stage.api.launch("saying", run_config=_words("hello"), tags={"team/name": "ada"})
    ended = stage.api.wait_for_run(run.id)
    said = [event.message for event in stage.api.events(run.id, step="say")]

    assert ("SUCCESS", "ada") == (ended.status, ended.tags["team/name"])
    assert {"say": ("SUCCESS", 1)} == {key: (step.status, step.attempts) for key, step in ended.steps.items()}
    assert "said hello" in said
    assert [run.id] == [found.id for found in stage.api.runs({"team/name": "ada"}, job="saying")]


def test_what_dagster_refuses_is_told_in_its_words(stage: DagsterEngine) -> None:
    """A run config that does not fit, a run that does not exist, and a wait that is too short."""
    with pytest.raises(DagsterRefused, match=r"RunConfigValidationInvalid.*word"):
        stage.api.launch("saying", run_config={"ops": {"say": {"config": {}}}})
    with pytest.raises(DagsterRefused, match="RunNotFoundError"):
        stage.api.run("absent")
    with pytest.raises(DagsterTooSlow, match="no such look of looking"):
        stage.api.wait_for_tick("looking", timeout=0.0)


def test_a_run_is_executed_again_from_its_failure(stage: DagsterEngine) -> None:
    """The step that failed runs again, with the parent's tags or without; metadata is read as it was given."""
    api = stage.api
    failed = api.wait_for_run(api.launch("failing", tags={"kept": "yes"}).id)
    [error] = [event.error for event in api.events(failed.id, "STEP_FAILURE")]
    [output] = api.events(failed.id, "STEP_OUTPUT", "early")
    asked = [api.reexecute(failed.id, from_failure=True, tags={"more": "yes"})]
    asked.append(api.reexecute(failed.id, parents_tags=False))
    again, bare = [api.wait_for_run(run.id) for run in asked]

    assert "FAILURE" == failed.status
    assert "the first time fails" in str(error)
    assert {"text": "a", "many": {"a": [1]}, "whole": 2**60, "part": 0.5, "true": True, "none": None} == output.metadata
    assert ("SUCCESS", failed.id, failed.id) == (again.status, again.parent_id, again.root_id)
    assert ({"late"}, {"early", "late"}) == (set(again.steps), set(bare.steps))
    assert ("yes", "yes", None) == (again.tags["kept"], again.tags["more"], bare.tags.get("kept"))


def test_a_sensor_launches_a_run(stage: DagsterEngine) -> None:
    """It looks once it has been started, goes on from the cursor that it is given, and stops."""
    api = stage.api
    api.start_sensor("looking")
    launching = api.wait_for_tick("looking", lambda tick: bool(tick.run_ids))
    skipping = api.wait_for_tick("looking", lambda tick: tick.status == "SKIPPED")
    api.stop_sensor("looking")
    api.set_cursor("looking", "two")
    api.start_sensor("looking")

    def at_two(tick: Tick) -> bool:
        # A look that was due when the sensor was stopped may begin after that, and writes the old cursor at its end.
        if tick.skip_reason == "stands at one":
            api.set_cursor("looking", "two")
        return tick.skip_reason == "stands at two"

    moved = api.wait_for_tick("looking", at_two)
    running = api.sensor_status("looking")
    api.stop_sensor("looking")
    [run] = api.runs({"by": "sensor"})

    assert ("SUCCESS", ("key",), (run.id,)) == (launching.status, launching.run_keys, launching.run_ids)
    assert ("stands at one", "SKIPPED") == (skipping.skip_reason, moved.status)
    assert ("RUNNING", "STOPPED") == (running, api.sensor_status("looking"))
    assert "SUCCESS" == api.wait_for_run(run.id).status


def test_assets_tell_what_they_hold_and_whether_they_are_stale(stage: DagsterEngine) -> None:
    """One that is made after the asset it depends on is fresh until that one changes."""
    api = stage.api
    both = api.wait_for_run(api.launch(assets=["source", "target"]).id)
    fresh = api.assets("source", "target")
    again = api.wait_for_run(api.launch(assets=["source"]).id)
    stale = api.asset("target")
    [made, before] = api.materializations("source")

    assert ({"FRESH"}, both.id) == ({state.stale for state in fresh.values()}, fresh["source"].data_version)
    assert ("STALE", [("DATA", "source")]) == (stale.stale, [(each.category, each.asset) for each in stale.causes])
    assert ([again.id, both.id], {"run": again.id}) == ([made.run_id, before.run_id], made.metadata)
    assert [] == api.observations("source")


def test_a_backfill_makes_one_run_per_partition(stage: DagsterEngine) -> None:
    """Each of its runs carries the tags of the backfill."""
    api = stage.api
    found = api.wait_for_backfill(api.backfill(["daily/report"], ["monday", "tuesday"], {"why": "test"}))
    made = {day: api.materialization("daily/report", day).metadata for day in ("monday", "tuesday")}

    assert ("COMPLETED_SUCCESS", {"why": "test"}) == (found.status, found.tags)
    assert [("SUCCESS", "test")] * 2 == [(run.status, run.tags["why"]) for run in found.runs]
    assert {"monday": {"day": "monday"}, "tuesday": {"day": "tuesday"}} == made


def test_a_killed_daemon_comes_back(stage: DagsterEngine) -> None:
    """Whoever waits learns at once that it is gone, unless we killed it; what was queued runs once it is back."""
    os.kill(stage.pid(DAEMON), signal.SIGKILL)
    died = wait_until(lambda: not stage.alive(DAEMON), 60.0)
    with pytest.raises(EngineFailed, match=r"(?s)ended by itself: daemon\n.*--- daemon ---\n.*dagster\.daemon"):
        stage.api.wait_for_tick("looking", lambda _: False)
    stage.kill(DAEMON)
    stage.check()
    queued = stage.api.launch("saying", run_config=_words("later"))
    stage.restart(DAEMON)

    assert (True, "SUCCESS") == (died, stage.api.wait_for_run(queued.id).status)


def test_code_is_loaded_again(stage: DagsterEngine) -> None:
    """What was added is there, for the daemon a moment later; what can not be loaded is told in Dagster's words."""
    file = stage.home / "definitions.py"
    file.write_text(BROKEN)
    with pytest.raises(DagsterRefused, match="no such luck"):
        stage.api.reload()
    file.write_text(DEFINITIONS + ADDED)
    stage.api.reload()
    status = stage.api.sensor_status("staring")
    stage.api.start_sensor("staring")
    # Until the daemon has the new code it fails every run that it takes from the queue.
    looked = stage.api.wait_for_tick("staring")
    stage.api.stop_sensor("staring")

    assert {"definitions": None} == stage.api.locations()
    assert ("STOPPED", "SKIPPED") == (status, looked.status)


def test_stopping_leaves_no_process_and_starting_again_keeps_the_runs(stage: DagsterEngine) -> None:
    """Running runs go too, even in a session of their own or without their environment; the database stays."""
    run = stage.api.launch("sleeping")
    asleep = wait_until(lambda: len(_named(*NAPS)) == 2, 120.0)
    stage.stop()
    left = [*Family(stage.home, variable=DAGSTER).members(), *_mentioning(stage.home), *_named(*NAPS)]
    stage.start()

    assert (True, []) == (asleep, left)
    assert run.id == stage.api.run(run.id).id
    stage.check()


def test_a_location_that_can_not_be_loaded_says_why(dagster_engines: DagsterEngines, tmp_path: Path) -> None:
    """The start ends with Dagster's own words and without a process, though another location is fine."""
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "fine.py").write_text("import dagster\n\ndefinitions = dagster.Definitions()\n")
    targets = [Target(tmp_path / "broken.py"), Target("fine", tmp_path, name="good")]
    with pytest.raises(EngineFailed, match=r"(?s)can not be loaded: broken\n.*no such luck"):
        dagster_engines.start(targets, home=tmp_path)

    assert [] == Family(tmp_path, variable=DAGSTER).members()


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

    assert -signal.SIGKILL == owner.returncode
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
