"""Runs are found by the snapshot they use, in Airflow's own list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import pytest

from pinned_airflow import PinnedAirflow
from runpin.model import SnapshotId

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

DAG = "pinned_reports"


@pytest.fixture(scope="module")
def airflow(pinned_airflow: PinnedAirflow) -> Iterator[PinnedAirflow]:
    """Return the engine with the DAG of this module, while other configuration changes."""
    with pinned_airflow.published.changing():
        pinned_airflow.add_dags(DAG)
        yield pinned_airflow


@pytest.fixture(scope="module")
def labelled(airflow: PinnedAirflow) -> Mapping[str, SnapshotId]:
    """Publish twelve versions of `reports`, and run with the first, the tenth, the eleventh, and what stands."""
    versions = [airflow.published.publish("reports") for _ in range(12)]
    expected = {"v1": versions[0], "v10": versions[9], "v11": versions[10]}
    for run_id, snapshot in expected.items():
        airflow.start(DAG, run_id, {"runpin": {"pins": {"reports": str(snapshot)}}})
        airflow.finish(DAG, run_id)
    airflow.wait_until_proposed(versions[11])
    airflow.start(DAG, "v12", note="look at this")
    airflow.finish(DAG, "v12")
    return {**expected, "v12": versions[11]}


def test_the_filter_finds_the_runs_of_a_snapshot(airflow: PinnedAirflow, labelled: Mapping[str, SnapshotId]) -> None:
    """Over all DAGs, it finds that run and no other: the first version is not found in the tenth."""
    found = {
        run_id: [run["dag_run_id"] for run in airflow.api.runs(conf_contains=str(snapshot))]
        for run_id, snapshot in labelled.items()
    }

    assert [1, 10, 11, 12] == [snapshot.sequence for snapshot in labelled.values()]
    assert {run_id: [run_id] for run_id in labelled} == found


def test_the_filter_agrees_with_what_every_run_carries(
    airflow: PinnedAirflow, labelled: Mapping[str, SnapshotId]
) -> None:
    """For each label of each run so far, whatever its DAG, the filter finds the runs that carry it."""
    del labelled
    carrying = defaultdict(set)
    for run in airflow.api.runs():
        carried = (run["conf"] or {}).get("runpin")
        for label in carried.get("pins", {}).values() if isinstance(carried, dict) else ():
            carrying[label].add((run["dag_id"], run["dag_run_id"]))
    found = {
        label: {(run["dag_id"], run["dag_run_id"]) for run in airflow.api.runs(conf_contains=label)}
        for label in carrying
    }

    assert len(found) > 3
    assert dict(carrying) == found


def test_the_note_shows_the_snapshot(airflow: PinnedAirflow, labelled: Mapping[str, SnapshotId]) -> None:
    """It stands in the run's header, unless somebody wrote a note of their own."""
    notes = {run_id: airflow.api.run(DAG, run_id)["note"] for run_id in labelled}
    expected = {run_id: str(snapshot) for run_id, snapshot in labelled.items()}

    assert expected | {"v12": "look at this"} == notes
