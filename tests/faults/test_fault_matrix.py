"""
Each fault on the way to each store: what a host that has read before goes on doing, and how it recovers.

The short form gives a call less than a second of patience. The long form, RUNPIN_FAULT_PATIENCE=5, is the product's
own. With --log-cli-level=INFO each case says what it measured.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import monotonic, perf_counter
from typing import Any

import pytest

from fault_backends import Front, fronted, marks, publish
from fault_proxy import Mode
from fault_rows import ROWS, Row
from runpin.assembly import Runpin
from runpin.canonical import canonical
from runpin.errors import ConfigUnavailable, RunpinError, StoreCorrupt, StoreUnavailable
from runpin.model import STABLE
from world import SCOPE, run_key

_log = logging.getLogger(__name__)

STORES = ("postgres", "etcd", "azure")
DOCUMENT = {"batch": 7, "tables": [f"orders_{number}" for number in range(50)]}
BODY = canonical(DOCUMENT)
CHANGED = {"batch": 8}
OTHER = {"batch": 9}
READS = 10
FLIPS = int(os.environ.get("RUNPIN_FAULT_FLIPS", "8"))

LONG = float(os.environ.get("RUNPIN_FAULT_PATIENCE", "0"))

# A machine that is busy with other tests, and stands still now and then; the product's own patience is five seconds.
SLACK = 4.0

RECOVERY = 40.0
"""Seconds after which everything works again: the longest pause between two questions is half a minute."""


@pytest.fixture(params=STORES)
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Front]:
    """Return a store behind a proxy, to which one document was published."""
    with fronted(request.param, request, tmp_path) as front:
        with front.core(tmp_path / "publisher", 5.0, direct=True) as core:
            publish(core, {"etl": DOCUMENT})
        yield front


def batch(core: Runpin, name: str = "r1") -> int:
    """Return what a new attempt of a run reads."""
    config = core.run(run_key(name)).get_config(f"{SCOPE.application}/etl")
    value: int = config["batch"]
    return value


def outcome(work: Callable[[], object]) -> tuple[object, float]:
    """Return what *work* returned, or the error of ours that it raised, and how long that took."""
    begun = perf_counter()
    try:
        return work(), perf_counter() - begun
    except RunpinError as error:
        # Its frames would keep what they hold: the driver's half-made connection, for one.
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None), perf_counter() - begun


def held() -> tuple[int, int]:
    """Return how many threads and file descriptors this process has."""
    return threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough


def who_is_there() -> list[str]:
    """Return what the threads and descriptors of this process are, for a message."""
    files = [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]  # noqa: PTH115
    return [each.name for each in threading.enumerate()] + sorted(files)


def let_go(*cores: Runpin) -> None:
    """Close again what was asking when it was closed first: its connections came back after that."""
    ends = monotonic() + 30
    while any(each.name == "runpin-ask" for each in threading.enumerate()) and monotonic() < ends:
        Event().wait(0.05)
    for core in cores:
        core.close()


def settled(most: tuple[int, int]) -> bool:
    """Wait until no more is held than *most*."""
    ends = monotonic() + 30
    while monotonic() < ends:
        gc.collect()
        threads, files = held()
        if threads <= most[0] and files <= most[1]:
            return True
        Event().wait(0.05)
    return False


def once_it_answers(core: Runpin, name: str = "r1") -> int:
    """Return what a run reads where nothing is wrong, which may take longer than the patience with faults."""
    ends = monotonic() + RECOVERY
    while isinstance(found := outcome(lambda: batch(core, name))[0], RunpinError):
        assert found.retryable, found
        assert monotonic() < ends, found
    assert isinstance(found, int)
    return found


def read_on(core: Runpin, row: Row) -> float:
    """Read a pinned run and its channel again and again, and return how long the longest took."""
    longest = 0.0
    for _ in range(READS):
        begun = perf_counter()
        found = core.resolver.channel(SCOPE)
        value = batch(core)
        longest = max(longest, perf_counter() - begun)
        assert (7, 1) == (value, found.channel.revision)
        if row.stale:
            assert found.stale
            assert found.age.total_seconds() >= 0
            assert "store" in found.reason
        Event().wait(0.01)
    return longest


def decide_and_publish(core: Runpin) -> tuple[tuple[object, float], tuple[object, float]]:
    """Ask for what no cache can answer: a run that nobody knows, and a publication; both at once."""
    with ThreadPoolExecutor(2) as pool:
        work: list[Future[Any]] = [
            pool.submit(outcome, lambda: batch(core, "new")),
            pool.submit(outcome, lambda: publish(core, {"etl": CHANGED})),
        ]
        run, published = (each.result() for each in work)
    return run, published


def recovered(core: Runpin, begun: float) -> float:
    """Wait until the channel is answered by the store again."""
    while core.resolver.channel(SCOPE).stale:
        assert monotonic() < begun + RECOVERY
        Event().wait(0.05)
    return monotonic() - begun


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault.name.lower())
def test_a_fault_costs_no_run_its_configuration(front: Front, tmp_path: Path, row: Row) -> None:
    """Cached answers at once, typed errors in time for the rest, and all is as before when the fault is over."""
    patience = max(row.patience, LONG)
    # Far more than the moment that a read waits: one whose wait begins late would still get the answer otherwise.
    front.proxy.latency = 0.4
    front.proxy.mark = marks(BODY, BODY.index(b"7") + 1)
    host, before = tmp_path / "host", held()
    with front.core(host, patience) as warm:
        assert once_it_answers(warm) == 7
        while warm.resolver.channel(SCOPE).stale:
            Event().wait(0.05)
        with front.proxy.faulty(row.fault):
            longest = read_on(warm, row)
            with front.core(host, patience) as fresh:
                longest = max(longest, read_on(fresh, row))
            (run, run_took), (published, publish_took) = decide_and_publish(warm)
        begun = monotonic()

        check_new(row, run, published, patience, max(run_took, publish_took))
        assert longest < 0.25 + SLACK

        settle_publication(warm, published)
        assert once_it_answers(warm, "after") == 9
        assert batch(warm) == 7
        assert not warm.resolver.channel(SCOPE, STABLE).stale or recovered(warm, begun)
        took = monotonic() - begun
        assert took < RECOVERY
        _log.info(
            "%s, %s: longest read %.0f ms; new run %s %.1f s; publish %s %.1f s; recovered after %.1f s",
            *(front.kind, row.fault.name.lower(), longest * 1e3, type(run).__name__, run_took),
            *(type(published).__name__, publish_took, took),
        )
    let_go(warm, fresh)
    # Two connections, each with both of its ends in the proxy, and the double's threads for them.
    assert settled((before[0] + 2, before[1] + 8)), (before, held(), who_is_there())


def check_new(row: Row, run: object, published: object, patience: float, took: float) -> None:
    """Check what came of a run that nobody knew, and of a publication."""
    # A run asks twice at most, and a publication is four calls, of which the first that fails is the last.
    assert took < 3 * patience + 2 + SLACK
    if row.answers:
        assert run in {7, 8} or isinstance(run, StoreCorrupt)
        assert not isinstance(published, RunpinError)
        return
    # With its ledger beside it, Azure's store may have been asked for the candidate only.
    assert isinstance(run, ConfigUnavailable | StoreUnavailable), run
    assert run.retryable
    assert isinstance(published, StoreUnavailable), published


def settle_publication(core: Runpin, published: object) -> None:
    """Publish again: what was under way has happened once or not at all, and nothing by half."""
    while isinstance(tried := outcome(lambda: publish(core, {"etl": OTHER}))[0], RunpinError):
        # Bytes that the network held back may arrive late, and move the channel just now.
        assert tried.retryable or "revision" in str(tried), tried
        Event().wait(0.2)
    moves = [line.channel.revision for line in core.store.moves(SCOPE, STABLE, 10)]

    assert moves == list(range(len(moves), 0, -1))
    assert len(moves) in ({3} if not isinstance(published, RunpinError) else {2, 3})


def test_a_flipped_bit_in_a_document_is_caught(front: Front, tmp_path: Path) -> None:
    """A host without a copy gets an error and no other number, and the right one when the bytes are."""
    place = BODY.index(b"7") + 1
    front.proxy.mark = marks(BODY, place)
    with front.core(tmp_path / "host", 5.0) as core:
        assert core.resolver.channel(SCOPE).channel.revision == 1
        with front.proxy.faulty(Mode.CORRUPT):
            with pytest.raises(StoreCorrupt):
                batch(core)
            assert front.proxy.flips >= 1

        assert batch(core) == 7


def test_a_flipped_bit_anywhere_is_never_another_configuration(front: Front, tmp_path: Path) -> None:
    """Wherever it is in whichever answer: the number that was published, or a typed error."""
    with front.proxy.faulty(Mode.CORRUPT):
        for seed in range(FLIPS):
            front.proxy.dice.seed(seed)
            with front.core(tmp_path / f"host-{seed}", 0.5) as core:
                seen, _ = outcome(lambda core=core, seed=seed: batch(core, f"r{seed}"))  # type: ignore[misc]
            assert seen == 7 or isinstance(seen, RunpinError), (seed, seen)
    assert front.proxy.flips >= FLIPS


def test_a_flipped_bit_anywhere_costs_a_pinned_run_nothing(front: Front, tmp_path: Path) -> None:
    """Whatever the ledger and the store seem to say: what this host has read is verified, and is the answer."""
    with front.core(tmp_path / "host", 5.0) as core:
        assert batch(core) == 7
    with front.proxy.faulty(Mode.CORRUPT):
        for seed in range(FLIPS):
            front.proxy.dice.seed(seed)
            with front.core(tmp_path / "host", 0.5) as core:
                assert outcome(lambda core=core: batch(core))[0] == 7, seed  # type: ignore[misc]
    # Of Azure's store it asks nothing: the ledger is elsewhere.
    assert front.proxy.flips >= 1 or front.kind == "azure"


def test_a_host_without_a_cache_is_caught(front: Front, tmp_path: Path) -> None:
    """Seeded: who has read nothing before has nothing to go on from, and the check of the matrix says so."""
    row = Row(Mode.REFUSE)
    with (
        front.core(tmp_path / "host", row.patience) as core,
        front.proxy.faulty(row.fault),
        pytest.raises(StoreUnavailable),
    ):
        read_on(core, row)
