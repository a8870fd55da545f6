"""What is told of applications, their history, and of what is wrong with them."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from runpin.errors import UnknownApplication
from runpin.mirrors import MirrorState, Standing
from runpin.showing import Problem
from runpin.showing.showing import FRESH, Lately
from runpin.testing import FixedClock
from shown_world import MONDAY, Shown, story
from world import COMMIT, SCOPE, World


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    """Return a world in which nothing is published."""
    return Shown(World(tmp_path))


def test_applications_are_told_with_their_channels(shown: Shown) -> None:
    """Where each stands, who moved it, and how many runs were given that; counting has a bound."""
    shown.world.version(1)
    second = shown.world.publish({"etl": {"batch_size": 2}}, "canary")
    for number in range(101):
        shown.pin(f"run {number}")

    told = shown.showing.applications()

    ((name, (canary, stable)),) = [(each.application, each.channels) for each in told.applications]
    assert (name, canary.channel, canary.snapshot) == ("payments", "canary", second.snapshot)
    assert canary.pins is not None
    assert stable.pins is not None
    assert (canary.pins.count, stable.pins.count, stable.pins.more) == (0, 100, True)
    assert (stable.moved_by, stable.reason, stable.commit) == ("ada", "test", COMMIT)


def test_applications_are_looked_up_seldom(shown: Shown) -> None:
    """Everybody who asks within some seconds is told the same, so that a wall of dashboards costs one look."""
    shown.world.version(1)
    told = [shown.showing.applications() for _ in range(20)]
    asked = shown.ledger.pages

    shown.world.clock.advance(FRESH + 1)
    shown.showing.applications()

    assert all(each is told[0] for each in told)
    assert (asked, shown.ledger.pages) == (1, 2)


def test_applications_of_the_settings_stand_in_for_a_store_that_is_away(shown: Shown) -> None:
    """What this host saw of them is told, as that."""
    first = shown.world.version(1)
    shown.pin(MONDAY)
    shown.showing.run(story(MONDAY))
    shown.world.store_switch.off = True

    told = shown.showing.applications()

    ((stable,),) = [each.channels for each in told.applications]
    assert (stable.snapshot, stable.stale) == (first, True)
    assert [each.kind for each in told.problems] == ["store_away"]


def test_history_tells_moves_and_publications(shown: Shown) -> None:
    """Newest first; a move to an older snapshot is a rollback, and what is barred is marked."""
    first, second = shown.world.version(1), shown.world.version(2)
    shown.world.clock.advance(1)
    shown.rollback(first)
    shown.ledger.bar(second, actor="eve", reason="bad")

    told = shown.showing.history("payments")

    assert [(each.kind, each.snapshot) for each in told.events] == [
        ("rollback", first),
        ("move", second),
        ("publication", second),
        ("move", first),
        ("publication", first),
    ]
    assert [each.quarantined for each in told.events] == [False, True, True, False, False]
    assert (told.events[0].actor, told.events[0].previous) == ("eve", second)


def test_an_application_that_nobody_published_is_unknown(shown: Shown) -> None:
    """What was meant is suggested."""
    shown.world.version(1)

    with pytest.raises(UnknownApplication) as caught:
        shown.showing.history("payment")

    assert "payments" in str(caught.value.fix)


def test_nothing_is_wrong_when_all_is_well(shown: Shown) -> None:
    """The strip on the start page stays away."""
    shown.world.version(1)
    shown.world.version(2)

    assert shown.showing.problems().problems == ()


def test_a_channel_at_a_barred_snapshot_is_a_problem(shown: Shown) -> None:
    """With what to do about it, before anything that matters less."""
    first, second = shown.world.version(1), shown.world.version(2)
    shown.rollback(first)
    shown.ledger.bar(first, actor="eve", reason="bad")

    barred, back = shown.showing.problems().problems

    assert (barred.kind, barred.severity, barred.snapshot) == ("quarantined", "error", first)
    assert "runpin rollback payments --environment prod" in str(barred.fix)
    assert (back.kind, back.severity, back.where) == ("rolled_back", "info", f"from {second} to {first}")


def test_a_rollback_is_told_for_an_hour(shown: Shown) -> None:
    """After that it is history."""
    first, _ = shown.world.version(1), shown.world.version(2)
    shown.rollback(first)
    at_once = shown.showing.problems().problems
    shown.world.clock.advance(timedelta(hours=1, seconds=1).total_seconds())

    assert [each.kind for each in at_once] == ["rolled_back"]
    assert shown.showing.problems().problems == ()


def test_a_rollback_that_was_finished_later_is_told_as_well(shown: Shown) -> None:
    """Also in the history, where the one who finished it went nowhere."""
    first, _ = shown.world.version(1), shown.world.version(2)
    for _ in range(2):
        shown.rollback(first, "rollback: orders were lost")
    shown.rollback(first, '"rollback: was a good idea"')
    *_, back, finished, on_the_spot = reversed(shown.showing.history("payments").events)
    unmarked = shown.showing.problems().problems
    shown.rollback(first, "rollback: orders were lost")
    shown.world.clock.advance(60)
    (told,) = shown.showing.problems().problems

    assert [each.kind for each in (back, finished, on_the_spot)] == ["rollback", "rollback", "move"]
    assert unmarked == ()
    assert (told.kind, told.where) == ("rolled_back", f"to {first}")
    assert told.what.endswith("was rolled back by eve: orders were lost")


@pytest.mark.parametrize("who", ["store", "ledger"])
def test_a_backend_that_is_away_is_a_problem(shown: Shown, who: str) -> None:
    """Even if nothing was published yet, or nothing can be listed."""
    switch = shown.world.store_switch if who == "store" else shown.world.ledger_switch
    switch.off = True

    assert [each.kind for each in shown.showing.problems().problems] == [f"{who}_away"]


def test_a_mirror_that_is_behind_is_a_problem_for_the_next_who_asks(shown: Shown) -> None:
    """Nobody waits for services that are far away."""
    shown.world.version(1)
    channel = shown.world.store.channel(SCOPE, "stable")
    shown.mirrored = [MirrorState("azure-appconfig://x", channel, Standing.BEHIND, "it serves revision 0")]
    shown.mirrors_answer.clear()
    first = shown.showing.problems()
    shown.mirrors_answer.set()

    (problem,) = wait_for_problems(shown)

    assert first.problems == ()
    assert (problem.kind, problem.where) == ("mirror", "azure-appconfig://x")


def wait_for_problems(shown: Shown) -> tuple[Problem, ...]:
    """Return the problems as soon as there are some; what is far away answers in the background."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        shown.world.clock.advance(FRESH + 1)
        if found := shown.showing.problems().problems:
            return found
        time.sleep(0.01)
    return ()


def test_one_finds_and_nobody_waits_who_can_have_the_last_answer() -> None:
    """While one thread is finding out anew, which may take a while, the others go on with what was found before."""
    clock, begun, go_on = FixedClock(), threading.Event(), threading.Event()
    found: list[int] = []

    def find() -> int:
        if found:
            begun.set()
            assert go_on.wait(30)
        found.append(len(found))
        return found[-1]

    lately = Lately(clock, 5.0, find)
    lately()
    clock.advance(6)
    slow = threading.Thread(target=lately)
    slow.start()
    assert begun.wait(30)
    others = [lately() for _ in range(3)]
    go_on.set()
    slow.join(30)

    assert others == [0, 0, 0]
    assert lately() == 1
    assert found == [0, 1]
