"""
A small client of Dagster's GraphQL interface: what a demonstration or a test asks an engine about its runs.

What it says about assets, sensors and the machinery itself is in `dagster_state`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from demo.dagster_query import METADATA, WRONG, Json, asset_key, complaint, listed, metadata, pairs
from demo.dagster_state import DagsterState

FINISHED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
"""The states in which a run stays for good."""

ASSET_JOB = "__ASSET_JOB"
"""The job that Dagster makes up for runs of assets."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_PAGE = 1000
_BUSY = frozenset({"REQUESTED", "CANCELING", "FAILING"})

_RUN = """
  __typename runId jobName status rootRunId parentRunId creationTime startTime endTime
  tags { key value } assetSelection { path } stepStats { stepKey status attempts { startTime } }
"""
_LAUNCHED = f"{WRONG} ... on LaunchRunSuccess {{ run {{ {_RUN} }} }}"
_INVALID = "... on RunConfigValidationInvalid { errors { message } }"


@dataclass(frozen=True, slots=True)
class Step:
    """
    One step of a run.

    Attributes:
        status: `SUCCESS`, `FAILURE`, `SKIPPED`, `IN_PROGRESS`; None before it has begun.
        attempts: how often it has begun.
    """

    status: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Run:
    """
    A run; times are seconds since 1970.

    Attributes:
        id: its id.
        job: the name of its job, `ASSET_JOB` for assets.
        status: `QUEUED`, `STARTED`, `SUCCESS` and so on.
        tags: all but the hidden ones.
        root_id: the first run of the group that re-executions form; None when it has none.
        parent_id: the run that this one executes again.
        assets: the assets it was asked to make, as `first/second`; empty for all of the job.
        steps: each step that has begun, by its key.
        created: when it was submitted.
        started: when its worker began.
        ended: when it had finished.
    """

    id: str
    job: str
    status: str
    tags: dict[str, str]
    root_id: str | None
    parent_id: str | None
    assets: tuple[str, ...]
    steps: dict[str, Step]
    created: float
    started: float | None
    ended: float | None


@dataclass(frozen=True, slots=True)
class Event:
    """
    One line of a run's log.

    Attributes:
        type: Dagster's name for it, such as `STEP_OUTPUT` or `ENGINE_EVENT`; `LogMessageEvent` for what code logs.
        message: what it says.
        step: the key of its step; None when the run itself speaks.
        level: `INFO`, `ERROR` and so on.
        metadata: what is attached, by label.
        error: what went wrong, with the stack.
    """

    type: str
    message: str
    step: str | None
    level: str
    metadata: dict[str, Any]
    error: str | None


@dataclass(frozen=True, slots=True)
class Backfill:
    """A backfill of assets: its state, its own tags, and its runs, oldest first."""

    id: str
    status: str
    tags: dict[str, str]
    runs: tuple[Run, ...]


