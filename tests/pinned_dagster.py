"""A real Dagster beside a store whose configuration changes all the time, and the question whether its runs notice."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dagster_classes import publish
from dagster_sightings import FILE, Seen, sightings
from demo.dagster_api import FINISHED, Backfill, DagsterApi, Run
from demo.dagster_engine import DagsterEngine
from demo.dagster_query import DagsterTooSlow
from demo.dagster_target import Target
from runpin.assembly import Runpin
from runpin.model import Pin, SnapshotId

if TYPE_CHECKING:
    from dagster_stage import DagsterEngines

TESTS = Path(__file__).resolve().parent
PATHS = Target("dagster_ext.locations.launch_paths", TESTS, "paths")
LABEL = "runpin/payments"

PAUSE = 0.3
"""Seconds between two versions."""

QUEUE: Mapping[str, Any] = {"dequeue_interval_seconds": 1}
PINNING: Mapping[str, Any] = {"module": "dagster_runpin", "class": "PinningRunCoordinator", "config": QUEUE}
_NOTHING: Mapping[str, str] = MappingProxyType({})
DEFAULT: Mapping[str, Any] = {"module": "dagster", "class": "QueuedRunCoordinator", "config": QUEUE}


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


@contextmanager
def pinned_dagster(
    engines: DagsterEngines,
    folder: Path,
    coordinator: Mapping[str, Any] = PINNING,
    *,
    store: str | None = None,
    variables: Mapping[str, str] = _NOTHING,
) -> Iterator[PinnedDagster]:
    """
    Give an engine in *folder* that finds `payments` published.

    Args:
        engines: starts it.
        folder: for the engine, and for runpin's home and what steps report.
        coordinator: the run coordinator, as `dagster.yaml` names it.
        store: the address of the store; the embedded one by default.
        variables: what else every component finds in its environment.
    """
    surrounding = {**environment(folder / "runpin"), **variables}
    with Runpin.open(home=folder / "runpin" / "home", environment="prod", store=store) as core:
        # Before the engine starts: a coordinator that has seen an empty store looks again after a while.
        first = publish(core)
        engine = engines.start(
            PATHS,
            home=folder / "home",
            environment=surrounding if store is None else {**surrounding, "RUNPIN_STORE": store},
            dagster_yaml={"run_coordinator": coordinator, "run_retries": {"enabled": True}},
        )
        yield PinnedDagster(engine, folder / "runpin", core, coordinator["class"] == PINNING["class"], [first])
        engines.stop()


@dataclass
class PinnedDagster:
    """
    The engine, the store that its runs read, and what they have reported; everything is below *folder*.

    Attributes:
        engine: the engine.
        folder: holds runpin's home and what steps report.
        core: the core with the same settings as the engine's.
        proposing: whether the engine has our coordinator.
        published: every version, oldest first.
    """

    engine: DagsterEngine
    folder: Path
    core: Runpin
    proposing: bool
    published: list[SnapshotId]

    @property
    def api(self) -> DagsterApi:
        """The engine's GraphQL interface."""
        return self.engine.api

    def publish(self) -> SnapshotId:
        """Publish a version of `payments` that no other one equals."""
        snapshot = publish(self.core)
        self.published.append(snapshot)
        return snapshot

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Publish version after version meanwhile."""
        enough = Event()

        def go_on() -> None:
            while not enough.wait(PAUSE):
                self.publish()

        thread = Thread(target=go_on, name="publisher")
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join()

    def open_gate(self, name: str) -> None:
        """Let something go on that waits for the test."""
        (self.folder / "reports" / name).touch()

    def finish(self, run: Run, status: str = "SUCCESS") -> Run:
        """Wait until a run has ended in *status*, and return it."""
        ended = self.api.wait_for_run(run.id, 180)

        events = self.api.events(run.id) if status != ended.status else []
        assert status == ended.status, "\n".join(each.error or each.message for each in events)
        return ended

    def backfill(self, assets: Sequence[str], partitions: Sequence[str], **how: Any) -> Backfill:
        """Make *partitions* of *assets*, and return the backfill once all its runs have succeeded."""
        done = self.api.wait_for_backfill(self.api.backfill(assets, partitions, **how))

        assert ({"SUCCESS"}, "COMPLETED_SUCCESS") == ({run.status for run in done.runs}, done.status)
        return done

    def wait_for_runs(
        self, tags: Mapping[str, str], number: int = 1, timeout: float = 180.0, status: str = "SUCCESS"
    ) -> list[Run]:
        """Return the runs with these tags once *number* of them have ended in *status*."""

        def enough() -> list[Run]:
            found = [run for run in self.api.runs(tags) if run.status == status]
            return found if len(found) >= number else []

        return self.api.wait_for(enough, timeout, lambda: f"only {self.api.runs(tags)}")

    def wait_for_retry(self, failed: Run, status: str = "SUCCESS") -> Run:
        """
        Return the run by which Dagster itself repeats *failed*, once it has ended in *status*.

        Dagster 1.13 passes over a run for good if it looks at it between the run's last event and its status. So it
        is made to look again at every run that has failed; it repeats none twice.
        """
        asked = {"dagster/parent_run_id": failed.id}
        for _ in range(3):
            with suppress(DagsterTooSlow):
                return self.wait_for_runs(asked, timeout=40.0, status=status)[0]
            with closing(sqlite3.connect(self.engine.home / "storage" / "history" / "runs.db")) as runs, runs:
                runs.execute("UPDATE kvs SET value = '0' WHERE key = 'EVENT_LOG_CONSUMER_CURSOR-PIPELINE_FAILURE'")
        return self.wait_for_runs(asked, status=status)[0]

    def command(self, *arguments: str) -> str:
        """Run Dagster's command line in the engine's folder, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "dagster", *arguments],
            env=self.engine.environment(),
            cwd=self.engine.home,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def seen(self, *runs: Run) -> list[Seen]:
        """Return what the steps of *runs* have reported, in order."""
        ids = {run.id for run in runs}
        return [line for line in sightings(self.folder / "reports" / "lines") if line.run_id in ids]

    def pin(self, run: Run) -> Pin:
        """Return the one pin of a run."""
        [pin] = self.core.ledger.pins_of_run(run.id, run.job)
        return pin

    def one_snapshot(self, *runs: Run, bypassing: bool = False) -> Pin:
        """
        Return the first pin of *runs* that have to agree, after asking everybody: the ledger, each step, the tags.

        Args:
            runs: one run, or those that are one piece of work; all have ended.
            bypassing: whether they were not submitted to the coordinator.
        """
        pins, seen = [self.pin(run) for run in runs], self.seen(*runs)
        pin = pins[0]
        document = self.core.resolver.document(self.core.store.find(pin.snapshot), "etl")
        ended = [self.api.run(run.id) for run in runs]
        firsts = {line.run_id: line.shown for line in reversed(seen)}
        attempts = sum(s.attempts for run in ended for key, s in run.steps.items() if key != "cause")

        assert {pin.snapshot} == {each.snapshot for each in pins}
        assert {(str(pin.snapshot), document["number"])} == {(line.snapshot, line.number) for line in seen}
        assert attempts == len({(line.run_id, line.step, line.attempt) for line in seen})
        assert {(0, True)} == {(each.epoch, each.confirmed) for each in pins}
        assert {str(pin.snapshot)} == {run.tags.get(LABEL) for run in ended}
        if self.proposing and not bypassing:
            # The label was there before the first step.
            assert dict.fromkeys((run.id for run in runs), str(pin.snapshot)) == firsts
        return pin

    def found_by_tag(self) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """
        Return which runs Dagster finds by the label of each snapshot, and which have its pin in the ledger.

        Of all that are over by now: one that the schedule launches meanwhile has its label before its pin, or after it.
        """
        over = {run.id: run.job for run in self.api.runs(statuses=sorted(FINISHED)) if run.steps}
        pinned: dict[str, set[str]] = {}
        for run_id, job in over.items():
            for pin in self.core.ledger.pins_of_run(run_id, job):
                pinned.setdefault(str(pin.snapshot), set()).add(run_id)
        tagged = {each: {run.id for run in self.api.runs({LABEL: each}) if run.id in over} for each in pinned}
        return tagged, pinned

    def corrections(self, *runs: Run) -> list[str]:
        """Return what runpin had to explain in the logs of *runs*."""
        said = [each.message for run in runs for each in self.api.events(run.id, "ENGINE_EVENT")]
        return [message for message in said if message.startswith("runpin:")]
