"""What a run worked on, asked of Dagster's web server (GraphQL), and whether it agrees to execute one again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runpin.engines.server import Server, excerpt
from runpin.engines.work import Task, Work, Written, text
from runpin.errors import EngineRefused
from runpin.model import RunKey

PATH = "/graphql"

_PAGE = 1000
MOST = 200_000
"""Entries in the log of one run that are looked at; what it wrote is among them."""

_RUN = (
    "query Run($run: ID!) { answer: runOrError(runId: $run) { __typename ... on PythonError { message } "
    "... on Run { status tags { key value } stepStats { stepKey status attempts { startTime } } } } }"
)
_LOG = (
    "query Log($run: ID!, $after: String, $limit: Int) { answer: logsForRun(runId: $run, afterCursor: $after, "
    "limit: $limit) { __typename ... on PythonError { message } ... on EventConnection { cursor hasMore events "
    "{ ... on MaterializationEvent { assetKey { path } partition stepKey } } } } }"
)
_UNKNOWN = "RunNotFoundError"


def work_of(server: Server, run: RunKey) -> Work | None:
    """
    Return what *run* worked on; None if Dagster does not know it.

    Raises:
        EngineRefused
    """
    found = _ask(server, _RUN, "Run", run=run.run_id)
    if found is None:
        return None
    written, complete = _materializations(server, run.run_id)
    tags = {str(tag["key"]): str(tag["value"]) for tag in found["tags"]}
    return Work(
        state=str(found["status"]),
        tasks=tuple(
            Task(str(step["stepKey"]), None, len(step["attempts"]), text(step["status"])) for step in found["stepStats"]
        ),
        written=written,
        partitions=_partitions(tags, written),
        complete=complete,
    )


def check_launched(answer: Any) -> None:
    """
    Check that Dagster has started a run; the status of its answer is the same for yes and no.

    Raises:
        EngineRefused: it has not.
    """
    result = (answer.get("data") or {}).get("launchRunReexecution") if isinstance(answer, dict) else None
    if not isinstance(result, dict) or result.get("__typename") != "LaunchRunSuccess":
        raise _refused("does not re-execute the run", answer, result)


def _materializations(server: Server, run_id: str) -> tuple[tuple[Written, ...], bool]:
    """Return what a run wrote, and whether that is all of it."""
    found: dict[Written, None] = {}
    cursor = None
    for _ in range(MOST // _PAGE):
        page = _ask(server, _LOG, "EventConnection", run=run_id, after=cursor, limit=_PAGE)
        if page is None:
            break
        found |= dict.fromkeys(_written(event) for event in page["events"] if event.get("assetKey"))
        cursor = page["cursor"]
        if not page["hasMore"]:
            return tuple(found), True
    return tuple(found), False


def _written(event: Mapping[str, Any]) -> Written:
    key = "/".join(str(part) for part in event["assetKey"]["path"])
    return Written(key, None, text(event["partition"]), text(event["stepKey"]))


def _partitions(tags: Mapping[str, str], written: tuple[Written, ...]) -> tuple[str, ...]:
    told = [each.partition for each in written]
    asked = tags.get("dagster/partition")
    start, end = (tags.get(f"dagster/asset_partition_range_{side}") for side in ("start", "end"))
    # A run of a range tells its partitions one by one as it writes them; before that, the range is all there is.
    if start is not None and not any(told):
        asked = f"{start}...{end}"
    return tuple(dict.fromkeys(each for each in (asked, *told) if each is not None))


def _ask(server: Server, query: str, kind: str, **variables: object) -> Any:
    """Return the answer of this *kind*; None if there is no such run."""
    answer = server.post(PATH, {"query": query, "variables": variables})
    result = (answer.get("data") or {}).get("answer") if isinstance(answer, dict) else None
    named = result.get("__typename") if isinstance(result, dict) else None
    if named == _UNKNOWN:
        return None
    if named != kind:
        raise _refused("does not tell of the run", answer, result)
    return result


def _refused(what: str, answer: Any, result: Any) -> EngineRefused:
    said = result or (answer.get("errors") if isinstance(answer, dict) else answer)
    return EngineRefused(f"dagster {what}: {excerpt(json.dumps(said).encode())}", where=PATH)
