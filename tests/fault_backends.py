"""Each store behind a proxy, for tests of what happens between a host and its store."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azure_double import Double
from azure_double_server import serving
from fault_proxy import FaultProxy, in_front_of
from runpin.assembly import Runpin
from runpin.azure_backend import AzureBackend
from runpin.backends import Backend, EtcdBackend, SqlBackend
from runpin.canonical import canonical, snapshot_of
from runpin.clock import SystemClock
from runpin.errors import UnknownChannel
from runpin.model import STABLE, Channel, digest_of
from world import COMMIT, SCOPE

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Front:
    """
    A store, and a proxy in front of it.

    Attributes:
        kind: which store.
        proxy: the proxy.
        url: the store's address through the proxy.
        open: returns the backend at an address, for calls of some patience.
        direct: the address beside the proxy.
        text: the connection string through the proxy, for Azure.
        ledger: the address of the ledger, if that is elsewhere.
        double: the rules behind the port, for Azure.
    """

    kind: str
    proxy: FaultProxy
    url: str
    direct: str
    open: Callable[[str, float], Backend]
    text: str | None = None
    ledger: str | None = None
    double: Double | None = None

    def core(self, folder: Path, patience: float, *, direct: bool = False) -> Runpin:
        """Return a process of the host whose cache is in *folder*."""
        url = self.direct if direct else self.url
        given = {"store_connection_string": self.text, "ledger": self.ledger}
        chosen = {name: value for name, value in given.items() if value is not None}
        core = Runpin.open(store=url, home=folder, environment=SCOPE.environment, store_upgrade=False, **chosen)
        core.backend = self.open(url, patience)
        return core


def _sql(url: str, patience: float) -> Backend:
    from runpin.database.engine import Database

    return SqlBackend(Database.open(url, clock=SystemClock(), upgrade=url.startswith("sqlite"), patience=patience))


def _etcd(url: str, patience: float) -> Backend:
    from runpin.etcd.cluster import Cluster

    return EtcdBackend(Cluster.open(url, clock=SystemClock(), patience=patience))


def _azure(text: Mapping[str, str], ledger: str) -> Callable[[str, float], Backend]:
    from runpin.azure_appconfig.endpoint import Endpoint

    def opened(url: str, patience: float) -> Backend:
        login = text["direct" if url == text["url"] else "proxied"]
        endpoint = Endpoint.open(url, clock=SystemClock(), connection_string=login, patience=patience)
        return AzureBackend(endpoint, _sql(ledger, patience))

    return opened


def _port(url: str) -> str:
    return url.rpartition("@")[2].removeprefix("etcd://").partition("/")[0].rpartition(":")[2]


@contextmanager
def fronted(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Front]:
    """Put a proxy in front of the store of this *kind*."""
    if kind == "azure":
        with _azure_front(folder) as front:
            yield front
        return
    direct: str = request.getfixturevalue(f"{kind}_url")
    port = _port(direct)
    with in_front_of(int(port)) as proxy:
        url = direct.replace(f":{port}/", f":{proxy.port}/")
        yield Front(kind, proxy, url, direct, _sql if kind == "postgres" else _etcd)


@contextmanager
def _azure_front(folder: Path) -> Iterator[Front]:
    ledger = f"sqlite:///{folder}/ledger.db"
    with serving() as server, in_front_of(int(server.host.rpartition(":")[2])) as proxy:
        host = f"127.0.0.1:{proxy.port}"
        url, text = (each.replace(server.host, host) for each in (server.url, server.connection_string))
        logins = {"url": server.url, "direct": server.connection_string, "proxied": text}
        yield Front("azure", proxy, url, server.url, _azure(logins, ledger), text, ledger, server.double)


def publish(core: Runpin, documents: Mapping[str, object]) -> Channel:
    """Publish *documents* and let the channel follow."""
    bodies = {name: canonical(value) for name, value in documents.items()}
    digests = {name: digest_of(body) for name, body in bodies.items()}
    try:
        revision = core.store.channel(SCOPE, STABLE).revision
    except UnknownChannel:
        revision = 0
    core.store.put_objects({digests[name]: body for name, body in bodies.items()})
    snapshot = core.store.commit(snapshot_of(SCOPE, digests), COMMIT, "ada")
    return core.store.move(SCOPE, STABLE, snapshot.id, expected_revision=revision, actor="ada", reason="test")


def marks(body: bytes, place: int) -> tuple[bytes, ...]:
    """Return how the first bytes of *body*, up to *place*, look on the way: as they are, in hex and in base64."""
    whole = place // 3 * 3
    encoded = base64.b64encode(body[:whole])
    return (body[:place], body[:place].hex().encode(), encoded)
