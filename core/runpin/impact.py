"""
What a Snapshot has reached: every run that used it, and what to do so that they use another one.

The ledger knows runs. Which tasks, assets and partitions a run worked on is the engine's to say (`runpin.engines`).
The plan repeats whole runs: one run with two snapshots is what a pin prevents, and nobody records which task has read.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runpin.errors import Conflict
from runpin.model import Pin, RunKey, SnapshotId
from runpin.overrides import command

if TYPE_CHECKING:
    from runpin.ports import PinLedger, RunSearch

_PAGE = 500

_REEXECUTION = (
    "mutation Repeat($run: String!, $tags: [ExecutionTag!]) { launchRunReexecution(reexecutionParams: "
    "{parentRunId: $run, strategy: ALL_STEPS, useParentRunTags: true, extraTags: $tags}) "
    "{ __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"
)


@dataclass(frozen=True, slots=True)
class Reached:
    """A run that used the Snapshot: the pin that says so, and the run's newest one."""

    pin: Pin
    newest: Pin

    @property
    def still(self) -> bool:
        """Whether the run uses it now; otherwise it switched, or was repeated with another one."""
        return self.newest.digest == self.pin.digest


@dataclass(frozen=True, slots=True)
class Step:
    """
    One request that repeats a run.

    Attributes:
        pin: the run's newest pin.
        name: a command to give first, so that the rerun gets the other Snapshot; None where the request says it.
        path: below the address of Airflow's API server, or of Dagster's web server.
        body: the JSON to post there.
    """

    pin: Pin
    name: str | None
    path: str
    body: dict[str, Any]

    @property
    def run(self) -> RunKey:
        """Which run."""
        return self.pin.run

    def lines(self) -> Iterator[str]:
        """Yield the commands for a shell; the variables `AIRFLOW`, `TOKEN` and `DAGSTER` are the reader's."""
        if self.name is not None:
            yield self.name
        address = '"$AIRFLOW"' if self.run.engine == "airflow" else '"$DAGSTER"'
        token = '-H "Authorization: Bearer $TOKEN" ' if self.run.engine == "airflow" else ""
        body = shlex.quote(json.dumps(self.body, ensure_ascii=False))
        yield f"curl -fsS {token}-H 'Content-Type: application/json' {address}{shlex.quote(self.path)} -d {body}"


def reached(ledger: PinLedger, snapshot: SnapshotId) -> Iterator[Reached]:
    """
    Yield every run that used *snapshot*, oldest first; each once.

    Raises:
        StoreUnavailable
    """
    seen, after = set(), None
    while True:
        page = ledger.runs_of(snapshot, after=after, limit=_PAGE)
        for pin in page.pins:
            if (pin.run, pin.scope) not in seen:
                seen.add((pin.run, pin.scope))
                yield Reached(pin, ledger.get(pin.run, pin.scope) or pin)
        after = page.next
        if after is None:
            return


def plan(runs: Sequence[Reached], to: SnapshotId, reason: str) -> list[Step]:
    """Return what repeats those of *runs* that still use what they reached, with *to* instead, where engines can."""
    return [
        _STEPS[each.pin.run.engine](each.newest, to, reason) for each in runs if each.still and can_repeat(each.pin)
    ]


def check_deployments(steps: Iterable[Step], runs: RunSearch) -> None:
    """
    Check that *steps* can mean runs of one deployment of each engine only, as there is one address for each.

    Args:
        steps: what is to be repeated.
        runs: where all runs are found; one that is not there has read nothing, and nobody knows of it.

    Raises:
        Conflict: they span several, or another one has a run that its engine cannot tell from one of them; it may be
            repeated in its place.
        StoreUnavailable
    """
    spanned: dict[str, set[str]] = {}
    for step in steps:
        engine = step.run.engine
        deployments = spanned.setdefault(engine, set())
        deployments |= _deployments(step.run, runs)
        if len(deployments) > 1:
            raise Conflict(
                f"the runs to be repeated, or others just like them, are of several deployments of {engine}, "
                "which is asked at one address",
                where=", ".join(sorted(deployments)),
                fix="name the one at that address with --deployment",
            )


def _deployments(run: RunKey, runs: RunSearch) -> set[str]:
    """Return which deployment has *run*, and which have one that differs in nothing else."""
    others = (pin.run for pin in runs.pins_of_run(run.run_id, run.job))
    return {run.deployment, *(other.deployment for other in others if replace(other, deployment=run.deployment) == run)}


def can_repeat(pin: Pin) -> bool:
    """Tell whether an engine can repeat the run of *pin*; what stands for a backfill is no run of its own."""
    return pin.run.engine in _STEPS and not pin.run.run_id.startswith("(") and not pin.run.job.startswith("(")


def _clear(pin: Pin, to: SnapshotId, reason: str) -> Step:
    run = pin.run
    name = command(run, "--snapshot", str(to), "--reason", reason)
    path = f"/api/v2/dags/{quote(run.job, safe='')}/dagRuns/{quote(run.run_id, safe='')}/clear"
    return Step(pin, name, path, {"dry_run": False, "only_failed": False})


def _reexecute(pin: Pin, to: SnapshotId, _reason: str) -> Step:
    run = pin.run
    tags = [{"key": "runpin.override", "value": str(to)}]
    body = {"query": _REEXECUTION, "variables": {"run": run.run_id, "tags": tags}}
    return Step(pin, None, "/graphql", body)


_STEPS: Mapping[str, Callable[[Pin, SnapshotId, str], Step]] = {"airflow": _clear, "dagster": _reexecute}
