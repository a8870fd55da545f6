"""The view that engines ask: fresh, in memory, and harmless when everything else fails."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runpin.changes import Change, Watcher
from runpin.errors import StoreUnavailable
from runpin.model import STABLE, Scope
from runpin.reactions import Moved
from runpin.testing import MemoryWatcher
from runpin.watching import ChannelWatch
from world import SCOPE, World


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


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
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
    assert watch.wait_for_view(60)
    second = world.publish({"etl": {"batch_size": 2}}).snapshot

    assert eventually(lambda: watch.present(["payments"]) == {"payments": second})


def test_unknown_applications_and_barred_snapshots_are_left_out(watch: ChannelWatch, world: World) -> None:
    """What cannot be pinned is not proposed."""
    assert watch.wait_for_view(60)
    assert {"payments"} == set(watch.present(["payments", "reports"]))
    world.ledger.bar(world.store.channels("prod", None)[0].snapshot, actor="ada", reason="bad")

    assert eventually(lambda: watch.present(["payments"]) == {})


def test_what_stood_before_a_move_that_was_told_is_no_answer(watch: ChannelWatch, world: World) -> None:
    """Of the same channel only; where the move was seen, and in an old view, what was told changes nothing."""
    assert watch.wait_for_view(60)
    reports = world.publish({"etl": {}}, scope=Scope("reports", "prod")).snapshot
    second = world.version(2)
    both = {"payments": second, "reports": reports}
    assert eventually(lambda: watch.present(both) == both)
    revision = world.store.channel(SCOPE, STABLE).revision
    unseen, move = Moved(SCOPE, STABLE, revision + 1), Moved(SCOPE, STABLE, revision)
    elsewhere = [Scope("payments", "prod", "acme"), Scope("payments", "dev"), Scope("other", "prod")]
    other = [move, replace(unseen, channel="canary"), *(replace(unseen, scope=scope) for scope in elsewhere)]

    assert both == watch.present(both, other)
    assert {"reports": reports} == watch.present(both, [move, unseen])
    third = world.version(3)
    assert eventually(lambda: watch.present(["payments"], [unseen]) == {"payments": third})
    world.store_switch.off = True
    world.clock.advance(61)
    assert {} == watch.present(both, [move])


@pytest.mark.parametrize(
    "wrong",
    [{"application": "-"}, {"application": None}, {"environment": 7}, {"tenant": "-"}, {"revision": "7"}],
    ids=str,
)
def test_what_was_told_in_words_is_read_or_left(wrong: dict[str, object]) -> None:
    """Others may write into what engines keep."""
    told = {"application": "payments", "environment": "prod", "tenant": None, "channel": "stable", "revision": 7}

    assert Moved(SCOPE, STABLE, 7) == Moved.read(told)
    assert Moved.read({**told, **wrong}) is None


def test_an_outage_keeps_the_last_view_until_it_is_too_old(
    watch: ChannelWatch, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Within the age limit the last view answers; beyond it runs decide by themselves; the log says it once."""
    assert watch.wait_for_view(60)
    with caplog.at_level(logging.WARNING, "runpin.watching"):
        world.store_switch.off = True
        assert eventually(lambda: "cannot see the channels" in caplog.text)
    assert {"payments"} == set(watch.present(["payments"]))
    world.clock.advance(61)

    assert {} == watch.present(["payments"])
    assert 1 == caplog.text.count("cannot see the channels")


def test_a_forked_child_looks_for_itself(watch: ChannelWatch) -> None:
    """Threads do not survive a fork; the child starts its own at the first question."""
    assert watch.wait_for_view(60)
    child = os.fork()
    if child == 0:
        before = threading.active_count()
        watch.present(["payments"])
        os._exit(0 if threading.active_count() == before + 1 else 1)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


LONG = 3600.0
"""Seconds that no test waits for."""


class Scripted:
    """A watcher that does the same at every call, and counts them."""

    def __init__(self, said: Change | Exception | None) -> None:
        self.calls = 0
        self.closed = threading.Event()
        self._said = said

    def wait(self, timeout: float) -> Change | None:
        """Say it; silence takes its time."""
        self.calls += 1
        if isinstance(self._said, Exception):
            raise self._said
        if self._said is None:
            # The beginning is told also where a pooler swallows everything after it.
            if self.calls == 1:
                return Change("prod", None, certain=False)
            self.closed.wait(timeout)
        return self._said

    def close(self) -> None:
        """End the wait."""
        self.closed.set()


