"""What engines tell of the work of a run: pages, runs that are gone, answers that nobody expects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from engine_listener import Listener, listening
from runpin.engines import Engines
from runpin.engines.airflow import MOST
from runpin.engines.work import Task, Work, Written
from runpin.errors import EngineRefused
from runpin.model import RunKey

RUN = RunKey("airflow", "default", "payments_daily", "run-1", "1")
JOB = RunKey("dagster", "default", "nightly", "5f0c")
EMPTY: dict[str, Any] = {"status": "SUCCESS", "tags": [], "stepStats": []}


@pytest.fixture
def engine() -> Iterator[Listener]:
    """Return a server on loopback."""
    with listening() as server:
        yield server


def task(name: str, index: int = -1, tries: int = 1, state: str | None = "success") -> dict[str, Any]:
    """Return what Airflow says of a task instance, as far as anybody looks."""
    return {"task_id": name, "map_index": index, "try_number": tries, "state": state}


def event(name: str | None, uri: str | None = None, partition: str | None = None) -> dict[str, Any]:
    """Return what Airflow says of an asset event, as far as anybody looks."""
    return {"asset_id": 7, "name": name, "uri": uri, "partition_key": partition, "source_task_id": "load"}


def run(**members: Any) -> tuple[int, bytes]:
    """Return what Dagster says of a run."""
    return _answer("Run", {**EMPTY, **members})


def log(*events: Mapping[str, Any], more: bool = False) -> tuple[int, bytes]:
    """Return a page of the log of a run in Dagster."""
    return _answer("EventConnection", {"cursor": "c1", "hasMore": more, "events": list(events)})


def materialized(path: list[str], partition: str | None = None) -> dict[str, Any]:
    """Return an entry of that log."""
    return {"assetKey": {"path": path}, "partition": partition, "stepKey": "load"}


def _answer(kind: str, members: Mapping[str, Any]) -> tuple[int, bytes]:
    return 200, json.dumps({"data": {"answer": {"__typename": kind, **members}}}).encode()


def test_airflow_tells_of_all_pages(engine: Listener) -> None:
    """It gives a hundred at a time, whatever it is asked for; what was written twice is there once."""
    tasks = [task("extract", tries=2), *(task("load", index) for index in range(249))]
    events = [event("orders", "s3://orders", "2026-01-05"), event("orders", "s3://orders", "2026-01-05"), event(None)]
    interval = {"data_interval_start": "2026-01-05T00:00:00Z", "data_interval_end": "2026-01-06T00:00:00Z"}
    engine.knows("run-1", tasks=tasks, events=events, partition_key="eu", logical_date="2026-01-05", **interval)
    work = Engines(engine.url, "secret").work(RUN)

    assert work is not None
    assert (250, Task("extract", None, 2, "success"), Task("load", 248, 1, "success")) == (
        len(work.tasks),
        work.tasks[0],
        work.tasks[-1],
    )
    assert (
        Written("orders", "s3://orders", "2026-01-05", "load"),
        Written("asset 7", None, None, "load"),
    ) == work.written
    assert (("eu", "2026-01-05"), "2026-01-05", tuple(interval.values()), True) == (
        work.partitions,
        work.logical_date,
        work.interval,
        work.complete,
    )
    assert ["0", "100", "200"] == [path.rpartition("=")[2] for path in engine.looked if "taskInstances" in path]


def test_a_run_of_more_tasks_than_anybody_reads_is_incomplete(engine: Listener) -> None:
    """What was read is there, and that it is not all."""
    engine.knows("run-1", tasks=[task("load", index) for index in range(MOST + 1)])
    work = Engines(engine.url).work(RUN)

    assert work is not None
    assert (MOST, False) == (len(work.tasks), work.complete)


@pytest.mark.parametrize(
    ("facts", "same"),
    [
        ({}, True),
        ({"conf": {"runpin": {"run": "run-1", "incarnation": "2"}}}, False),
        ({"conf": None}, False),
        ({"conf": {"runpin": {"run": "copied", "incarnation": "1"}}}, False),
    ],
)
def test_another_run_under_the_same_id_is_not_the_one_that_is_gone(
    engine: Listener, *, facts: dict[str, Any], same: bool
) -> None:
    """It was deleted and created again, or belongs to another deployment."""
    engine.knows("run-1", **facts)

    assert same is (Engines(engine.url).work(RUN) is not None)


def test_a_run_without_our_listener_is_known_by_its_moment(engine: Listener) -> None:
    """Airflow writes it in another form than the pin has it."""
    engine.knows("run-1", conf={})

    assert Engines(engine.url).work(replace(RUN, incarnation="2026-01-05T00:00:00+00:00")) is not None
    assert Engines(engine.url).work(replace(RUN, incarnation="2026-01-06T00:00:00+00:00")) is None


def test_an_address_where_no_airflow_is_does_not_make_runs_unknown(engine: Listener) -> None:
    """Whatever is there answers 404 as well."""
    with pytest.raises(EngineRefused, match="answered 404"):
        Engines(f"{engine.url}/elsewhere").work(RUN)


def test_dagster_tells_of_all_pages(engine: Listener) -> None:
    """Entries of the log that are no materializations are left out; the run's partition is one of its own."""
    steps = [{"stepKey": "load[a]", "status": "SUCCESS", "attempts": [{"startTime": 1}, {"startTime": 2}]}]
    engine.answers = [
        run(stepStats=steps, tags=[{"key": "dagster/partition", "value": "a"}]),
        log({}, materialized(["raw", "orders"], "a"), more=True),
        log(materialized(["raw", "orders"], "a"), materialized(["raw", "orders"], "b")),
    ]
    work = Engines(dagster=engine.url).work(JOB)

    written = tuple(Written("raw/orders", None, partition, "load") for partition in "ab")
    assert Work("SUCCESS", (Task("load[a]", None, 2, "SUCCESS"),), written, ("a", "b")) == work
    assert [None, "c1"] == [body["variables"]["after"] for _, _, body in engine.asked[1:]]


