"""Publishing to several stores: who dies between two of them is finished by the next, and none goes back."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from azure_double_server import serving
from limit_publisher import published_limit
from mirror_workers import Place, Stores
from runpin.failpoints import FAILPOINTS
from runpin.mirrors import Standing
from runpin.testing.store_contract import SCOPE

FIRST, SECOND, THIRD = (b'{"limit":%d}' % number for number in (1, 2, 3))
SECONDS = 60


@pytest.fixture(
    params=[
        "sqlite",
        "azure",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("etcd", marks=pytest.mark.etcd),
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Return a SQLite file that decides, and a store of each kind that follows it."""
    store = f"sqlite:///{tmp_path}/runpin.db"
    if request.param == "azure":
        with serving() as server:
            yield Place(store, [server.url], [server.connection_string])
    elif request.param == "sqlite":
        yield Place(store, [f"sqlite:///{tmp_path}/mirror.db"])
    else:
        yield Place(store, [str(request.getfixturevalue(f"{request.param}_url"))])


@pytest.fixture
def stores(place: Place) -> Iterator[Stores]:
    """Return what is there, with a first publication everywhere."""
    with place.opened() as stores:
        assert [state.standing for state in stores.publish(1)] == [Standing.IN_STEP]
        yield stores


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return how a process ended, and what it had to say."""
    _, said = process.communicate(timeout=SECONDS)
    return process.returncode, said


def stopped(process: subprocess.Popen[str]) -> bool:
    """Wait until *process* has stopped itself; false if it has ended instead."""
    until = monotonic() + SECONDS
    while monotonic() < until:
        pid, status = os.waitpid(process.pid, os.WUNTRACED | os.WNOHANG)
        if pid:
            return os.WIFSTOPPED(status)
        sleep(0.02)
    return False


@pytest.mark.parametrize(
    "name", [*(each for each in FAILPOINTS if "mirror" in each), "after_snapshot", "after_channel"]
)
def test_a_process_that_was_killed_is_finished_by_the_next(place: Place, stores: Stores, name: str) -> None:
    """In every store readers see the old content or the new one, whole; afterwards all tell the same history."""
    code, said = ended(place.started(2, f"{name}:kill"))
    (copy,) = stores.copies
    seen = published_limit(copy)
    again = stores.publish(2)

    assert code == -signal.SIGKILL, said
    assert seen == (SECOND if name == "after_mirror_channel" else FIRST)
    assert [Standing.IN_STEP] == [state.standing for state in again]
    for store in (stores.store, copy):
        assert published_limit(store) == SECOND
        assert [line.snapshot.sequence for line in store.publications(SCOPE, 10)] == [2, 1]
        assert [line.channel.revision for line in store.moves(SCOPE, "stable", 10)] == [2, 1]
    assert stores.store.channel(SCOPE, "stable") == copy.channel(SCOPE, "stable")


@pytest.mark.parametrize("name", ["after_mirror_objects", "after_mirror_snapshot"])
def test_who_was_held_up_never_takes_a_mirror_back(place: Place, stores: Stores, name: str) -> None:
    """Stopped with an old decision in its hands, it goes on after newer ones were brought, and changes nothing."""
    late = place.started(2, f"{name}:stop")
    try:
        assert stopped(late)
        meanwhile = stores.publish(3)
        os.kill(late.pid, signal.SIGCONT)
        code, said = ended(late)
    finally:
        late.kill()
    (copy,) = stores.copies
    revisions = [line.channel.revision for line in copy.moves(SCOPE, "stable", 10)]

    assert ([Standing.IN_STEP], 0) == ([state.standing for state in meanwhile], code), said
    assert (THIRD, THIRD) == (published_limit(stores.store), published_limit(copy))
    assert revisions == sorted(set(revisions), reverse=True)
    assert revisions[0] == 3
