"""A publisher that is killed anywhere leaves nothing half-done in sight, and running it again completes the work."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from limit_publisher import publish_limit, published_limit, standing, stopped_at
from runpin.backends import Backend, open_backend
from runpin.clock import SystemClock
from runpin.testing.ledger_contract import pin_of, run_key
from runpin.testing.store_contract import SCOPE

FIRST, SECOND = b'{"limit":1}', b'{"limit":2}'


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("etcd", marks=pytest.mark.etcd),
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty store and ledger."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runpin.db"
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def backend(url: str) -> Iterator[Backend]:
    """Return what is there."""
    with closing(open_backend(url, SystemClock(), upgrade=True)) as backend:
        yield backend


@pytest.mark.parametrize("name", ["after_objects", "after_snapshot", "before_channel", "after_channel"])
def test_a_killed_publisher_is_finished_by_the_next(url: str, backend: Backend, name: str) -> None:
    """What readers see is the old content or the new one, whole; the second run ends as the first would have."""
    store = backend.store
    publish_limit(store, 1)
    killed = stopped_at(f"{name}:kill", "publish", url, 2)
    seen = published_limit(store)
    publish_limit(store, 2)

    assert -signal.SIGKILL == killed.returncode, killed.stderr
    assert seen == (SECOND if name == "after_channel" else FIRST)
    assert SECOND == published_limit(store)
    assert [line.snapshot.sequence for line in store.publications(SCOPE, 10)] == [2, 1]
    assert [line.channel.revision for line in store.moves(SCOPE, "stable", 10)] == [2, 1]


def test_a_first_publisher_that_dies_leaves_no_channel(url: str, backend: Backend) -> None:
    """A channel that nobody finished publishing to does not exist."""
    store = backend.store
    killed = stopped_at("before_channel:kill", "publish", url, 1)

    assert -signal.SIGKILL == killed.returncode, killed.stderr
    assert standing(store) is None
    publish_limit(store, 1)
    assert FIRST == published_limit(store)


@pytest.mark.parametrize(("name", "kept"), [("before_pin", 2), ("after_pin", 1)])
def test_a_killed_run_has_one_pin(url: str, backend: Backend, name: str, kept: int) -> None:
    """A retry gets the pin that was decided; if none was, its own candidate."""
    killed = stopped_at(f"{name}:kill", "pin", url, 1)
    answer = backend.ledger.put_if_absent(pin_of(2))

    assert -signal.SIGKILL == killed.returncode, killed.stderr
    assert pin_of(kept) == answer == backend.ledger.get(run_key(), SCOPE)


def test_a_failpoint_may_raise_instead(tmp_path: Path) -> None:
    """The transaction it interrupts leaves nothing behind, and the message names the variable."""
    url = f"sqlite:///{tmp_path}/runpin.db"
    stopped = stopped_at("before_channel:raise", "publish", url, 1)
    passed = stopped_at("elsewhere:kill", "publish", url, 1)

    assert stopped.returncode == 1
    assert "unset RUNPIN_FAILPOINT" in stopped.stderr
    assert passed.returncode == 0, passed.stderr
