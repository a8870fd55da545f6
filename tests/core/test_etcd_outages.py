"""One deadline for each call, whatever a server does; endpoints in turn; nothing that a URL keeps secret."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from time import monotonic
from typing import ClassVar

import pytest

from etcd_server import EtcdServer, etcd_of
from runpin.clock import SystemClock
from runpin.errors import StoreCorrupt, StoreError, StoreUnavailable, UnknownChannel
from runpin.etcd.cluster import Call, Cluster
from runpin.etcd.transactions import Answer, Condition, Operation, first, one, put
from runpin.ledgers.etcd import EtcdLedger
from runpin.ledgers.etcd_reactions import EtcdReactions
from runpin.model import RunKey, Scope, digest_of
from runpin.stores.etcd import EtcdStore
from runpin.testing.ledger_contract import SCOPE, at_once, following, pin_of, run_key
from runpin.testing.reactions_contract import reaction_to
from runpin.testing.store_contract import move, publish

PATIENCE = 1.0
# The machine may be busy; without an end, the first of these would take half a minute.
SLACK = 15.0


@pytest.fixture
def cluster(etcd_url: str) -> Iterator[Cluster]:
    """Return the session's etcd, below a prefix without a key."""
    with Cluster.open(etcd_url, clock=SystemClock()) as cluster:
        yield cluster


Behaviour = Callable[[socket.socket, Event], None]


def says_nothing(connection: socket.socket, over: Event) -> None:
    """Take the request and stay silent."""
    del connection
    over.wait(30)


def drips(connection: socket.socket, over: Event) -> None:
    """Send one byte now and then: none of the waits in between is long."""
    connection.recv(1 << 16)
    for byte in b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n" + b" " * 10_000:
        if over.wait(0.1):
            return
        connection.sendall(bytes([byte]))


def answers(content: bytes, status: str = "200 OK") -> Behaviour:
    """Answer every request with *content*."""

    def behave(connection: socket.socket, over: Event) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        while not over.is_set() and connection.recv(1 << 16):
            connection.sendall(head.encode() + content)

    return behave


def never_ends(connection: socket.socket, over: Event) -> None:
    """Send an answer without an end."""
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not over.is_set():
        connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


def hangs_up(connection: socket.socket, over: Event) -> None:
    """Close the connection in the middle of an answer."""
    del over
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


