"""What runs carry when they start: from a view in memory, without waiting for long, and seldom tried again."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runpin.assembly import Runpin
from runpin.canonical import canonical, snapshot_of
from runpin.errors import RunpinError
from runpin.hosting import RUNS_BETWEEN_TRIES, Proposer, Shield
from runpin.model import STABLE, Scope, SnapshotId, digest_of
from world import COMMIT

LONG = 60.0


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runpin]:
    """Return a core with one version of `payments` and one of `reports`; it looks at them once."""
    for name in [name for name in os.environ if name.startswith("RUNPIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RUNPIN_HOME", str(tmp_path / "home"))
    with opened() as core:
        for application in ("payments", "reports"):
            publish(core, application, 1)
        yield core


def opened(**given: Any) -> Runpin:
    """Return a core of the test's home."""
    return Runpin.open(**{"environment": "prod", "refresh_interval": LONG, **given})


def publish(core: Runpin, application: str, number: int) -> SnapshotId:
    """Publish a version and move the channel there."""
    body = canonical({"number": number})
    core.store.put_objects({digest_of(body): body})
    scope = Scope(application, "prod")
    listed = core.store.commit(snapshot_of(scope, {"etl": digest_of(body)}), COMMIT, "ada")
    core.store.move(scope, STABLE, listed.id, expected_revision=number - 1, actor="ada", reason="test")
    return listed.id


def pins_of(proposal: Any) -> dict[str, str]:
    """Return what a proposal names and who wrote it, as text."""
    return {name: f"{snapshot} {proposal.asked(name)}" for name, snapshot in proposal.pins.items()}


class Opening:
    """Wires the core when it can, and counts how often it was asked to."""

    def __init__(self, core: Runpin, *, broken: bool = False) -> None:
        self._core = core
        self.broken = broken
        self.asked = 0

    def __call__(self) -> Runpin:
        """Return the core, or fail."""
        self.asked += 1
        if self.broken:
            raise RunpinError("the settings cannot be used")
        return self._core


def test_a_run_carries_where_the_channels_stand(core: Runpin) -> None:
    """From the first run on, if the proposer was given a moment to look; and the run's id and an incarnation."""
    proposer = Proposer(lambda: core)
    proposer.start(patience=LONG)
    proposal = proposer.propose(None, "r1", ["payments"])

    assert proposal is not None
    assert {"payments": f"{core.store.channel(Scope('payments', 'prod'), STABLE).snapshot} proposal"} == pins_of(
        proposal
    )
    assert ("r1", 16) == (proposal.run, len(proposal.incarnation))


