"""The watcher of Azure App Configuration: asks little, misses nothing, and rests when the service wants to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from time import monotonic

import pytest

from azure_double import Double
from azure_double_server import Fault, Server, serving
from azure_double_wire import Request
from fault_proxy import in_front_of
from runpin.azure_appconfig.endpoint import Endpoint
from runpin.azure_appconfig.watching import AzureWatcher
from runpin.changes import Change, Watcher
from runpin.clock import SystemClock
from runpin.errors import StoreUnavailable
from runpin.etcd.changes import EtcdWatcher
from runpin.etcd.cluster import Cluster
from runpin.ledgers.etcd import EtcdLedger
from runpin.resolving import Resolver
from runpin.stores.azure import AzureStore
from runpin.stores.disk import DiskCache
from runpin.testing import MemoryLedger
from runpin.testing.ledger_contract import snapshot_id
from runpin.testing.store_contract import SCOPE, TENANT, move, publish
from runpin.watching import ChannelWatch

LONG = 60.0
"""Seconds that no test waits for, unless something is wrong."""


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve an empty double with small pages."""
    with serving(Double(page=2)) as server:
        yield server


@pytest.fixture
def endpoint(server: Server) -> Iterator[Endpoint]:
    """Return the watcher's own client."""
    with server.endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def store(server: Server) -> Iterator[AzureStore]:
    """Return another process's store, as it were: it shares no Sync-Token with the watcher."""
    with server.endpoint() as endpoint:
        yield AzureStore(endpoint, MemoryLedger())


def watcher_of(endpoint: Endpoint, interval: float = 0.05, beside: Watcher | None = None) -> AzureWatcher:
    """Return a watcher that has begun."""
    watcher = AzureWatcher(endpoint, "prod", None, interval=interval, beside=beside)
    assert Change("prod", None, certain=False) == watcher.wait(LONG)
    return watcher


class Beside:
    """A watcher of another backend: told what to say, and listened to."""

    def __init__(self) -> None:
        self.waits = 0
        self.closed = Event()
        self._said: Queue[Change | StoreUnavailable | None] = Queue()

    def say(self, said: Change | StoreUnavailable, times: int = 1) -> None:
        """Say it to whoever waits, or will."""
        for _ in range(times):
            self._said.put(said)

    def wait(self, timeout: float) -> Change | None:
        """Say the next thing."""
        self.waits += 1
        with suppress(Empty):
            said = self._said.get(timeout=0 if self.closed.is_set() else timeout)
            if isinstance(said, StoreUnavailable):
                raise said
            return said
        return None

    def close(self) -> None:
        """End the wait."""
        self.closed.set()
        self._said.put(None)


def looks(server: Server) -> list[Request]:
    """Return the requests about channels."""
    return [each for each in server.double.requests if "channels/" in each.query.get("key", "")]


def told_by(watcher: AzureWatcher, act: Callable[[], object]) -> Change | None:
    """Return what a thread that waits already is told once *act* is done."""
    said: list[Change | None] = []
    thread = Thread(target=lambda: said.append(watcher.wait(LONG)))
    thread.start()
    act()
    thread.join(LONG)
    return said[0]


def test_a_move_is_told_and_nothing_else_is(endpoint: Endpoint, store: AzureStore) -> None:
    """Publications, other environments and tenants are not this watcher's business."""
    watcher = watcher_of(endpoint)
    publish(store, 1)
    move(store, publish(store, 1, TENANT), 0)
    quiet = watcher.wait(0.5)

    assert quiet is None
    assert Change("prod", None) == told_by(watcher, lambda: move(store, publish(store, 1), 0))
    assert watcher.wait(0.5) is None


def test_what_moved_between_two_waits_is_told(endpoint: Endpoint, store: AzureStore) -> None:
    """Also before the first look of the caller, whose change is not certain."""
    watcher = watcher_of(endpoint)
    first = publish(store, 1)
    for number, name in enumerate(("stable", "canary", "third", "fourth")):
        move(store, first, 0, name)
        assert Change("prod", None) == watcher.wait(LONG), number
    move(store, first, 1, "third")

    assert Change("prod", None) == watcher.wait(LONG)
    assert watcher.wait(0.3) is None


