"""Users and TLS: who may do what is etcd's own business, and the roles of the how-to page are enough and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Event

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from etcd_server import Certificate, EtcdServer, etcd_of
from runpin.clock import SystemClock
from runpin.errors import StoreUnavailable
from runpin.etcd.cluster import Cluster
from runpin.ledgers.etcd import EtcdLedger
from runpin.ledgers.etcd_reactions import EtcdReactions
from runpin.model import Pin, Snapshot
from runpin.stores.etcd import EtcdStore
from runpin.stores.etcd_replica import EtcdReplica
from runpin.testing.ledger_contract import AT, SCOPE, pin_of, run_key
from runpin.testing.reactions_contract import reaction_to
from runpin.testing.replica_contract import adopt, channel_at, follow
from runpin.testing.store_contract import move, publish

pytestmark = pytest.mark.etcd

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "etcd.md"
PASSWORD = "p@ss/?#"  # noqa: S105 - of a server that lives as long as this test
LOGIN = "p%40ss%2F%3F%23"


def roles() -> dict[str, list[str]]:
    """Return the prefixes that each line of the page's table lets its users write."""
    lines = re.findall(r"^\| (\w+)[^|]*\| `/runpin/` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    return {who: re.findall(r"`([a-z]+/)`", prefixes) for who, prefixes in lines}


@pytest.fixture(scope="module")
def guarded(etcd_program: Path) -> Iterator[EtcdServer]:
    """Return a server with a user for each line of the page, and short-lived tokens."""
    with etcd_of(etcd_program, 1, "--auth-token-ttl=1") as server:
        server.control("user", "add", f"root:{PASSWORD}")
        server.control("user", "grant-role", "root", "root")
        for who, prefixes in roles().items():
            server.control("role", "add", who)
            server.control("role", "grant-permission", who, "--prefix", "read", "/runpin/")
            for prefix in prefixes:
                server.control("role", "grant-permission", who, "--prefix", "readwrite", f"/runpin/{prefix}")
            server.control("user", "add", f"{who}:{PASSWORD}")
            server.control("user", "grant-role", who, who)
        server.control("auth", "enable")
        yield server


def opened(server: EtcdServer, who: str, password: str = LOGIN) -> Cluster:
    """Open the cluster as a user."""
    return Cluster.open(server.url(login=f"{who}:{password}@"), clock=SystemClock())


def pin_to(snapshot: Snapshot, run_id: str) -> Pin:
    """Return a pin of a run to a published snapshot."""
    return Pin(run_key(run_id), snapshot.scope, snapshot.id, snapshot.digest, AT)


def certificate_in(folder: Path) -> Certificate:
    """Make the certificate of a server on the loopback interface, signed by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    named = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    begin = SystemClock().now() - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .issuer_name(name)
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=30))
        .add_extension(named, critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return Certificate(folder / "cert.pem", folder / "key.pem", folder / "cert.pem")


def test_tls_is_checked(tmp_path: Path, etcd_program: Path) -> None:
    """With the authority named it works; without it, and in the clear, nothing is sent."""
    with etcd_of(etcd_program, 1, certificate=certificate_in(tmp_path)) as server:
        with Cluster.open(server.url(), clock=SystemClock()) as cluster:
            pin = EtcdLedger(cluster).put_if_absent(pin_of(1))
        without, clear = server.url().partition("?")[0], server.url().partition("?")[0].replace("etcds", "etcd")
        for url in (without, clear):
            wrong = Cluster.open(url, clock=SystemClock(), patience=0.5)
            with wrong, pytest.raises(StoreUnavailable):
                EtcdLedger(wrong).get(run_key(), SCOPE)

    assert pin == pin_of(1)


def test_a_user_needs_the_password(guarded: EtcdServer) -> None:
    """Without one, or with another, nothing is read, and the error says that it is about access."""
    for url in (guarded.url(), guarded.url(login="workers:wrong@"), guarded.url(login="nobody:wrong@")):
        cluster = Cluster.open(url, clock=SystemClock())
        with cluster, pytest.raises(StoreUnavailable, match="does not let this user in"):
            EtcdLedger(cluster).get(run_key(), SCOPE)


def test_each_user_can_work_and_do_no_more(guarded: EtcdServer) -> None:
    """Publish, pin, react and go back, each as the user for it; what is another's is refused, and changes nothing."""
    with ExitStack() as open_ones:
        workers, schedulers, operators, publishers = (
            open_ones.enter_context(opened(guarded, who))
            for who in ("workers", "schedulers", "operators", "publishers")
        )
        snapshot = publish(EtcdStore(publishers), 1)
        move(EtcdStore(publishers), snapshot, 0)
        pin = EtcdLedger(workers).put_if_absent(pin_to(snapshot, "r1"))
        EtcdReactions(schedulers).begin(reaction_to(1))
        other = publish(EtcdStore(publishers), 2)
        move(EtcdStore(operators), other, 1)
        EtcdLedger(operators).bar(snapshot.id, actor="ada", reason="broken")
        replica = EtcdReplica(publishers)
        adopted = adopt(replica, 7, 7)
        follow(replica, channel_at(9, adopted, "mirrored"))
        for refused in (
            lambda: EtcdLedger(workers).lift(snapshot.id, actor="ada", reason="mine"),
            lambda: move(EtcdStore(workers), other, 2),
            lambda: publish(EtcdStore(operators), 3),
            lambda: EtcdLedger(publishers).put_if_absent(pin_of(9)),
            lambda: EtcdLedger(schedulers).put_if_absent(pin_of(9)),
        ):
            with pytest.raises(StoreUnavailable, match="does not let this user in"):
                refused()

        assert (pin, None) == (EtcdLedger(workers).get(pin.run, SCOPE), EtcdLedger(workers).get(run_key(), SCOPE))
        assert {snapshot.id} == EtcdLedger(schedulers).barred("prod")


def test_a_token_that_has_run_out_is_renewed(guarded: EtcdServer) -> None:
    """A process that lives longer than its login logs in again."""
    with opened(guarded, "workers") as cluster:
        first = EtcdLedger(cluster).barred("prod")
        Event().wait(2.5)

        assert first == EtcdLedger(cluster).barred("prod")


def test_the_page_names_every_kind_of_key() -> None:
    """No role was forgotten when a kind of key was added."""
    layout = (Path(__file__).parents[2] / "core" / "runpin" / "etcd" / "keys.py").read_text()
    kinds = set(re.findall(r"^    ([a-z]+/)", layout.partition('"""\n\nfrom')[0], re.MULTILINE)) | {"fences/"}

    assert kinds == {prefix for prefixes in roles().values() for prefix in prefixes}