class DagsterApi(DagsterState):
    """
    What one may ask an engine: its runs, re-executions, backfills and logs, and all of `DagsterState`.

    Every method raises `DagsterRefused` when Dagster says no; those that wait raise `DagsterTooSlow` after *timeout*
    seconds.
    """

    # Runs

    def launch(
        self,
        job: str = ASSET_JOB,
        *,
        assets: Sequence[str] = (),
        tags: Mapping[str, str] = _NOTHING,
        run_config: Mapping[str, Any] = _NOTHING,
        partition: str | None = None,
    ) -> Run:
        """Submit a run of *job*, or of some *assets* written as `first/second`, and return it."""
        selector = {**self.repository(), "jobName": job}
        if assets:
            selector["assetSelection"] = [asset_key(asset) for asset in assets]
        extra = {"dagster/partition": partition} if partition is not None else {}
        parameters = {
            "selector": selector,
            "runConfigData": dict(run_config),
            "mode": "default",
            "executionMetadata": {"tags": listed({**tags, **extra})},
        }
        question = f"mutation($p: ExecutionParams!) {{ launchRun(executionParams: $p) {{ {_LAUNCHED} {_INVALID} }} }}"
        return _run(self.ask(question, "LaunchRunSuccess", p=parameters)["run"])

    def reexecute(
        self,
        run_id: str,
        *,
        from_failure: bool = False,
        tags: Mapping[str, str] = _NOTHING,
        parents_tags: bool | None = None,
    ) -> Run:
        """
        Submit a run that does again what *run_id* did, and return it.

        Args:
            run_id: the parent.
            from_failure: skip the steps that succeeded.
            tags: more tags, which win over the parent's.
            parents_tags: whether the parent's tags are copied; Dagster's default when absent.
        """
        parameters: Json = {
            "parentRunId": run_id,
            "strategy": "FROM_FAILURE" if from_failure else "ALL_STEPS",
            "extraTags": listed(tags),
        }
        if parents_tags is not None:
            parameters["useParentRunTags"] = parents_tags
        question = "mutation($p: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $p) { %s } }"
        return _run(self.ask(question % f"{_LAUNCHED} {_INVALID}", "LaunchRunSuccess", p=parameters)["run"])

    def run(self, run_id: str) -> Run:
        """Return one run."""
        question = f"query($r: ID!) {{ runOrError(runId: $r) {{ {WRONG} ... on Run {{ {_RUN} }} }} }}"
        return _run(self.ask(question, "Run", r=run_id))

    def runs(
        self, tags: Mapping[str, str] = _NOTHING, *, job: str | None = None, statuses: Sequence[str] = ()
    ) -> list[Run]:
        """Return the runs that carry all *tags*, oldest first; of one *job*, in one of the *statuses*, if asked."""
        wanted: Json = {"tags": listed(tags)}
        if job is not None:
            wanted["pipelineName"] = job
        if statuses:
            wanted["statuses"] = list(statuses)
        question = (
            f"query($f: RunsFilter, $n: Int) {{ runsOrError(filter: $f, limit: $n) {{ {WRONG}"
            f" ... on Runs {{ results {{ {_RUN} }} }} }} }}"
        )
        return [_run(found) for found in reversed(self.ask(question, "Runs", f=wanted, n=_PAGE)["results"])]

    def wait_for_run(self, run_id: str, timeout: float = 120.0) -> Run:
        """Return the run once it has succeeded, failed or been cancelled."""

        def ended() -> Run | None:
            run = self.run(run_id)
            return run if run.status in FINISHED else None

        return self.wait_for(ended, timeout, lambda: f"still going on: {self.run(run_id)}")

    def cancel(self, run_id: str) -> None:
        """Ask a run to end early; it is `CANCELED` a moment later."""
        question = f"mutation($r: String!) {{ terminateRun(runId: $r) {{ {WRONG} }} }}"
        self.ask(question, "TerminateRunSuccess", r=run_id)

    def events(self, run_id: str, type_: str | None = None, step: str | None = None) -> list[Event]:
        """Return the log of a run, oldest first; only events of one type or step, if asked."""
        question = f"""
        query($r: ID!, $after: String) {{ logsForRun(runId: $r, afterCursor: $after) {{ {WRONG}
          ... on EventConnection {{ cursor hasMore events {{
            __typename ... on MessageEvent {{ message level stepKey eventType }}
            ... on DisplayableEvent {{ {METADATA} }}
            ... on ErrorEvent {{ error {{ message stack causes {{ message stack }} }} }}
          }} }} }} }}"""
        found: list[Event] = []
        page: Json = {"hasMore": True, "cursor": None}
        while page["hasMore"]:
            page = self.ask(question, "EventConnection", r=run_id, after=page["cursor"])
            found += [_event(event) for event in page["events"]]
        return [event for event in found if type_ in {None, event.type} and step in {None, event.step}]

    # Backfills

    def backfill(self, assets: Sequence[str], partitions: Sequence[str], tags: Mapping[str, str] = _NOTHING) -> str:
        """Ask for *partitions* of *assets* to be made, and return the id of the backfill."""
        parameters = {
            "assetSelection": [asset_key(asset) for asset in assets],
            "partitionNames": list(partitions),
            "fromFailure": False,
            "tags": listed(tags),
        }
        question = (
            "mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p)"
            f" {{ {WRONG} ... on LaunchBackfillSuccess {{ backfillId }} }} }}"
        )
        return str(self.ask(question, "LaunchBackfillSuccess", p=parameters)["backfillId"])

    def repeat_backfill(self, backfill_id: str) -> str:
        """Ask for all of a backfill that is over to be made again, and return the id of the new one."""
        parameters = {"parentRunId": backfill_id, "strategy": "ALL_STEPS"}
        question = (
            "mutation($p: ReexecutionParams!) { reexecutePartitionBackfill(reexecutionParams: $p)"
            f" {{ {WRONG} ... on LaunchBackfillSuccess {{ backfillId }} }} }}"
        )
        return str(self.ask(question, "LaunchBackfillSuccess", p=parameters)["backfillId"])

    def backfill_state(self, backfill_id: str) -> Backfill:
        """Return a backfill with the runs it has made so far."""
        question = f"""
        query($b: String!) {{ partitionBackfillOrError(backfillId: $b) {{ {WRONG}
          ... on PartitionBackfill {{ status tags {{ key value }} runs(limit: {_PAGE}) {{ {_RUN} }} }} }} }}"""
        found = self.ask(question, "PartitionBackfill", b=backfill_id)
        runs = sorted((_run(run) for run in found["runs"]), key=lambda run: run.created)
        return Backfill(backfill_id, found["status"], pairs(found["tags"]), tuple(runs))

    def wait_for_backfill(self, backfill_id: str, timeout: float = 180.0) -> Backfill:
        """Return a backfill once the daemon says that it is over."""

        def over() -> Backfill | None:
            found = self.backfill_state(backfill_id)
            return found if found.status not in _BUSY else None

        return self.wait_for(over, timeout, lambda: f"still going on: {self.backfill_state(backfill_id)}")


def _run(found: Json) -> Run:
    return Run(
        id=found["runId"],
        job=found["jobName"],
        status=found["status"],
        tags=pairs(found["tags"]),
        root_id=found["rootRunId"],
        parent_id=found["parentRunId"],
        assets=tuple("/".join(key["path"]) for key in found["assetSelection"] or ()),
        steps={step["stepKey"]: Step(step["status"], len(step["attempts"])) for step in found["stepStats"]},
        created=found["creationTime"],
        started=found["startTime"],
        ended=found["endTime"],
    )


def _event(found: Json) -> Event:
    return Event(
        type=found.get("eventType") or found["__typename"],
        message=found.get("message", ""),
        step=found.get("stepKey"),
        level=found.get("level", ""),
        metadata=metadata(found.get("metadataEntries") or ()),
        error=complaint(found["error"]) if found.get("error") else None,
    )