def test_a_look_that_finds_nothing_new_sends_nothing(server: Server, endpoint: Endpoint, store: AzureStore) -> None:
    """One request for each page of the list, answered without a key-value."""
    for name in ("stable", "canary", "third"):
        move(store, publish(store, 1), 0, name)
    watcher = watcher_of(endpoint, interval=0.2)
    server.double.requests.clear()
    # Once on most machines: a look has two pages.
    while len(looks(server)) < 2:
        assert watcher.wait(1) is None
    seen = looks(server)

    assert all("if-none-match" in each.headers for each in seen)
    assert {"GET"} == {each.method for each in seen}


def test_closing_ends_a_wait_at_once(server: Server, endpoint: Endpoint) -> None:
    """Between two looks, and in one that nobody answers; every later wait returns None."""
    resting, hanging = watcher_of(endpoint, interval=3600), AzureWatcher(endpoint, "dev", None, interval=3600)
    server.faults = lambda _: Fault.STALL

    for watcher in (resting, hanging):
        began = monotonic()
        assert told_by(watcher, watcher.close) is None
        assert monotonic() - began < LONG / 2
        assert watcher.wait(LONG) is None


@pytest.mark.parametrize("fault", [Fault.BROKEN, Fault.BUSY, Fault.RESET, Fault.GARBAGE, Fault.STALL])
def test_an_outage_is_raised_once_and_then_rested_from(server: Server, fault: Fault, store: AzureStore) -> None:
    """A wait during the rest asks nobody; the first change after it is not certain."""
    with server.endpoint(0.6) as endpoint:
        watcher = AzureWatcher(endpoint, "prod", None, interval=0.05)
        # On a busy machine the first request takes longer than the patience that the faults are for.
        assert Change("prod", None, certain=False) == told_after_failures(watcher)
        server.faults = lambda _: fault
        with pytest.raises(StoreUnavailable):
            watcher.wait(LONG)
        raised = failures_within(watcher, 2)
        server.faults = lambda _: None
        move(store, publish(store, 1), 0)

        assert Change("prod", None, certain=False) == told_after_failures(watcher)
    # 0.1, 0.2, 0.4, ... seconds at most: without a rest there would be more than a hundred.
    assert raised < 40


def failures_within(watcher: AzureWatcher, seconds: float) -> int:
    """Wait again and again for so many seconds, and count how often nobody could be asked."""
    ends, failures = monotonic() + seconds, 0
    while monotonic() < ends:
        try:
            assert watcher.wait(ends - monotonic()) is None
        except StoreUnavailable:
            failures += 1
    return failures


def told_after_failures(watcher: AzureWatcher) -> Change | None:
    """Return the first change after what may still fail."""
    while True:
        try:
            return watcher.wait(LONG)
        except StoreUnavailable:
            continue


def test_a_rest_that_the_service_asks_for_is_kept(server: Server, endpoint: Endpoint, store: AzureStore) -> None:
    """Neither the interval nor a hint makes the watcher ask before it is over."""
    watcher = watcher_of(endpoint)
    # Nobody looks before somebody waits, and once it is refused, what moves has no time to.
    move(store, publish(store, 1), 0)
    server.rest = 3000
    server.fail(Fault.THROTTLED, key="channels/")
    began = monotonic()
    with pytest.raises(StoreUnavailable, match="quota"):
        watcher.wait(LONG)
    asked = len(looks(server))
    watcher.hint()
    early = [watcher.wait(0.3), len(looks(server)) - asked]
    change = watcher.wait(LONG)

    assert [None, 0] == early
    assert Change("prod", None, certain=False) == change
    assert monotonic() - began >= 3


def test_while_the_service_wants_to_rest_the_process_asks_nothing(
    server: Server, endpoint: Endpoint, store: AzureStore, tmp_path: Path
) -> None:
    """Neither its watcher nor its looks at an interval: it is told once, and the last view stays."""
    snapshot, refused = publish(store, 1), list[Request]()
    move(store, snapshot, 0)
    watch = watch_of(endpoint, tmp_path)
    assert watch.wait_for_view(LONG)
    server.rest = 3_600_000

    def refuse(request: Request) -> Fault:
        refused.append(request)
        return Fault.THROTTLED

    server.faults = refuse
    assert eventually(lambda: watch.error is not None)
    Event().wait(1.0)
    watch.stop()

    assert 1 == len(refused)
    assert "as the service wants it" in str(watch.error)
    assert {SCOPE.application: snapshot.id} == watch.present([SCOPE.application])