@contextmanager
def server_that(behave: Behaviour) -> Iterator[int]:
    """Serve connections on a port of the loopback interface, each as *behave* does."""
    over, listening = Event(), socket.create_server(("127.0.0.1", 0))

    def attend(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            behave(connection, over)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=attend, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


@pytest.mark.parametrize(
    "behave",
    [
        says_nothing,
        drips,
        never_ends,
        hangs_up,
        answers(b"<html>log in</html>"),
        answers(b"{}"),
        answers(b"[]"),
        answers(b'{"header":{}}'),
        answers(b'{"header":{"revision":"1"},"responses":[1]}'),
        answers(b"oops", "502 Bad Gateway"),
        answers(b"not here", "404 Not Found"),
        answers(b'{"code":14,"message":"etcdserver: no leader"}', "503 Service Unavailable"),
        answers(b'{"code":8,"message":"etcdserver: too many requests"}', "429 Too Many Requests"),
    ],
)
def test_a_call_ends_in_time(behave: Behaviour) -> None:
    """Whatever answers, and however slowly: there is a typed error when the patience is over."""
    with server_that(behave) as port:
        begun, cluster = monotonic(), Cluster.open(f"etcd://127.0.0.1:{port}", clock=SystemClock(), patience=PATIENCE)
        with cluster, pytest.raises(StoreUnavailable):
            EtcdLedger(cluster).put_if_absent(pin_of(1))

    assert monotonic() - begun < PATIENCE + SLACK


def test_a_redirect_is_not_followed() -> None:
    """A server does not decide where pins are sent."""
    seen: list[bytes] = []

    def elsewhere(connection: socket.socket, over: Event) -> None:
        del over
        seen.append(connection.recv(1 << 16))

    with server_that(elsewhere) as other:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{other}/v3/kv/txn\r\nContent-Length: 0\r\n\r\n"

        def redirect(connection: socket.socket, over: Event) -> None:
            while not over.is_set() and connection.recv(1 << 16):
                connection.sendall(moved.encode())

        with server_that(redirect) as port:
            cluster = Cluster.open(f"etcd://127.0.0.1:{port}", clock=SystemClock(), patience=0.3)
            with cluster, pytest.raises(StoreUnavailable):
                EtcdLedger(cluster).get(run_key(), SCOPE)

    assert seen == []


@pytest.mark.etcd
@pytest.mark.parametrize("behave", [says_nothing, drips, hangs_up, answers(b"<html>")])
def test_the_next_endpoint_is_asked(etcd_server: EtcdServer, behave: Behaviour) -> None:
    """One bad member costs a part of the patience, once: later calls begin at the one that answered."""
    good = etcd_server.members[0].port
    with server_that(behave) as bad:
        url = f"etcd://127.0.0.1:{bad},127.0.0.1:{good}/{etcd_server.fresh_url().rpartition('/')[2]}"
        with Cluster.open(url, clock=SystemClock()) as cluster:
            ledger, begun = EtcdLedger(cluster), monotonic()
            pins = [ledger.put_if_absent(pin_of(1, run_key(str(number)))) for number in range(20)]

    assert len(pins) == 20
    # Asked each time, the bad one would cost half a minute.
    assert monotonic() - begun < 20


def test_a_refused_connection_is_an_error_in_time() -> None:
    """Nobody listens: the error names the endpoints."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    cluster = Cluster.open(f"etcd://ada:secret@127.0.0.1:{port}/x", clock=SystemClock(), patience=0.3)
    with cluster, pytest.raises(StoreUnavailable) as caught:
        EtcdLedger(cluster).get(run_key(), SCOPE)

    assert caught.value.where == f"etcd://127.0.0.1:{port}/x"
    assert "secret" not in str(caught.value) + repr(caught.value.__cause__) + repr(cluster)


@pytest.mark.etcd
def test_both_sides_of_a_fork_go_on(cluster: Cluster) -> None:
    """A child opens connections of its own, even if a thread of the parent was in the middle of a call."""
    ledger, over = EtcdLedger(cluster), Event()
    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(lambda: [ledger.get(run_key(), SCOPE) for _ in iter(over.is_set, True)])  # noqa: FBT003 - iter's end
        codes = []
        for number in range(5):
            child = os.fork()
            if child == 0:
                os._exit(0 if ledger.put_if_absent(pin_of(1, run_key(str(number)))).epoch == 0 else 1)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        over.set()
        busy.result()

    assert [0] * 5 == codes
    assert all(ledger.get(run_key(str(number)), SCOPE) for number in range(5))


@pytest.mark.etcd
def test_what_is_too_large_is_refused_with_advice(cluster: Cluster) -> None:
    """Nothing is stored by half, and the error says which limit it was."""
    body = b" " * (3 << 20)
    with pytest.raises(StoreError, match="larger than etcd takes") as caught:
        EtcdStore(cluster).put_objects({digest_of(body): body})

    assert "--max-request-bytes" in str(caught.value.fix)
    assert cluster.call().read(one(cluster.keys.object(digest_of(body)))) == ((),)


@pytest.mark.etcd
def test_a_full_cluster_refuses_writes_and_answers_reads(etcd_program: Path) -> None:
    """Publishing fails before the channel moves, and what is there is read as before."""
    quota = 16 << 20
    with (
        etcd_of(etcd_program, 1, f"--quota-backend-bytes={quota}") as server,
        Cluster.open(server.url(), clock=SystemClock()) as cluster,
    ):
        store, ledger = EtcdStore(cluster), EtcdLedger(cluster)
        standing, pin = move(store, publish(store, 1), 0), ledger.put_if_absent(pin_of(1))
        bodies = (b"%d" % number + b" " * (1 << 20) for number in range(32))
        with pytest.raises(StoreUnavailable, match="full") as caught:
            store.put_objects({digest_of(body): body for body in bodies})

        assert (standing, standing) == (store.channel(SCOPE, "stable"), store.channels("prod", None)[0])
        assert pin == ledger.get(run_key(), SCOPE) == ledger.put_if_absent(pin_of(2))
        assert "defragment" in str(caught.value.fix)


@pytest.mark.etcd
def test_the_largest_document_fits(cluster: Cluster) -> None:
    """A document may have 1 MiB, and several of them are stored in one go."""
    objects = {digest_of(body): body for body in (bytes([65 + n]) * (1 << 20) for n in range(3))}
    objects |= {digest_of(body): body for body in (b"%d" % n for n in range(120))}
    store = EtcdStore(cluster)
    store.put_objects(objects)

    assert objects == {digest: store.get_object(digest) for digest in objects}


@pytest.mark.etcd
def test_a_damaged_object_is_noticed_and_mended(cluster: Cluster) -> None:
    """Reading it is an error, and publishing it again stores it anew."""
    store, digest = EtcdStore(cluster), digest_of(b"{}")
    store.put_objects({digest: b"{}"})
    cluster.call().transact((), [put(cluster.keys.object(digest), b"{ }")])
    with pytest.raises(StoreCorrupt):
        store.get_object(digest)
    store.put_objects({digest: b"{}"})

    assert b"{}" == store.get_object(digest)


@pytest.mark.etcd
@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"{}", b'{"epoch":"x"}', b"\xff\xff"])
def test_a_damaged_record_is_noticed(cluster: Cluster, value: bytes) -> None:
    """It is never taken for absence."""
    cluster.call().transact((), [put(cluster.keys.pin(pin_of(1), 0), value)])

    with pytest.raises(StoreCorrupt):
        EtcdLedger(cluster).get(run_key(), SCOPE)
    with pytest.raises(StoreCorrupt):
        EtcdLedger(cluster).put_if_absent(pin_of(2))


class Recording(Cluster):
    """Remembers every conditional transaction that is sent."""

    sent: ClassVar[list[tuple[Sequence[Condition], Sequence[Operation]]]] = []

    def call(self, patience: float | None = None) -> Call:
        """Begin a call that remembers."""
        return _RecordingCall(self, patience or self.patience)


class _RecordingCall(Call):
    def transact(
        self, conditions: Sequence[Condition], then: Sequence[Operation], otherwise: Sequence[Operation] = ()
    ) -> Answer:
        if conditions:
            Recording.sent.append((conditions, then))
        return super().transact(conditions, then, otherwise)


@pytest.mark.etcd
def test_a_write_that_arrives_late_changes_nothing(etcd_url: str) -> None:
    """What was carried out once is not carried out again, whatever others did since."""
    Recording.sent.clear()
    with Recording.open(etcd_url, clock=SystemClock()) as cluster:
        ledger, store, reactions = EtcdLedger(cluster), EtcdStore(cluster), EtcdReactions(cluster)
        snapshot = publish(store, 1)
        move(store, snapshot, 0)
        ledger.bar(snapshot.id, actor="ada", reason="broken")
        ledger.lift(snapshot.id, actor="ada", reason="was not the cause")
        first_pin = ledger.put_if_absent(pin_of(1))
        second_pin = ledger.advance(following(first_pin, 2))
        reactions.end(reactions.begin(reaction_to(1)), "done")
        sent = list(Recording.sent)
        late = [cluster.call().transact(conditions, then).held for conditions, then in sent]

        assert [False] * len(sent) == late
        assert (frozenset(), second_pin) == (ledger.barred("prod"), ledger.get(run_key(), SCOPE))
    assert len(sent) >= 8


@pytest.mark.etcd
def test_a_run_is_found_by_its_id_in_every_place(cluster: Cluster) -> None:
    """Whatever the environment, tenant and application, and of one job if that is asked for."""
    ledger = EtcdLedger(cluster)
    scopes = [Scope("payments", "prod"), Scope("payments-eu", "prod", "acme"), Scope("billing", "test")]
    runs = [run_key("r1"), RunKey("airflow", "main", "report", "r1"), run_key("r10")]
    for scope in scopes:
        for run in runs:
            ledger.put_if_absent(pin_of(1, run, scope))
    found = ledger.pins_of_run("r1")
    of_job = ledger.pins_of_run("r1", "report")

    assert {(pin.scope, pin.run) for pin in found} == {(scope, run) for scope in scopes for run in runs[:2]}
    assert [runs[1]] * 3 == [pin.run for pin in of_job]
    assert () == ledger.pins_of_run("r")


@pytest.mark.etcd
def test_a_prefix_ends_where_a_name_ends(etcd_server: EtcdServer) -> None:
    """Neither a longer prefix in the URL nor a longer application is taken for its beginning."""
    url = etcd_server.fresh_url()
    with Cluster.open(url, clock=SystemClock()) as ours, Cluster.open(f"{url}-eu", clock=SystemClock()) as theirs:
        move(EtcdStore(theirs), publish(EtcdStore(theirs), 1), 0)
        move(EtcdStore(ours), publish(EtcdStore(ours), 1, Scope("payments-eu", "prod")), 0)

        assert ["payments-eu"] == [each.scope.application for each in EtcdStore(ours).channels("prod", None)]
        with pytest.raises(UnknownChannel):
            EtcdStore(ours).channel(SCOPE, "stable")


@pytest.mark.etcd
def test_names_that_could_pose_as_others_are_refused(cluster: Cluster) -> None:
    """A channel's name comes from people, and a slash in it would make it two parts of a key."""
    store = EtcdStore(cluster)
    for name in ("", "a/b", "..", "stable/", "\ud800"):
        with pytest.raises(UnknownChannel):
            store.channel(SCOPE, name)
        with pytest.raises(UnknownChannel):
            store.moves(SCOPE, name, 1)


@pytest.mark.etcd
def test_many_threads_share_a_cluster(cluster: Cluster) -> None:
    """Each gets its own answer."""
    ledger = EtcdLedger(cluster)
    pins = [pin_of(number + 1, run_key(str(number))) for number in range(16)]

    assert pins == at_once(16, lambda number: ledger.put_if_absent(pins[number]))


@pytest.mark.etcd
def test_history_without_an_end_is_cut(cluster: Cluster) -> None:
    """Only what was asked for is read."""
    store = EtcdStore(cluster)
    snapshot = publish(store, 1)
    for expected in range(12):
        move(store, snapshot, expected)

    assert [12, 11, 10] == [line.channel.revision for line in store.moves(SCOPE, "stable", 3)]
    assert 12 == len(cluster.call().read(first(cluster.keys.moves(SCOPE, "stable")))[0])
