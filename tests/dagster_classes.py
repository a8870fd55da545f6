"""Dagster's real classes in the process of a test, without an engine: an instance, a store, and runs of real jobs."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dagster_sightings import FILE
from runpin.assembly import Runpin
from runpin.canonical import canonical, snapshot_of
from runpin.errors import RevisionConflict, UnknownChannel
from runpin.model import STABLE, Commit, Pin, Scope, SnapshotId, digest_of

if TYPE_CHECKING:
    import dagster as dg

    from dagster_runpin import RunpinResource

COMMIT = Commit("c" * 40, "test", "main", "Ada <ada@example.org>", "change", datetime(2026, 1, 1, tzinfo=UTC))


def publish(core: Runpin, application: str = "payments", *, tenant: str | None = None) -> SnapshotId:
    """Publish a version that no other one equals, from whichever process, and return its id."""
    scope = Scope(application, core.settings.environment, tenant)
    number = int(secrets.token_hex(6), 16)
    bodies = {"etl": canonical({"number": number}), "limits": canonical({"most": number})}
    core.store.put_objects({digest_of(body): body for body in bodies.values()})
    documents = {name: digest_of(body) for name, body in bodies.items()}
    snapshot = core.store.commit(snapshot_of(scope, documents), COMMIT, "ada").id
    while True:
        try:
            revision = core.store.channel(scope, STABLE).revision
        except UnknownChannel:
            revision = 0
        try:
            core.store.move(scope, STABLE, snapshot, expected_revision=revision, actor="ada", reason="test")
        except RevisionConflict:
            continue
        return snapshot


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set the variables that this process and the steps of its runs read, and return runpin's home."""
    for name in [name for name in os.environ if name.startswith(("RUNPIN_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "runpin"
    monkeypatch.setenv("RUNPIN_HOME", str(home))
    monkeypatch.setenv("RUNPIN_ENVIRONMENT", "prod")
    monkeypatch.setenv("RUNPIN_REFRESH_INTERVAL", "0.1")
    return home


@pytest.fixture
def core(settings: Path) -> Iterator[Runpin]:
    """Return a core that finds `payments` and `reports` published for prod."""
    del settings
    with closing_resources(), Runpin.open() as found:
        publish(found, "payments")
        publish(found, "reports")
        yield found


@pytest.fixture(scope="session")
def blank_dagster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an instance that nobody has used, whose databases took their time to be made."""
    home = tmp_path_factory.mktemp("blank") / "dagster"
    with open_instance(home) as instance:
        instance.all_logs("no such run")
    return home


@pytest.fixture
def instance(tmp_path: Path, blank_dagster: Path, settings: Path) -> Iterator[dg.DagsterInstance]:
    """Return a Dagster instance of its own, on disk, so that steps may be processes."""
    del settings
    with open_instance(tmp_path / "dagster", blank_dagster) as found:
        yield found
    # The process that steps are forked from keeps the variables of the test that needed it first.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # noqa: SLF001 - nothing else ends it


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of what steps have seen."""
    file = tmp_path / "sightings" / "lines"
    file.parent.mkdir()
    monkeypatch.setenv(FILE, str(file))
    return file


@contextmanager
def open_instance(home: Path, blank: Path | None = None, **overrides: Any) -> Iterator[dg.DagsterInstance]:
    """Give a Dagster instance in the new folder *home*, a copy of *blank*, with these parts of `dagster.yaml`."""
    import dagster as dg

    if blank is None:
        home.mkdir()
    else:
        shutil.copytree(blank, home)
    quiet = {"telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(home), overrides={**quiet, **overrides}) as instance:
        yield instance


@contextmanager
def closing_resources(*resources: RunpinResource) -> Iterator[None]:
    """Close what resources of these values, and of none at all, have opened meanwhile in this process."""
    from dagster_runpin import RunpinResource
    from dagster_runpin.resource import _core

    _core.cache_clear()
    opened = [each.core for each in (RunpinResource(), *resources)]
    try:
        yield
    finally:
        for each in opened:
            each.close()
        _core.cache_clear()


def run_job(job: Callable[[], dg.JobDefinition], instance: dg.DagsterInstance, **how: Any) -> dg.DagsterRun:
    """Execute what the function *job* of a module returns, each step as its own process, and return its run."""
    import dagster as dg

    result = dg.execute_job(dg.reconstructable(job), instance, raise_on_error=False, **how)
    run = instance.get_run_by_id(result.run_id)

    assert run is not None
    return run


def take_away(home: Path) -> None:
    """Make the store in *home* one that nobody can open, for this process and for those to come."""
    database = home / "runpin.db"
    database.rename(home / "away.db")
    database.mkdir()


def bring_back(home: Path) -> None:
    """Undo `take_away`."""
    database = home / "runpin.db"
    database.rmdir()
    (home / "away.db").rename(database)


def pins_of(core: Runpin, run: dg.DagsterRun) -> tuple[Pin, ...]:
    """Return what the ledger knows about *run*."""
    return core.ledger.pins_of_run(run.run_id, run.job_name)


def engine_events(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Return what runpin told the log of a run."""
    said = [entry.dagster_event.message for entry in instance.all_logs(run_id) if entry.dagster_event]
    return [message for message in said if message and message.startswith("runpin:")]


def failures(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """Return why steps of a run failed, all causes included, by the step's key."""
    found = {}
    for entry in instance.all_logs(run_id):
        event = entry.dagster_event
        if event is not None and event.is_step_failure and event.step_failure_data.error is not None:
            found[entry.step_key or ""] = event.step_failure_data.error.to_string()
    return found


def labels(run: dg.DagsterRun) -> Mapping[str, str]:
    """Return what a run shows of its snapshots."""
    return {name: value for name, value in run.tags.items() if name.startswith("runpin/")}


def publish_documents(core: Runpin, documents: Mapping[str, object], application: str = "payments") -> SnapshotId:
    """Publish exactly *documents*, and move the channel there."""
    scope = Scope(application, core.settings.environment, core.settings.tenant)
    bodies = {name: canonical(value) for name, value in documents.items()}
    core.store.put_objects({digest_of(body): body for body in bodies.values()})
    digests = {name: digest_of(body) for name, body in bodies.items()}
    snapshot = core.store.commit(snapshot_of(scope, digests), COMMIT, "ada").id
    move_to(core, snapshot, STABLE)
    return snapshot


def move_to(core: Runpin, snapshot: SnapshotId, channel: str = STABLE) -> int:
    """Move the channel of the snapshot's application to *snapshot*, and return its revision."""
    scope = Scope(snapshot.application, snapshot.environment, core.settings.tenant)
    try:
        revision = core.store.channel(scope, channel).revision
    except UnknownChannel:
        revision = 0
    moved = core.store.move(scope, channel, snapshot, expected_revision=revision, actor="ada", reason="test")
    return moved.revision