def watch_of(endpoint: Endpoint, folder: Path) -> ChannelWatch:
    """Return a watch that looks many times in a second whatever it is told."""
    store, ledger, clock = AzureStore(endpoint, MemoryLedger()), MemoryLedger(), endpoint.clock
    resolver = Resolver(store, store, DiskCache(folder, clock=clock), clock)
    return ChannelWatch(
        *(store, ledger, resolver, clock),
        environment="prod",
        tenant=None,
        interval=0.02,
        slow_interval=0.02,
        open_watcher=lambda: watcher_of(endpoint),
    )


def eventually(holds: Callable[[], bool]) -> bool:
    """Tell whether *holds* becomes true in time."""
    ends = monotonic() + LONG
    while not holds() and monotonic() < ends:
        Event().wait(0.01)
    return holds()


def test_a_hint_makes_it_look_at_once_and_again_later(server: Server, endpoint: Endpoint, store: AzureStore) -> None:
    """The service may answer from the past for some seconds after an event."""
    watcher = watcher_of(endpoint, interval=3600)
    server.double.lag = 10_000
    before = len(looks(server))
    move(store, publish(store, 1), 0)
    watcher.hint()
    assert watcher.wait(2.0) is None
    assert len(looks(server)) > before
    server.double.lag = 0

    assert Change("prod", None) == watcher.wait(LONG)


def test_the_other_backend_is_listened_to_as_well(endpoint: Endpoint, store: AzureStore) -> None:
    """Whichever tells first; a hint does not wait for it, and closing closes it."""
    beside = Beside()
    watcher = watcher_of(endpoint, interval=3600, beside=beside)
    beside.say(Change("prod", None))
    assert Change("prod", None) == watcher.wait(LONG)
    move(store, publish(store, 1), 0)
    assert Change("prod", None) == told_by(watcher, watcher.hint)
    beside.say(StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable, match="away"):
        watcher.wait(LONG)
    watcher.close()

    assert beside.closed.is_set()
    assert watcher.wait(LONG) is None


def test_the_other_backend_is_asked_once_however_often_this_one_is(server: Server, endpoint: Endpoint) -> None:
    """Neither a look nor the end of a wait begins the listening anew, for that costs a connection of etcd's."""
    beside = Beside()
    watcher = watcher_of(endpoint, beside=beside)
    before = len(looks(server))
    waits = 0
    while waits < 2 or len(looks(server)) - before <= 4:
        assert watcher.wait(0.5) is None
        waits += 1
    beside.say(Change("prod", None))

    assert Change("prod", None) == watcher.wait(LONG)
    assert 1 == beside.waits
    watcher.close()


@pytest.mark.etcd
def test_a_watch_of_etcd_stays_open(endpoint: Endpoint, etcd_url: str) -> None:
    """Where the ledger is in etcd, the cluster counts one connection, and what is barred is told."""
    port = int(etcd_url.rpartition(":")[2].partition("/")[0])
    with in_front_of(port) as proxy, Cluster.open(etcd_url, clock=SystemClock()) as direct:
        url = etcd_url.replace(f":{port}/", f":{proxy.port}/")
        with Cluster.open(url, clock=SystemClock()) as cluster:
            watcher = watcher_of(endpoint, interval=3600, beside=EtcdWatcher(cluster, "prod", None))
            begun = [watcher.wait(LONG), watcher.wait(0.5)]
            opened = proxy.connections
            quiet = [watcher.wait(0.5) for _ in range(3)]
            further = proxy.connections - opened
            EtcdLedger(direct).bar(snapshot_id(1), actor="ada", reason="broken")
            told = watcher.wait(LONG)
            watcher.close()

    assert [Change("prod", None, certain=False), None] == begun
    assert [None] * 3 == quiet
    # A machine that is busy may open the first one late.
    assert further <= 1
    assert Change("prod", None) == told


def test_an_outage_beside_does_not_hide_a_move(endpoint: Endpoint, store: AzureStore) -> None:
    """The channels are looked at first."""
    beside = Beside()
    watcher = watcher_of(endpoint, beside=beside)
    beside.say(StoreUnavailable("away"), 10_000)
    move(store, publish(store, 1), 0)

    assert Change("prod", None) == told_after_failures(watcher)
    assert 1 == store.channel(SCOPE, "stable").revision
