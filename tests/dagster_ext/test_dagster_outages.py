"""A store that is away, slow or damaged while steps read: a typed error, or the answer that the run already has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from dagster_classes import failures, labels, run_job, take_away
from dagster_ext.locations import plain_jobs
from dagster_runpin import RunpinResource, tags
from dagster_sightings import sightings
from hostile_stage import held
from runpin.assembly import Runpin
from runpin.errors import RunpinError

if TYPE_CHECKING:
    from runpin.model import Pin

SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE


@pytest.fixture
def published(core: Runpin, settings: Path, lines: Path) -> Path:
    """Return runpin's home, where something is published, and which no connection holds open."""
    del lines
    core.close()
    return settings


@contextmanager
def away(home: Path) -> Iterator[None]:
    """Take the store away."""
    take_away(home)
    yield


@contextmanager
def damaged(home: Path) -> Iterator[None]:
    """Write over the store."""
    for file in home.glob("runpin.db*"):
        file.unlink()
    (home / "runpin.db").write_bytes(b"this is no database" * 500)
    yield


def locked(home: Path) -> AbstractContextManager[None]:
    """Let another process lock all of the store, so that whoever asks waits as long as it may."""
    return held(home / "runpin.db", "PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE", "CREATE TABLE mine (a)")


@pytest.mark.parametrize(
    ("outage", "error", "retryable"),
    [(away, "ConfigUnavailable", True), (locked, "ConfigUnavailable", True), (damaged, "StoreCorrupt", False)],
)
def test_a_first_read_without_a_store_is_a_typed_error(
    published: Path,
    instance: dg.DagsterInstance,
    outage: Callable[[Path], AbstractContextManager[None]],
    error: str,
    *,
    retryable: bool,
) -> None:
    """It says what to do and whether to try again; the step that reads nothing works, and the run has no label."""
    caught: list[RunpinError] = []

    @dg.op
    def reader(runpin: RunpinResource) -> None:
        try:
            runpin.config("payments/etl")
        except RunpinError as wrong:
            caught.append(wrong)
            raise

    @dg.job(resource_defs={"runpin": RunpinResource()})
    def reading() -> None:
        plain_jobs.bystander()
        reader()

    with outage(published):
        result = reading.execute_in_process(instance=instance, raise_on_error=False)
    run = instance.get_run_by_id(result.run_id)

    assert run is not None
    assert [(error, retryable)] == [(type(each).__name__, each.retryable) for each in caught]
    assert "fix:" in str(caught[0])
    assert (["reader"], {}) == (list(failures(instance, result.run_id)), labels(run))


def test_a_proposal_carries_a_run_over_an_outage(core: Runpin, published: Path, instance: dg.DagsterInstance) -> None:
    """What the coordinator wrote is used when this host knows its documents; the ledger hears of it later."""
    found: list[Pin] = []

    @dg.op
    def reader(runpin: RunpinResource) -> None:
        runpin.config("payments/etl")
        found.append(runpin.pin("payments"))

    @dg.job(resource_defs={"runpin": RunpinResource()})
    def reading() -> None:
        reader()

    assert reading.execute_in_process(instance=instance).success
    [first] = found
    RunpinResource().core.close()
    take_away(published)
    run_id = dg.DagsterRun(job_name="reading").run_id
    proposal = f'{{"pins": {{"payments": "{first.snapshot}"}}, "by": "proposal", "run": "{run_id}"}}'
    result = reading.execute_in_process(
        instance=instance, tags={tags.CARRIED: proposal}, run_id=run_id, raise_on_error=False
    )
    del core

    assert (True, first.snapshot, False) == (result.success, found[-1].snapshot, found[-1].confirmed)


def test_a_run_outlives_its_store(core: Runpin, published: Path, instance: dg.DagsterInstance, lines: Path) -> None:
    """The step that has read goes on, and so does the next one: another process that never saw the store."""
    del core, published
    run = run_job(plain_jobs.breaking_job, instance)
    found = sightings(lines)

    assert ["breaker", "breaker", "follower"] == [seen.step for seen in found]
    assert 1 == len({(seen.snapshot, seen.number) for seen in found})
    assert (SUCCESS, {"runpin/payments": found[0].snapshot}) == (run.status, labels(run))


def test_a_document_that_nobody_has_read_yet_may_be_asked_for_again(
    published: Path, instance: dg.DagsterInstance
) -> None:
    """What was read stays; another document of the snapshot, which is on no disk of this host, is a matter of time."""
    caught: list[RunpinError] = []

    @dg.op
    def reader(runpin: RunpinResource) -> None:
        before = runpin.config("payments/etl")
        runpin.core.close()
        take_away(published)
        try:
            runpin.config("payments/limits")
        except RunpinError as wrong:
            caught.append(wrong)
        if runpin.config("payments/etl") != before:
            raise RuntimeError("it changed")

    @dg.job(resource_defs={"runpin": RunpinResource()})
    def reading() -> None:
        reader()

    assert reading.execute_in_process(instance=instance).success
    assert [("StoreUnavailable", True)] == [(type(each).__name__, each.retryable) for each in caught]


def test_a_failed_first_read_may_be_repeated(published: Path, instance: dg.DagsterInstance) -> None:
    """Once the store is back, a re-execution decides as the first run would have."""
    take_away(published)
    first = run_job(plain_jobs.reading_job, instance)
    (published / "runpin.db").rmdir()
    (published / "away.db").rename(published / "runpin.db")
    again = dg.ReexecutionOptions.from_failure(first.run_id, instance)
    second = run_job(plain_jobs.reading_job, instance, reexecution_options=again)

    assert (FAILURE, SUCCESS) == (first.status, second.status)
    assert ({}, {"runpin/payments"}) == (labels(first), set(labels(second)))


@pytest.mark.parametrize("name", ["RUNPIN_ENVIRONMENT", "RUNPIN_STORE", "RUNPIN_NO_SUCH_SETTING"])
def test_wrong_settings_end_the_step_that_reads(
    published: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The message helps; the step that reads nothing does its work."""
    del published
    monkeypatch.setenv(name, "NOT A VALUE")
    run = run_job(plain_jobs.parallel_job, instance)
    found = failures(instance, run.run_id)
    if name.endswith("NO_SUCH_SETTING"):  # a variable that means nothing is nobody's error
        assert (SUCCESS, {}) == (run.status, found)
    else:
        assert (FAILURE, ["reader"]) == (run.status, list(found))
        assert "runpin.errors.SettingsError" in found["reader"]
        assert "fix:" in found["reader"]
