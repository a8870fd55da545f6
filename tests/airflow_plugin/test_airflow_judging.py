"""A real Airflow run that asks, before it works, whether the rules of today accept what it is pinned to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from git_origin import Origin
from pinned_airflow import PinnedAirflow
from runpin.model import SnapshotId

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

DAG = "pinned_judged"
WITHOUT_GIT = "pinned_judged_without_git"
MANIFEST = b"""\
format = 1
environments = ["prod"]

[applications.judged]
documents = ["judged/*.yaml"]
schemas = { etl = "etl.schema.json" }
"""


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    """Return a config repository without rules yet."""
    made = Origin(tmp_path / "config.git")
    made.commit({"runpin.toml": MANIFEST, "judged/etl.yaml": b"number: 1\n", "etl.schema.json": b"{}"})
    return made


def allow(origin: Origin, most: int) -> None:
    """Commit the rule that a document's number is at most *most*."""
    origin.commit({"etl.schema.json": json.dumps({"properties": {"number": {"maximum": most}}}).encode()})


def published(airflow: PinnedAirflow) -> tuple[SnapshotId, int]:
    """Publish a version, let runs start, and return its id and its number."""
    airflow.add_dags(DAG, WITHOUT_GIT)
    snapshot = airflow.published.publish("judged")
    return snapshot, airflow.published.numbers[snapshot]


def states(airflow: PinnedAirflow, dag_id: str, run_id: str) -> dict[str, tuple[str | None, int]]:
    """Return how each task of a run ended, and at which try."""
    return {task["task_id"]: (task["state"], task["try_number"]) for task in airflow.api.task_instances(dag_id, run_id)}


def test_a_run_that_the_rules_accept_works(pinned_airflow: PinnedAirflow, origin: Origin) -> None:
    """What was judged, and by which commit, is left as XCom."""
    snapshot, number = published(pinned_airflow)
    allow(origin, number)
    pinned_airflow.start(DAG, "accepted", {"repository": str(origin.path)})
    pinned_airflow.finish(DAG, "accepted")

    assert {
        "point": "run_start",
        "commit": origin.sha("main"),
        "snapshots": [str(snapshot)],
        "errors": 0,
        "warnings": 0,
        "notes": 0,
    } == pinned_airflow.api.xcom(DAG, "accepted", "validate")
    assert [number] == [seen.number for seen in pinned_airflow.seen(DAG, "accepted")]


def test_a_run_that_the_rules_deny_never_works(pinned_airflow: PinnedAirflow, origin: Origin) -> None:
    """A rule became stricter after publication: one try, although the task has three, and the log says why."""
    snapshot, number = published(pinned_airflow)
    allow(origin, number - 1)
    pinned_airflow.start(DAG, "denied", {"repository": str(origin.path)})
    pinned_airflow.finish(DAG, "denied", state="failed")
    log = "\n".join(str(record.get("event")) for record in pinned_airflow.api.task_log(DAG, "denied", "validate", 1))

    assert ("failed", 1) == states(pinned_airflow, DAG, "denied")["validate"]
    assert "upstream_failed" == states(pinned_airflow, DAG, "denied")["work"][0]
    assert [] == pinned_airflow.seen(DAG, "denied")
    assert f"error: etl#/number: must be at most {number - 1} [properties/number/maximum], in {snapshot}" in log
    assert f"deny {snapshot}" in pinned_airflow.failure(DAG, "denied", "validate")


def test_a_worker_without_git_says_so(pinned_airflow: PinnedAirflow, origin: Origin) -> None:
    """Nothing is waved through because nobody could look."""
    published(pinned_airflow)
    pinned_airflow.start(WITHOUT_GIT, "blind", {"repository": str(origin.path)})
    pinned_airflow.finish(WITHOUT_GIT, "blind", state="failed")

    assert "SourceError" in pinned_airflow.failure(WITHOUT_GIT, "blind", "validate")
    assert "git is not installed" in pinned_airflow.failure(WITHOUT_GIT, "blind", "validate")
    assert [] == pinned_airflow.seen(WITHOUT_GIT, "blind")
