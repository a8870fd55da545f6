"""What a run carries when it starts, who wrote it, and what becomes of it at the first read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from demo.processes import wait_until
from pinned_airflow import PinnedAirflow
from runpin.model import Asked, SnapshotId

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

PAIR = "pinned_pair"
GATED = "pinned_payments_gated"


@pytest.fixture(scope="module")
def airflow(pinned_airflow: PinnedAirflow) -> Iterator[PinnedAirflow]:
    """Return the engine with the DAGs of this module, while the configuration changes."""
    with pinned_airflow.published.changing():
        pinned_airflow.add_dags(PAIR, GATED)
        yield pinned_airflow


@pytest.fixture(scope="module")
def old(airflow: PinnedAirflow) -> SnapshotId:
    """Return a snapshot that the channel left some time ago."""
    assert wait_until(lambda: len(airflow.published.stands) > 3, 120)
    return airflow.published.stands[0][1]


def proposed(airflow: PinnedAirflow, dag_id: str, run_id: str) -> SnapshotId:
    """Return the snapshot that a run carries, once the channel has left it."""
    snapshot = SnapshotId.parse(airflow.carried(dag_id, run_id)["pins"]["payments"])
    assert wait_until(lambda: airflow.published.stands[-1][1] != snapshot, 120)
    return snapshot


def test_a_proposal_holds_although_the_channel_moved_on(airflow: PinnedAirflow) -> None:
    """What the run was labelled with when it started is what it reads, however late it reads first."""
    airflow.start(GATED, "late")
    carried = proposed(airflow, GATED, "late")
    for gate in ("first", "second"):
        airflow.open_gate("late", gate)
    airflow.finish(GATED, "late")
    pin = airflow.one_snapshot(GATED, "late")

    assert (carried, Asked.PROPOSAL) == (pin.snapshot, pin.asked)
    assert airflow.published.at(airflow.seen(GATED, "late")[0].at) != carried


def test_a_proposal_that_was_barred_meanwhile_is_passed_over(airflow: PinnedAirflow) -> None:
    """The run reads what the channel names now, all of it the same; the label still says what was proposed."""
    airflow.start(GATED, "barred")
    carried = proposed(airflow, GATED, "barred")
    airflow.core.ledger.bar(carried, actor="ada", reason="broken")
    for gate in ("first", "second"):
        airflow.open_gate("barred", gate)
    airflow.finish(GATED, "barred")
    pin = airflow.one_snapshot(GATED, "barred")

    assert Asked.CHANNEL is pin.asked
    assert pin.snapshot.sequence > carried.sequence
    assert {"payments": str(carried)} == airflow.carried(GATED, "barred")["pins"]


def test_a_callers_choice_is_respected(airflow: PinnedAirflow, old: SnapshotId) -> None:
    """An Override in the trigger's conf is what the run uses, and the run says who asked."""
    airflow.start(PAIR, "chosen", {"runpin": {"pins": {"payments": str(old)}}, "closing": 1})
    conf = airflow.finish(PAIR, "chosen")["conf"] or {}
    pin = airflow.one_snapshot(PAIR, "chosen")

    assert (old, Asked.OVERRIDE) == (pin.snapshot, pin.asked)
    assert (1, {"payments": "override"}) == (conf["closing"], conf["runpin"]["by"])


UNKNOWN = "payments.prod.v999999.0123456789ab"


@pytest.mark.parametrize(
    ("run_id", "given", "error"),
    [
        ("unknown", {"pins": {"payments": UNKNOWN}}, f"UnknownSnapshot: {UNKNOWN} is not published here"),
        ("not-json", "{", "InvalidProposal: the run carries a 'runpin' entry that cannot be read: it is text"),
        ("not-a-mapping", {"pins": 7}, "InvalidProposal: the run carries a 'runpin' entry that cannot be read: 'pins'"),
    ],
)
def test_a_choice_that_cannot_be_followed_fails_the_task(
    airflow: PinnedAirflow, run_id: str, given: Any, error: str
) -> None:
    """The log of the task that reads says what is wrong and how to fix it; the scheduler takes no harm."""
    scheduler = airflow.engine.pid("scheduler")
    airflow.start(PAIR, run_id, {"runpin": given})
    run = airflow.finish(PAIR, run_id, "failed")
    told = airflow.failure(PAIR, run_id, "read")

    assert told.startswith(error)
    assert "fix:" in told
    assert () == airflow.pins(PAIR, run_id)
    assert isinstance(given, dict) or {"runpin": given} == run["conf"]
    assert (True, scheduler) == (airflow.engine.alive("scheduler"), airflow.engine.pid("scheduler"))


def test_a_choice_that_is_barred_fails_the_task(airflow: PinnedAirflow, old: SnapshotId) -> None:
    """Nobody gets around a quarantine by asking for the snapshot; and nothing else is taken in its place."""
    del old
    barred = airflow.published.stands[1][1]
    airflow.core.ledger.bar(barred, actor="ada", reason="broken")
    airflow.start(PAIR, "chosen-barred", {"runpin": {"pins": {"payments": str(barred)}}})
    airflow.finish(PAIR, "chosen-barred", "failed")

    told = airflow.failure(PAIR, "chosen-barred", "read")

    assert told.startswith(f"SnapshotQuarantined: {barred} is barred from new pins")
    assert () == airflow.pins(PAIR, "chosen-barred")


def test_a_copy_of_another_runs_conf_is_a_run_of_its_own(airflow: PinnedAirflow) -> None:
    """Who triggers again with an old run's conf gets what stands now."""
    airflow.start(PAIR, "original")
    conf = airflow.finish(PAIR, "original")["conf"]
    first = airflow.one_snapshot(PAIR, "original")
    airflow.wait_until_proposed(airflow.published.stands[-1][1])
    airflow.start(PAIR, "copy", conf)
    copied = airflow.finish(PAIR, "copy")["conf"] or {}
    second = airflow.one_snapshot(PAIR, "copy")

    assert "copy" == copied["runpin"]["run"]
    assert Asked.PROPOSAL is second.asked
    assert first.snapshot.sequence < second.snapshot.sequence


def test_a_run_that_is_created_again_is_a_run_of_its_own(airflow: PinnedAirflow) -> None:
    """Deleted and triggered with the same id, it is another incarnation and gets what stands now."""
    airflow.start(PAIR, "again")
    airflow.finish(PAIR, "again")
    first = airflow.one_snapshot(PAIR, "again")
    airflow.delete(PAIR, "again")
    airflow.wait_until_proposed(airflow.published.stands[-1][1])
    airflow.start(PAIR, "again")
    airflow.finish(PAIR, "again")
    second = airflow.one_snapshot(PAIR, "again")

    assert first.run.run_id == second.run.run_id
    assert first.run.digest != second.run.digest
    assert first.snapshot.sequence < second.snapshot.sequence
