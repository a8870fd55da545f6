"""A store that answers and has lost something, or cannot decide: an error or the right bytes, never less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg  # noqa: TID253 - the test removes a row beside runpin
import pytest

from etcd_server import EtcdServer
from fault_backends import Front, fronted, publish
from runpin.assembly import Runpin
from runpin.backends import EtcdBackend
from runpin.canonical import canonical
from runpin.clock import SystemClock
from runpin.errors import ConfigUnavailable, StoreCorrupt, UnknownSnapshot
from runpin.etcd.cluster import Cluster
from runpin.model import digest_of
from world import SCOPE, run_key

DOCUMENT = {"batch": 7}
BODY = canonical(DOCUMENT)


@pytest.fixture(params=("postgres", "etcd", "azure"))
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Front]:
    """Return a store, to which one document was published, and that a host has read."""
    with fronted(request.param, request, tmp_path) as front, front.core(tmp_path / "host", 5.0) as core:
        publish(core, {"etl": DOCUMENT})
        assert batch(core) == 7
        yield front


def batch(core: Runpin, name: str = "r1") -> int:
    """Return what a new attempt of a run reads."""
    value: int = core.run(run_key(name)).get_config(f"{SCOPE.application}/etl")["batch"]
    return value


def lose(front: Front, request: pytest.FixtureRequest) -> None:
    """Remove the document, and leave channel and manifest."""
    digest = digest_of(BODY)
    if front.kind == "postgres":
        with psycopg.connect(front.direct, autocommit=True) as connection:
            assert connection.execute("DELETE FROM runpin_object WHERE digest = %s", [digest]).rowcount == 1
    elif front.kind == "etcd":
        server: EtcdServer = request.getfixturevalue("etcd_server")
        prefix = "/" + front.direct.rpartition("/")[2]
        keys = server.control("get", prefix, "--prefix", "--keys-only").split()
        assert server.control("del", next(key for key in keys if digest in key)).strip() == "1"
    elif front.double is not None:
        front.double.drop(next(key for key in front.double.stored() if digest in key and "/objects/" in key))


def test_a_lost_document_is_an_error_and_not_an_empty_one(
    front: Front, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A host with a copy goes on, one without is told, and publishing the commit again mends it."""
    lose(front, request)
    with front.core(tmp_path / "host", 5.0) as warm:
        assert batch(warm) == 7
    with front.core(tmp_path / "other", 5.0) as cold:
        with pytest.raises((StoreCorrupt, UnknownSnapshot)):
            batch(cold)
        cold.store.put_objects({digest_of(BODY): BODY})

        assert batch(cold) == 7


def _at(url: str, folder: Path, patience: float) -> Runpin:
    core = Runpin.open(store=url, home=folder, environment=SCOPE.environment, store_upgrade=False)
    core.backend = EtcdBackend(Cluster.open(url, clock=SystemClock(), patience=patience))
    return core


def test_without_a_quorum_nothing_is_decided_by_a_guess(tmp_path: Path, etcd_cluster: EtcdServer) -> None:
    """The member that is left knows the pin and may not say so: known runs go on, new ones wait for the others."""
    url = etcd_cluster.fresh_url()
    with _at(url, tmp_path, 2.0) as core:
        publish(core, {"etl": DOCUMENT})
        assert batch(core) == 7
        lost = etcd_cluster.members[1:]
        for member in lost:
            member.kill()

        assert batch(core) == 7
        assert core.resolver.channel(SCOPE).stale
        with pytest.raises(ConfigUnavailable) as caught:
            batch(core, "new")
        assert caught.value.retryable

        for member in lost:
            etcd_cluster.again(member)
        etcd_cluster.wait_until_ready()
        assert batch(core, "new") == 7