def pushed_watch(
    world: World, open_watcher: Callable[[], Watcher | None], *, interval: float = LONG, slow: float = LONG
) -> ChannelWatch:
    """Return a watch that is told of changes."""
    return ChannelWatch(
        world.store,
        world.ledger,
        world.host().resolver,
        world.clock,
        environment="prod",
        tenant=None,
        interval=interval,
        open_watcher=open_watcher,
        slow_interval=slow,
    )


@pytest.fixture
def told(world: World) -> Iterator[ChannelWatch]:
    """Return a watch that looks only when it is told to."""
    watch = pushed_watch(world, lambda: MemoryWatcher(world.store, world.ledger, "prod", None))
    assert watch.wait_for_view(60)
    assert eventually(lambda: watch.pushed)
    yield watch
    watch.stop()


def test_what_is_told_is_seen_long_before_the_next_look(told: ChannelWatch, world: World) -> None:
    """Nobody would look within an hour; how late it was seen is on record."""
    assert (None, 0.0) == (told.lag, told.age)
    second = world.publish({"etl": {"batch_size": 2}}).snapshot

    assert eventually(lambda: told.present(["payments"]) == {"payments": second})
    assert (0.0, None) == (told.lag, told.error)


def test_while_nobody_tells_it_looks_at_the_interval(world: World) -> None:
    """A watcher that fails stops no look, and the reason can be read."""
    watch = pushed_watch(world, lambda: Scripted(StoreUnavailable("no news")), interval=0.01)
    assert watch.wait_for_view(60)
    second = world.publish({"etl": {"batch_size": 2}}).snapshot

    assert eventually(lambda: watch.present(["payments"]) == {"payments": second})
    assert (False, "no news") == (watch.pushed, watch.error)
    watch.stop()


def test_news_that_nobody_told_end_the_trust(world: World) -> None:
    """Behind a pooler nothing is told; after one slow look it looks at the interval."""
    silent = Scripted(None)
    watch = pushed_watch(world, lambda: silent, interval=0.01, slow=0.5)
    watch.start()
    assert eventually(lambda: silent.calls >= 2)
    assert watch.pushed
    second = world.publish({"etl": {"batch_size": 2}}).snapshot

    assert eventually(lambda: watch.present(["payments"]) == {"payments": second})
    assert eventually(lambda: not watch.pushed)
    watch.stop()


def test_connections_that_are_lost_at_once_are_made_with_a_rest(world: World) -> None:
    """Each begins with a look; after the second one in a row it rests."""
    watcher = Scripted(Change("prod", None, certain=False))
    watch = pushed_watch(world, lambda: watcher)
    watch.start()
    assert eventually(lambda: watcher.calls >= 2)
    threading.Event().wait(0.3)

    assert 2 == watcher.calls
    watch.stop()


def test_stop_ends_a_wait_for_news(world: World) -> None:
    """Its thread ends, and does not wait for the hour to be over."""
    before = set(threading.enumerate())
    told = pushed_watch(world, lambda: MemoryWatcher(world.store, world.ledger, "prod", None))
    told.start()
    (thread,) = set(threading.enumerate()) - before
    assert eventually(lambda: told.pushed)
    told.stop()
    thread.join(60)

    assert not thread.is_alive()


def test_a_fork_does_not_wait_for_who_waits(told: ChannelWatch, world: World) -> None:
    """The turn is free meanwhile; the child has a watcher of its own and is told, and so is the parent afterwards."""
    assert eventually(lambda: not told.in_round.locked())
    child = os.fork()
    if child == 0:
        fresh = not told.pushed
        told.start()
        begun = eventually(lambda: told.pushed)
        second = world.publish({"etl": {"batch_size": 2}}).snapshot
        seen = eventually(lambda: told.present(["payments"]) == {"payments": second})
        os._exit(0 if fresh and begun and seen else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    third = world.publish({"etl": {"batch_size": 3}}).snapshot

    assert 0 == status
    assert eventually(lambda: told.present(["payments"]) == {"payments": third})