class Silent:
    """A store that does not answer before it is told to."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def channels(self, environment: str, tenant: str | None) -> tuple[()]:
        """Wait."""
        del environment, tenant
        self.released.wait(LONG)
        return ()


@pytest.mark.parametrize("patience", [0.0, 0.05])
def test_patience_is_bounded(core: Runpin, patience: float) -> None:
    """A store that hangs holds nobody up: there is no view, so nothing is proposed, and an Override is kept."""
    silent = Silent()
    core.watch._channels = silent  # type: ignore[assignment]  # noqa: SLF001 - only its shape counts
    chosen = {"pins": {"payments": f"payments.prod.v1.{0:012x}"}}
    proposer = Proposer(lambda: core)
    began = core.clock.monotonic()
    try:
        proposer.start(patience)
        nothing, kept = proposer.propose(None, "r1", ["payments"]), proposer.propose(chosen, "r2", ["payments"])
        took = core.clock.monotonic() - began
    finally:
        silent.released.set()

    assert nothing is None
    assert {"payments": f"{chosen['pins']['payments']} override"} == pins_of(kept)
    assert patience <= took < LONG / 2


@pytest.mark.usefixtures("core")
def test_nothing_is_looked_at_when_proposing_is_switched_off() -> None:
    """Not even with patience; and what the caller wrote stays as it is."""
    with opened(propose=False) as silent:
        proposer = Proposer(lambda: silent)
        proposer.start(patience=LONG)

        assert proposer.propose({"pins": {}}, "r1", ["payments"]) is None
        assert {"watch", "database"}.isdisjoint(vars(silent))


@pytest.mark.parametrize("first", [False, True])
def test_after_a_failure_it_tries_again_every_hundred_runs(core: Runpin, first: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    """And not sooner, whether it failed when the engine started or at its first run."""
    opening = Opening(core, broken=True)
    proposer, shield = Proposer(opening), Shield(logging.getLogger("engine"))
    if first:
        shield.call(proposer.start)
    else:
        shield.call(proposer.propose, None, "r0", ["payments"])
    asked = []
    for number in range(2 * (RUNS_BETWEEN_TRIES + 1)):
        assert shield.call(proposer.propose, None, f"r{number}", ["payments"]) is None
        asked.append(opening.asked)
    opening.broken = False
    for number in range(RUNS_BETWEEN_TRIES + 1):
        shield.call(proposer.propose, None, f"s{number}", ["payments"])
    core.watch.wait_for_view(LONG)

    assert [1] * 100 + [2] * 101 + [3] == asked
    assert shield.call(proposer.propose, None, "last", ["payments"]) is not None
    assert 4 == opening.asked


def test_without_a_start_the_first_run_begins_to_look(core: Runpin) -> None:
    """It has no proposal itself, unless the view is there already; and the core is wired once."""
    opening = Opening(core)
    proposer = Proposer(opening)
    proposer.propose(None, "r1", ["payments"])
    core.watch.wait_for_view(LONG)

    assert {"payments"} == set(pins_of(proposer.propose(None, "r2", ["payments"])))
    assert 1 == opening.asked


@pytest.mark.parametrize("carried", ["{", 7, ["payments"], {"pins": 7}, {"pins": {"payments": "newest"}}, "[" * 10**5])
def test_what_cannot_be_read_is_left_to_the_task(core: Runpin, carried: object) -> None:
    """Nothing is written over it, and nobody is told here."""
    proposer = Proposer(lambda: core)
    proposer.start(patience=LONG)

    assert proposer.propose(carried, "r1", ["payments"]) is None


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize(
    ("declared", "expected"), [([], {"reports"}), (["payments"], {"payments"}), (["unknown"], set())]
)
def test_what_the_job_declares_comes_before_the_settings(declared: list[str], expected: set[str]) -> None:
    """The applications of the settings are for jobs that declare none, also if nobody knows what is declared."""
    with opened(applications="reports") as configured:
        proposer = Proposer(lambda: configured)
        proposer.start(patience=LONG)
        proposal = proposer.propose(None, "r1", iter(declared))

    assert expected == (set() if proposal is None else set(proposal.pins))


def test_a_carried_override_is_kept_and_the_rest_is_completed(core: Runpin) -> None:
    """While the channel is elsewhere; and another run's proposal, which was copied along, is not."""
    first = core.store.channel(Scope("payments", "prod"), STABLE).snapshot
    second = publish(core, "payments", 2)
    reports = core.store.channel(Scope("reports", "prod"), STABLE).snapshot
    proposer = Proposer(lambda: core)
    proposer.start(patience=LONG)
    chosen = proposer.propose({"pins": {"payments": str(first)}}, "r1", ["payments", "reports"])
    copied = proposer.propose({"pins": {"payments": str(first)}, "by": "proposal", "run": "other"}, "r2", ["payments"])

    assert {"payments": f"{first} override", "reports": f"{reports} proposal"} == pins_of(chosen)
    assert {"payments": f"{second} proposal"} == pins_of(copied)


def test_who_starts_a_run_makes_it_no_part_of_a_backfill(core: Runpin) -> None:
    """Nor a clear of it; its first read would decide for all runs of a backfill that is still to come."""
    proposer = Proposer(lambda: core)
    proposer.start(5.0)
    mark = {"run": "r1", "group": "backfill:8", "rerun": {"number": 1, "whole": True}, "begun": "now"}
    proposal = proposer.propose(mark, "r1", ["payments"])

    assert proposal is not None
    assert ("", (0, True), "") == (proposal.group, proposal.rerun, proposal.begun)