@pytest.mark.parametrize(("told", "partitions"), [((), ("a...d",)), (("a", "b"), ("a", "b"))])
def test_a_run_of_a_range_tells_its_partitions_one_by_one(
    engine: Listener, told: tuple[str, ...], partitions: tuple[str, ...]
) -> None:
    """Until it has written the first, the range is all there is."""
    tags = [
        {"key": f"dagster/asset_partition_range_{side}", "value": key} for side, key in (("start", "a"), ("end", "d"))
    ]
    engine.answers = [run(tags=tags), log(*(materialized(["orders"], each) for each in told))]
    work = Engines(dagster=engine.url).work(JOB)

    assert work is not None
    assert partitions == work.partitions


def test_dagster_does_not_know_a_run_any_more(engine: Listener) -> None:
    """It says so in an answer that is fine as such."""
    engine.answers = [_answer("RunNotFoundError", {})]

    assert Engines(dagster=engine.url).work(JOB) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"errors": [{"message": "syntax"}]}', "syntax"),
        (_answer("PythonError", {"message": "broken"})[1], "broken"),
        (b"[" * 100_000, "does not answer as an engine does"),
        (b" " * ((16 << 20) + 1), "more than 16 MiB"),
        (_answer("Run", {})[1], "does not tell of a run"),
    ],
)
def test_other_answers_of_dagster_are_refusals(engine: Listener, content: bytes, words: str) -> None:
    """Of one kind, whatever it says."""
    engine.answers = [(200, content), log()]
    with pytest.raises(EngineRefused, match=words):
        Engines(dagster=engine.url).work(JOB)


@pytest.mark.parametrize(
    "answer",
    [[], {"state": "success", "conf": [1], "run_after": 1}, {"conf": {"runpin": {"run": "run-1", "incarnation": "1"}}}],
)
def test_other_answers_of_airflow_are_refusals(engine: Listener, answer: Any) -> None:
    """Likewise."""
    engine.knows("run-1")
    engine.pages["/api/v2/dags/payments_daily/dagRuns/run-1"] = answer
    with pytest.raises(EngineRefused, match="does not tell of a run"):
        Engines(engine.url).work(RUN)
