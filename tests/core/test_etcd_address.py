"""A cluster's address shows no secret, failures are told apart, and keys sort as they should."""

from __future__ import annotations

import json

import pytest

from runpin.errors import SettingsError, StoreError, StoreUnavailable
from runpin.etcd.address import parse
from runpin.etcd.failures import failure_of
from runpin.etcd.keys import downwards


def test_the_newest_number_sorts_first() -> None:
    """Keys count downwards, over every number of digits."""
    numbers = [0, 1, 9, 10, 99, 100, 12345, 999_999_999]

    assert sorted(numbers, reverse=True) == sorted(numbers, key=downwards)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("etcd://a", "etcd://a:2379/runpin"),
        ("etcd://a:1,b:2,[::1]:3/x/y/", "etcd://a:1,b:2,[::1]:3/x/y"),
        ("etcds://ada:p%40ss@a.example/runpin?ca=/ca.pem&cert=/c.pem&key=/k.pem", "etcds://a.example:2379/runpin"),
    ],
)
def test_an_address_shows_endpoints_and_prefix(url: str, where: str) -> None:
    """And nothing else."""
    address = parse(url)

    assert where == address.where == str(address)
    assert repr(address) == f"Address({where})"
    assert address.root.startswith("/")
    assert address.root.endswith("/")


def test_an_address_tells_its_parts() -> None:
    """Escapes are undone."""
    address = parse("etcds://a%3Ab:p%40ss%2F@h:99/runpin?ca=/ca.pem")

    assert ("a:b", "p@ss/", (("h", 99),), "/runpin/") == (
        address.user,
        address.password,
        address.endpoints,
        address.root,
    )
    assert (True, "/ca.pem", None) == (address.tls, address.ca, address.cert)


@pytest.mark.parametrize(
    "url",
    [
        "etcd://",
        "etcd:///runpin",
        "etcd://a,",
        "etcd://a:0",
        "etcd://a:99999",
        "etcd://a:x",
        "etcd://hunter2@x@a",
        "etcd://[::1",
        "etcd://a/hunter 2",
        "etcd://a/x?hunter2=1",
        "etcd://a/x#hunter2",
        "etcd://a?ca=/hunter2",
        "etcds://a?cert=/hunter2",
        "etcds://a?ca=1&ca=hunter2",
        "http://hunter2",
    ],
)
def test_a_malformed_address_is_refused(url: str) -> None:
    """Without repeating a piece of it."""
    with pytest.raises(SettingsError) as caught:
        parse(url)

    assert "hunter" not in str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)


@pytest.mark.parametrize(
    ("code", "message", "kind", "again"),
    [
        (14, "etcdserver: no leader", StoreUnavailable, True),
        (14, "etcdserver: leader changed", StoreUnavailable, True),
        (4, "context deadline exceeded", StoreUnavailable, True),
        (8, "etcdserver: mvcc: database space exceeded", StoreUnavailable, False),
        (7, "etcdserver: permission denied", StoreUnavailable, False),
        (3, "etcdserver: user name is empty", StoreUnavailable, False),
        (16, "etcdserver: invalid auth token", StoreUnavailable, True),
        (3, "etcdserver: request is too large", StoreError, False),
        (3, "etcdserver: duplicate key given in txn request", StoreError, False),
    ],
)
def test_failures_are_told_apart(code: int, message: str, kind: type[StoreError], again: bool) -> None:  # noqa: FBT001
    """By what can be done about them; the server's own words stay out."""
    failure = failure_of(json.dumps({"error": message, "code": code, "message": message}), "etcd://a")

    assert (kind, again) == (type(failure.error), failure.again)
    assert message not in str(failure.error)
    assert failure.error.fix
