"""`runpin rollback` is a fence for a real Airflow that starts run after run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread

import pytest

from demo.processes import wait_until
from pinned_airflow import PinnedAirflow
from runpin.model import Asked, Pin, SnapshotId
from runpin.testing.ledger_contract import every_pin

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

DAG = "pinned_billing"
GATED = "pinned_billing_gated"
AFTER = 3
"""Runs that have to start after the rollback."""


class Starter:
    """
    Starts a run every half second.

    Attributes:
        runs: the ids of those that it has begun to start.
    """

    def __init__(self, airflow: PinnedAirflow) -> None:
        self._airflow = airflow
        self.runs: list[str] = []

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Start runs meanwhile."""
        enough = Event()

        def go_on() -> None:
            while not enough.wait(0.5):
                run_id = f"r{len(self.runs)}"
                # Before the answer: a run whose answer comes late may have read long ago.
                self.runs.append(run_id)
                self._airflow.start(DAG, run_id)

        thread = Thread(target=go_on, name="starter")
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join()


def pins_of(airflow: PinnedAirflow, snapshot: SnapshotId) -> set[Pin]:
    """Return every pin that names a snapshot."""
    return set(every_pin(airflow.core.ledger, snapshot))


def test_no_run_is_pinned_to_what_was_rolled_back(pinned_airflow: PinnedAirflow) -> None:
    """Runs go on starting: those that have the bad snapshot keep it, and when the command is back nobody gets it."""
    airflow, starter = pinned_airflow, Starter(pinned_airflow)
    airflow.add_dags(DAG, GATED)
    good, bad = (airflow.published.publish("billing") for _ in range(2))
    with airflow.published.changing(), starter.busy():
        # Once proposed, and not only read by a run that started before the scheduler's first look at this channel.
        assert wait_until(lambda: Asked.PROPOSAL in {pin.asked for pin in pins_of(airflow, bad)}, 120, pause=0.1)
        for run_id in ("in-flight", "about-to-read"):
            airflow.start(GATED, run_id)
        airflow.open_gate("in-flight", "first")
        assert wait_until(lambda: bool(airflow.seen(GATED, "in-flight")), 120, pause=0.1)
        carried = airflow.carried(GATED, "about-to-read")
        airflow.runpin("rollback", "billing", "--environment", "prod", "--reason", "broken")
        returned, before, started = datetime.now(UTC), pins_of(airflow, bad), len(starter.runs)
        assert wait_until(lambda: len(starter.runs) >= started + AFTER, 120, pause=0.1)
    for run_id, gate in (("in-flight", "second"), ("about-to-read", "first"), ("about-to-read", "second")):
        airflow.open_gate(run_id, gate)
    for dag_id, run_id in [*((DAG, run_id) for run_id in starter.runs), (GATED, "in-flight"), (GATED, "about-to-read")]:
        airflow.finish(dag_id, run_id)
    late = [airflow.one_snapshot(DAG, run_id).snapshot for run_id in starter.runs[started:]]

    assert before == pins_of(airflow, bad)
    assert all(pin.at < returned for pin in before)
    assert {"billing": str(bad)} == carried["pins"]
    assert (bad, good) == tuple(
        airflow.one_snapshot(GATED, run_id).snapshot for run_id in ("in-flight", "about-to-read")
    )
    assert [good] * len(late) == late
    assert len(late) >= AFTER
