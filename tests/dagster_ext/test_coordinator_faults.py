"""Nothing that goes wrong with the run coordinator reaches Dagster, and the log says it once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.instance.config import dagster_instance_config

from dagster_classes import labels, publish
from dagster_queue import LABEL, LONG, Queueing, created, has_seen, into, ours, submit, taken
from dagster_runpin import PinningRunCoordinator, tags
from dagster_runpin.coordinator import PATIENCE
from demo.processes import wait_until
from runpin.assembly import Runpin
from runpin.rerunning import Rerun


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what runpin has logged once there is something: some of it is said by the thread that looks."""
    assert wait_until(lambda: bool(ours(caplog)), LONG)
    return ours(caplog)


@pytest.mark.parametrize(
    "config",
    [
        {"store": "no such thing"},
        {"store": "sqlite:////proc/no/such/folder/runpin.db"},
        {"store": "postgresql://ada:secret@127.0.0.1:one/runpin"},
        {"environment": "NOT A NAME"},
        {"applications": "a b, /"},
    ],
    ids=",".join,
)
def test_wrong_settings_cost_the_proposal_only(
    queueing: Queueing, caplog: pytest.LogCaptureFixture, config: Mapping[str, str]
) -> None:
    """Runs are queued, and the log says once what is wrong, without the password."""
    with caplog.at_level(logging.WARNING), queueing(runpin=config) as instance:
        runs = [submit(instance) for _ in range(3)]
        said = complaints(caplog)

    assert ({dg.DagsterRunStatus.QUEUED}, {()}) == ({run.status for run in runs}, {tuple(labels(run)) for run in runs})
    assert 1 == len(said)
    assert "secret" not in said[0]


class Broken(PinningRunCoordinator):
    """Fails where a test says so."""

    def __init__(self, failure: Callable[[], BaseException], *, late: bool) -> None:
        self.failure, self.late, self.failed = failure, late, 0
        super().__init__()

    def _open(self) -> Runpin:
        if not self.late:
            self._fail()
        return super()._open()

    def _kin(self, run: dg.DagsterRun, rerun: Rerun) -> dg.DagsterRun | None:
        if self.late:
            self._fail()
        return super()._kin(run, rerun)

    def _fail(self) -> None:
        self.failed += 1
        raise self.failure()


@pytest.mark.parametrize("late", [False, True], ids=["while it is wired", "while a run is submitted"])
@pytest.mark.parametrize("failure", [SystemExit, RuntimeError, RecursionError, GeneratorExit, MemoryError])
def test_no_error_of_ours_reaches_dagster(
    core: Runpin,
    instance: dg.DagsterInstance,
    caplog: pytest.LogCaptureFixture,
    failure: Callable[[], BaseException],
    *,
    late: bool,
) -> None:
    """Not even one that ends a process; it is logged once."""
    del core
    coordinator = Broken(failure, late=late)
    coordinator.register_instance(instance)
    if late:
        has_seen(coordinator)
    queued = [into(coordinator, created(instance)) for _ in range(3)]
    coordinator.dispose()

    assert [dg.DagsterRunStatus.QUEUED] * 3 == [run.status for run in queued]
    assert coordinator.failed > 0
    assert 1 == len(ours(caplog))


class NoTags:
    """An instance that cannot write tags, and otherwise is the real one."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._real = instance

    def add_run_tags(self, *_: object) -> None:
        """Fail as a database does that is locked."""
        raise dg.DagsterInvariantViolationError("database is locked")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_tag_that_cannot_be_written_costs_the_label_only(core: Runpin, instance: dg.DagsterInstance) -> None:
    """The run is queued, and its first read decides."""
    del core
    coordinator: PinningRunCoordinator = PinningRunCoordinator()
    instance_without: Any = NoTags(instance)
    coordinator._instance_weakref = lambda: instance_without  # type: ignore[assignment]  # noqa: SLF001
    has_seen(coordinator)
    queued = into(coordinator, created(instance))
    coordinator.dispose()

    assert (dg.DagsterRunStatus.QUEUED, {}) == (queued.status, labels(queued))


def test_what_people_write_into_tags_does_no_harm(
    core: Runpin, queue: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong tag is reported by the run that has it; the log stays for what is wrong with us."""
    del core
    texts = ("garbage", "payments.prod.v1.aaaaaaaaaaaa " * 4_000, "\x00💥")
    wrong = [{tag: text} for tag in (tags.OVERRIDE, tags.CARRIED, LABEL) for text in texts]
    wrong += [{tag: text} for tag in (tags.READS, tags.BEHAVIOR, tags.BACKFILL) for text in texts[:1]]
    found = []
    for given in wrong:
        run = submit(queue, given)
        again = submit(queue, parent_run_id=run.run_id, root_run_id=run.run_id)
        found.append((list(given), run.status, set(labels(again))))

    assert [] == [each for each in found if each[1:] != (dg.DagsterRunStatus.QUEUED, {LABEL})]
    assert [] == ours(caplog)


def test_a_dead_store_delays_nobody(queueing: Queueing, caplog: pytest.LogCaptureFixture) -> None:
    """The constructor waits once, about as long as it says; submissions do not wait, and the log has it once."""
    with queueing(runpin={"store": "postgresql://ada:secret@127.0.0.1:1/runpin"}) as instance:
        constructed = taken(lambda: instance.run_coordinator)
        took = [taken(partial(submit, instance)) for _ in range(10)]
        said = complaints(caplog)

    assert PATIENCE <= constructed < PATIENCE + 30
    # A busy machine may be slow with each of them, but hardly with all; one that waits is never quicker than this.
    assert min(took) < PATIENCE
    assert ([True], False) == (["does not answer" in each for each in said], "secret" in said[0])


def test_dispose_ends_the_thread(core: Runpin, queueing: Queueing) -> None:
    """No thread of ours outlives the instance, so a process that opens many keeps none."""
    del core
    before = set(threading.enumerate())
    with queueing() as instance:
        submit(instance)
        [watching] = set(threading.enumerate()) - before
    watching.join(LONG)

    assert not watching.is_alive()


def test_dagster_accepts_the_settings_in_its_own_file(
    core: Runpin, queueing: Queueing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its validation knows our fields and its own, environment variables included, and refuses a misspelt one."""
    monkeypatch.setenv("OUR_STORE", core.settings.store_url.get_secret_value())
    own = {
        "environment": "prod",
        "tenant": {"env": "OUR_TENANT"},
        "channel": "stable",
        "deployment": "dagster",
        "store": {"env": "OUR_STORE"},
        "applications": "payments",
    }
    monkeypatch.setenv("OUR_TENANT", "acme")
    queue = {"max_concurrent_runs": 3, "tag_concurrency_limits": [{"key": LABEL, "limit": 1}]}
    publish(core, tenant="acme")
    with queueing(runpin=own, **queue) as instance:
        has_seen(instance.run_coordinator)
        run = submit(instance, {tags.READS: ""})
        limits = instance.get_concurrency_config().run_queue_config
    (tmp_path / "dagster.yaml").write_text(
        "run_coordinator: {module: dagster_runpin, class: PinningRunCoordinator, config: {runpin: {stor: x}}}"
    )

    assert {LABEL} == set(labels(run))
    assert limits is not None
    assert (3, [{"key": LABEL, "limit": 1}]) == (limits.max_concurrent_runs, limits.tag_concurrency_limits)
    assert dagster_instance_config(str(tmp_path))
    with pytest.raises(Exception, match="stor"), dg.DagsterInstance.from_config(str(tmp_path)) as wrong:
        assert wrong.run_coordinator
