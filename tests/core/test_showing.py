"""What is told to whoever looks at a run is what the ledger and the store say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runpin.errors import UnknownSnapshot
from runpin.model import Asked, Origin, Pin, RunKey, Scope
from runpin.overrides import Override, OverrideKind
from runpin.showing import SeenLink, SeenRun, SnapshotRuns
from shown_world import MONDAY, TUESDAY, Shown, story
from world import COMMIT, SCOPE, World, run_key


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    """Return a world in which nothing is published."""
    return Shown(World(tmp_path))


def test_a_run_is_told_with_what_came_before_and_what_is_live(shown: Shown) -> None:
    """Every epoch, newest first, with who asked and the commit; the run before; live, and who moved it there."""
    first = shown.world.version(1)
    shown.pin(MONDAY)
    held = shown.pin(TUESDAY)
    second = shown.world.version(2)
    channel = shown.world.store.channel(SCOPE, "stable")
    shown.ledger.advance(replace(held, snapshot=second, digest=channel.digest, epoch=1, asked=Asked.SAFE_POINT))
    third = shown.world.version(3)

    told = shown.showing.run(story(TUESDAY, MONDAY))

    (payments,) = told.applications
    assert [(each.epoch, each.snapshot) for each in payments.epochs] == [(1, second), (0, first)]
    assert "safe point" in payments.epochs[0].why
    assert payments.epochs[0].commit == COMMIT
    assert payments.live is not None
    assert (payments.live.snapshot, payments.live.moved_by, payments.live.stale) == (third, "ada", False)
    assert payments.differs_from_live is True
    assert payments.previous is not None
    assert (payments.previous.run_id, payments.previous.snapshot, payments.previous.differs) == (MONDAY, first, True)
    assert told.problems == ()


def test_a_run_that_read_nothing_is_told_with_its_proposal(shown: Shown) -> None:
    """It has no epoch; what was written into it is told, and compared with live."""
    proposed = shown.world.version(1)
    shown.world.version(2)

    (payments,) = shown.showing.run(story(MONDAY, TUESDAY, proposed=proposed)).applications

    assert payments.epochs == ()
    assert payments.proposed == proposed
    assert payments.differs_from_live is True
    assert payments.previous is not None
    assert payments.previous.snapshot is None
    assert payments.previous.differs is None


def test_two_tenants_in_one_run_are_told_apart(shown: Shown) -> None:
    """Each has its own pin and live, and what was proposed is for the tenant that the run is for."""
    proposed = shown.world.version(1)
    acme = shown.world.publish({"etl": {"batch_size": 7}}, scope=Scope("payments", "prod", "acme"))
    shown.ledger.put_if_absent(
        Pin(run_key(MONDAY), acme.scope, acme.snapshot, acme.digest, shown.world.clock.now(), revision=1)
    )

    told = shown.showing.run(story(MONDAY, proposed=proposed))

    assert [(each.environment, each.tenant, each.proposed) for each in told.applications] == [
        ("prod", None, proposed),
        ("prod", "acme", None),
    ]
    assert [each.live.snapshot for each in told.applications if each.live] == [proposed, acme.snapshot]
    assert (told.environment, told.tenant) == ("prod", None)


def test_runs_of_one_name_are_not_mixed_up(shown: Shown) -> None:
    """A run that was deleted and created again, and one of another installation, are other runs."""
    shown.world.version(1)
    held = shown.pin(MONDAY)
    shown.ledger.put_if_absent(replace(held, run=replace(held.run, incarnation="again")))
    shown.pin(MONDAY, deployment="elsewhere")

    (payments,) = shown.showing.run(story(MONDAY)).applications

    assert len(payments.epochs) == 1


def test_an_override_is_told(shown: Shown) -> None:
    """Its actor, reason and kind, and that it waits."""
    shown.world.version(1)
    held = shown.pin(MONDAY)
    named = shown.world.publish({"etl": {"batch_size": 2}})
    wish = Override(
        held.run,
        SCOPE,
        1,
        named.snapshot,
        named.digest,
        held.snapshot,
        held.digest,
        OverrideKind.ONCE,
        "grace",
        "incident",
        shown.world.clock.now(),
    )
    shown.world.overrides.record(wish)

    (payments,) = shown.showing.run(story(MONDAY)).applications

    assert payments.override == wish


def test_parents_are_told_with_their_versions(shown: Shown) -> None:
    """A run that assets started names the runs that made them, and what each of them used."""
    first = shown.world.version(1)
    shown.pin(MONDAY)
    links = (SeenLink("asset", SeenRun(run_key(MONDAY)), "s3://lake"), SeenLink("asset", SeenRun(run_key("none")), "x"))

    read, unread = shown.showing.run(story(TUESDAY, parents=links)).parents

    assert [(each.application, each.snapshot) for each in read.snapshots] == [("payments", first)]
    assert (read.run_id, read.asset) == (MONDAY, "s3://lake")
    assert unread.snapshots == ()


def test_what_is_barred_is_told(shown: Shown) -> None:
    """A pin of a snapshot that was quarantined since is marked, and so is a channel that still points there."""
    first = shown.world.version(1)
    shown.pin(MONDAY)
    shown.ledger.bar(first, actor="eve", reason="bad")

    (payments,) = shown.showing.run(story(MONDAY)).applications

    assert payments.epochs[0].quarantined
    assert payments.live is not None
    assert payments.live.quarantined


def test_a_store_that_is_away_is_told_and_asked_once(shown: Shown) -> None:
    """Live is what this host saw last, with its age, and the answer says why."""
    first = shown.world.version(1)
    shown.pin(MONDAY)
    shown.showing.run(story(MONDAY))
    shown.world.clock.advance(90)
    shown.world.store_switch.off = True

    told = shown.showing.run(story(MONDAY))

    (payments,) = told.applications
    assert payments.live is not None
    assert (payments.live.snapshot, payments.live.stale, payments.live.age_seconds) == (first, True, 90.0)
    assert [(each.kind, each.severity) for each in told.problems] == [("store_away", "warning")]


def test_a_ledger_that_is_away_is_told(shown: Shown) -> None:
    """Nobody guesses what the run uses: what was proposed is told as that."""
    first = shown.world.version(1)
    shown.pin(MONDAY)
    shown.world.ledger_switch.off = True

    told = shown.showing.run(story(MONDAY, proposed=first))

    (payments,) = told.applications
    assert payments.epochs == ()
    assert payments.proposed == first
    assert [each.kind for each in told.problems] == ["ledger_away"]


@pytest.mark.parametrize(
    ("against", "sides", "values"),
    [
        ("live", ("run", "live"), ("2", "3")),
        ("previous", ("previous", "run"), ("1", "2")),
        ("payments.prod.v1", ("named", "run"), ("1", "2")),
    ],
)
def test_a_diff_goes_forwards(shown: Shown, against: str, sides: tuple[str, str], values: tuple[str, str]) -> None:
    """Live comes after the run, and everything else came before it; both lines are told."""
    first = shown.world.version(1)
    shown.pin(MONDAY)
    shown.world.version(2)
    shown.pin(TUESDAY)
    shown.world.version(3)
    named = str(first) if against.startswith("payments") else against

    told = shown.showing.diff(story(TUESDAY, MONDAY), "payments", named)

    (change,) = told.changes
    assert (told.before.role, told.after.role) == sides
    assert change.before is not None
    assert change.after is not None
    assert (change.before.json_text, change.after.json_text) == values
    assert (change.pointer, change.before_origin, told.total) == ("/batch_size", Origin("payments/etl.yaml", 3), 1)
    assert told.before.commit == COMMIT


def test_nothing_is_compiled_where_nothing_differs(shown: Shown) -> None:
    """Lines are looked up for values that differ only."""
    shown.world.version(1)
    shown.pin(MONDAY)

    told = shown.showing.diff(story(MONDAY), "payments", "live")

    assert told.changes == ()
    assert shown.traced == []


def test_long_values_and_many_of_them_are_cut(shown: Shown) -> None:
    """The beginning is told, and how much there is."""
    shown.world.publish({"etl": {"text": "", "list": []}})
    shown.pin(MONDAY)
    shown.world.publish({"etl": {"text": "ü" * 5000, "list": list(range(1000))}})

    told = shown.showing.diff(story(MONDAY), "payments", "live")

    assert (len(told.changes), told.total) == (500, 1001)
    shown.world.publish({"etl": {"text": "ü" * 5000, "list": []}})
    (change,) = shown.showing.diff(story(MONDAY), "payments", "live").changes
    assert change.after is not None
    assert (len(change.after.json_text), change.after.cut, change.after.length) == (2000, True, 5002)


def test_snapshots_of_others_are_not_compared(shown: Shown) -> None:
    """Neither another tenant's or application's, nor one that does not exist; nor before anything was read."""
    shown.world.version(1)
    tenants = shown.world.publish({"etl": {"secret": 1}}, scope=Scope("payments", "prod", "acme"))
    other = shown.world.publish({"etl": {}}, scope=Scope("reports", "prod"))
    shown.pin(MONDAY)

    for named in (str(tenants.snapshot), str(other.snapshot), "payments.prod.v9.000000000000", "nonsense"):
        with pytest.raises(UnknownSnapshot):
            shown.showing.diff(story(MONDAY), "payments", named)
    with pytest.raises(UnknownSnapshot):
        shown.showing.diff(story(MONDAY), "payments", "previous")
    with pytest.raises(UnknownSnapshot):
        shown.showing.diff(story(TUESDAY, proposed=tenants.snapshot), "payments", "live")
    with pytest.raises(UnknownSnapshot):
        shown.showing.runs_on(tenants.snapshot, None, lambda _: True)


def test_the_runs_on_a_snapshot_are_told_page_by_page(shown: Shown) -> None:
    """Each run that may be seen is told once and no other one; those of other installations are counted."""
    first = shown.world.version(1)
    for number in range(130):
        shown.pin(f"run {number}", job="hidden" if number % 2 else "nightly")
    shown.pin("theirs", deployment="elsewhere")
    shown.world.version(2)
    shown.pin("newer")
    pages: list[SnapshotRuns] = []
    after = None
    while not pages or after:
        pages.append(shown.showing.runs_on(first, after, belongs))
        after = pages[-1].next

    assert [each.run_id for page in pages for each in page.runs] == [f"run {number}" for number in range(0, 130, 2)]
    assert sum(page.elsewhere for page in pages) == 1
    assert len(pages) == 2


def belongs(run: RunKey) -> bool | None:
    """Say that runs of `nightly` may be seen, and none of other installations."""
    return None if run.deployment != "default" else run.job == "nightly"
