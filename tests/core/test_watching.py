"""The view that engines ask: fresh, in memory, and harmless when everything else fails."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runpin.watching import ChannelWatch
from world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One published version."""
    world = World(tmp_path)
    world.publish({"etl": {"batch_size": 1}})
    return world


@pytest.fixture
def watch(world: World) -> Iterator[ChannelWatch]:
    """A watch that looks every few milliseconds."""
    host = world.host()
    watch = ChannelWatch(
        world.store,
        world.ledger,
        host.resolver,
        world.clock,
        environment="prod",
        tenant=None,
        interval=0.01,
        max_age=60,
    )
    yield watch
    watch.stop()


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Tell whether *holds* becomes true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.005)
    return True


def test_before_the_first_look_there_is_no_answer_and_no_wait(watch: ChannelWatch, world: World) -> None:
    """A scheduler that has just started proposes nothing rather than wait."""
    world.store_switch.off = True

    assert {} == watch.present(["payments"])


def test_the_view_follows_the_channel(watch: ChannelWatch, world: World) -> None:
    """A publication is seen without anybody asking the store."""
    assert watch.wait_for_view(5)
    second = world.publish({"etl": {"batch_size": 2}}).snapshot

    assert eventually(lambda: watch.present(["payments"]) == {"payments": second})


def test_unknown_applications_and_barred_snapshots_are_left_out(watch: ChannelWatch, world: World) -> None:
    """What cannot be pinned is not proposed."""
    assert watch.wait_for_view(5)
    assert {"payments"} == set(watch.present(["payments", "reports"]))
    world.ledger.bar(world.store.channels("prod", None)[0].snapshot, actor="ada", reason="bad")

    assert eventually(lambda: watch.present(["payments"]) == {})


def test_an_outage_keeps_the_last_view_until_it_is_too_old(
    watch: ChannelWatch, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Within the age limit the last view answers; beyond it runs decide by themselves; the log says it once."""
    assert watch.wait_for_view(5)
    with caplog.at_level(logging.WARNING, "runpin.watching"):
        world.store_switch.off = True
        assert eventually(lambda: "cannot see the channels" in caplog.text)
    assert {"payments"} == set(watch.present(["payments"]))
    world.clock.advance(61)

    assert {} == watch.present(["payments"])
    assert 1 == caplog.text.count("cannot see the channels")


def test_a_forked_child_looks_for_itself(watch: ChannelWatch) -> None:
    """Threads do not survive a fork; the child starts its own at the first question."""
    assert watch.wait_for_view(5)
    child = os.fork()
    if child == 0:
        before = threading.active_count()
        watch.present(["payments"])
        os._exit(0 if threading.active_count() == before + 1 else 1)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
