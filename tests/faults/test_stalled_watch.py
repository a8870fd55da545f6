"""A watch that stalls: its connection stays open and nothing arrives, so only a look of one's own finds a change."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from fault_backends import Front, fronted, publish
from fault_proxy import Mode
from runpin.assembly import Runpin
from runpin.watching import ChannelWatch
from world import SCOPE

_log = logging.getLogger(__name__)

LONG = 60.0
"""Seconds that no test waits for, unless something is wrong."""

DEFAULTS = "RUNPIN_FAULT_PATIENCE" in os.environ
INTERVAL, SLOW = (2.0, 15.0) if DEFAULTS else (0.2, 1.0)


@pytest.fixture(params=["postgres", "etcd"])
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Front]:
    """Return a store that pushes, behind a proxy."""
    with fronted(request.param, request, tmp_path) as front:
        yield front


@pytest.fixture
def core(front: Front, tmp_path: Path) -> Iterator[Runpin]:
    """Return a process that asks the store itself, to which one version was published."""
    with front.core(tmp_path / "host", 5.0, direct=True) as core:
        publish(core, {"etl": {"batch": 1}})
        yield core


@contextmanager
def watched(core: Runpin, front: Front, slow: float) -> Iterator[ChannelWatch]:
    """Watch the channels; what tells of changes, and nothing else, is reached through the proxy."""
    with closing(front.open(front.url, 5.0)) as telling:
        watch = ChannelWatch(
            core.store,
            core.ledger,
            core.resolver,
            core.clock,
            environment=SCOPE.environment,
            tenant=None,
            interval=INTERVAL,
            slow_interval=slow,
            open_watcher=lambda: telling.watcher(SCOPE.environment, None),
        )
        assert watch.wait_for_view(LONG)
        assert took(lambda: watch.pushed) < LONG
        try:
            yield watch
        finally:
            watch.stop()


def took(holds: Callable[[], bool], most: float = LONG) -> float:
    """Wait until *holds* says so, or *most* seconds are over, and return how long that took."""
    begun = monotonic()
    while not holds() and monotonic() - begun < most:
        Event().wait(0.01)
    return monotonic() - begun


def seen(core: Runpin, watch: ChannelWatch, batch: int, most: float = LONG) -> float:
    """Publish a version, and return how long it took until the watch had it."""
    moved = publish(core, {"etl": {"batch": batch}}).snapshot
    return took(lambda: watch.present([SCOPE.application]).get(SCOPE.application) == moved, most)


def settle(watch: ChannelWatch) -> None:
    """Wait until the watch has heard whatever it was told, and rests."""
    assert took(lambda: (watch.age or 0.0) > 0.5) < LONG


@pytest.mark.faults
def test_a_change_arrives_although_the_watch_stalls(front: Front, core: Runpin) -> None:
    """By the slow look first; after it the watch is not trusted, until it tells of something again."""
    with watched(core, front, SLOW) as watch:
        pushed = seen(core, watch, 2)
        settle(watch)
        connections = front.proxy.connections
        with front.proxy.faulty(Mode.BLACKHOLE):
            slowly = seen(core, watch, 3)
            distrusted = took(lambda: not watch.pushed)
            again = seen(core, watch, 4)
        back = took(lambda: watch.pushed)
        after = seen(core, watch, 5)

    _log.info(
        "%s: pushed after %.2f s; stalled: %.1f s, then %.1f s; told again after %.1f s, then %.2f s; %d connections",
        *(front.kind, pushed, slowly, again, back, after, front.proxy.connections - connections),
    )
    assert max(pushed, slowly, distrusted, again, back, after) < LONG


@pytest.mark.faults
def test_the_look_at_an_interval_is_what_brings_it(front: Front, core: Runpin) -> None:
    """Seeded: who trusts the watch for an hour sees nothing while it stalls, and everything when it goes on."""
    with watched(core, front, 3600.0) as watch:
        assert seen(core, watch, 2) < LONG
        settle(watch)
        with front.proxy.faulty(Mode.BLACKHOLE):
            assert seen(core, watch, 3, most=2.0) >= 2.0

        assert seen(core, watch, 4) < LONG
