"""Processes race for a channel and for numbers while requests are lost, late and refused; what they saw is checked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from functools import partial
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest

from azure_double_server import Server, serving
from azure_readers import REFERENCE, by_reference, enabled, endpoint_of, flagged, flags_under, published, released
from azure_workers import (
    Event,
    Place,
    in_processes,
    move_often,
    place_of,
    publish_often,
    read_on_both_sides_of_a_fork,
    sometimes,
)
from runpin.azure_appconfig.calls import Call
from runpin.errors import RunpinError, SnapshotQuarantined, StoreUnavailable
from runpin.mirrors import Standing
from runpin.model import ChannelMove, SnapshotId
from runpin.stores.azure import AzureStore
from runpin.stores.azure_changes import sequences
from runpin.testing import MemoryLedger
from runpin.testing.store_contract import SCOPE, move, publish

pytestmark = pytest.mark.faults

TIMES = int(os.environ.get("RUNPIN_FAULT_OPS", "20000")) // 2000
WORKERS = 4


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve an empty double."""
    with serving() as server:
        yield server


@pytest.fixture
def store(server: Server) -> Iterator[AzureStore]:
    """Return a store at the double."""
    with server.endpoint() as endpoint:
        yield AzureStore(endpoint, MemoryLedger())


def contradictions(events: Sequence[Event], history: Sequence[ChannelMove]) -> list[str]:
    """
    Return what no register that moves by compare-and-set could have shown.

    A register's moves have one order, their revisions. So each is there once, at the revision its mover was told; a
    move that began after another had ended comes after it; and a read sees no less than what had ended before it.
    """
    at = {line.reason: line.channel.revision for line in history}
    found = [] if len(at) == len(history) else ["a move was carried out twice"]
    revisions = [line.channel.revision for line in history]
    found += [] if revisions == list(range(len(history), 0, -1)) else ["the history has a gap"]
    moves = [event for event in events if event.name is not None and event.revision is not None]
    found += [f"{move.name} is not where it was told" for move in moves if at.get(str(move.name)) != move.revision]
    done, newest = sorted(moves, key=lambda event: event.ended), 0
    for event in sorted((event for event in events if event.revision is not None), key=lambda event: event.began):
        while done and done[0].ended < event.began:
            newest = max(newest, done.pop(0).revision or 0)
        if (event.revision or 0) < newest + (event.name is not None):
            found.append(f"{event.name or 'a read'} goes back behind {newest}")
    return found


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_a_channel_moves_in_one_order(server: Server, store: AzureStore, share: float) -> None:
    """Each move once, where its mover was told, in the order of time; also when one request in ten goes wrong."""
    to = tuple(publish(store, number).id for number in range(3))
    move(store, publish(store, 0), 0)
    server.faults = sometimes(share, seed=7)
    told = in_processes(WORKERS, partial(move_often, place_of(server), to, TIMES))
    server.faults = lambda _: None
    events = [event for each in told for event in each]
    history = store.moves(SCOPE, "stable", 10_000)

    assert contradictions(events, history) == []
    assert len(history) > TIMES


@pytest.mark.parametrize("share", [0.0, 0.1])
@pytest.mark.parametrize("lag", [0, 25])
def test_each_content_gets_one_number(server: Server, store: AzureStore, share: float, lag: int) -> None:
    """And no number is left out, whoever publishes, whatever goes wrong, and if reads are old."""
    server.double.lag = lag
    server.faults = sometimes(share, seed=11)
    told = in_processes(WORKERS, partial(publish_often, place_of(server), 12, TIMES))
    server.faults, server.double.lag = lambda _: None, 0
    listed = {pair for each in told for pair in each}
    with server.endpoint() as endpoint:
        lines = sequences(endpoint, SCOPE).lines(Call.on(endpoint), 1000)
    given = {line.number: line.record["digest"][:12] for line in lines}
    shas = [line.commit.sha for line in store.publications(SCOPE, 10_000)]

    assert len({content for content, _ in listed}) == len(listed) > 0
    assert {(each.sequence, each.short) for _, each in listed} <= given.items()
    assert list(range(len(lines), 0, -1)) == list(given)
    assert (len(given), len(shas)) == (len(set(given.values())), len(set(shas)))
    assert {snapshot for _, snapshot in listed} == {store.find(snapshot).id for _, snapshot in listed}


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_azures_own_readers_end_where_the_channel_does(server: Server, share: float) -> None:
    """Whoever races or is late: what they follow is one Snapshot at every moment, and the last one at the end."""
    with endpoint_of(server) as endpoint:
        store = AzureStore(endpoint, MemoryLedger())
        released(store, documents(0), 0)
        to = tuple(published(store, documents(number)).id for number in range(3))
        place = Place(f"{server.url}&feature_flags=true&native_snapshots=true", server.connection_string)
        server.faults = sometimes(share, seed=13)
        ended, torn = Flag(), []
        looking = Thread(target=lambda: torn.extend(torn_looks(server, ended)))
        looking.start()
        in_processes(3, partial(move_often, place, to, max(TIMES // 2, 3)))
        server.faults = lambda _: None
        ended.set()
        looking.join()
        assert store.native is not None
        state = store.native.bring(SCOPE, "stable") if share else store.native.look(SCOPE, "stable")
        number = next(number for number, each in enumerate(to) if each == store.channel(SCOPE, "stable").snapshot)

    assert [] == torn
    assert Standing.IN_STEP is state.standing
    seen: dict[str, Any] = dict(by_reference(server).items())
    assert {"etl/batch": number, "etl/copy": number} == seen
    assert {f"flag{number}": True, "same": True} == enabled(flags_under(server))
    # A call that fails after it has staged what another one has made leaves that; whoever moves there again sweeps it.
    left = server.double.labels() - {"payments.prod"}
    assert left <= {str(each) for each in to if share and each != state.snapshot}


def documents(number: int) -> dict[str, Any]:
    """Return documents that name *number* twice, and flags of which one is always the same."""
    return {"etl": {"batch": number, "copy": number}, "flags": flagged(same=True, **{f"flag{number}": True})}


def torn_looks(server: Server, ended: Flag) -> list[dict[str, str]]:
    """Look again and again until it has ended, and return what was not one Snapshot."""
    torn = []
    while not ended.wait(0.02):
        torn += torn_look(server)
    return torn


def torn_look(server: Server) -> list[dict[str, str]]:
    """Look at what the reference leads to, as a provider does; return that if it is not one Snapshot."""
    reference = server.double.stored()[REFERENCE].value
    items = server.double.snapshots.items(json.loads(reference)["snapshot_name"]) or []
    seen = {item.key: item.value for item in items}
    return [] if len(seen) == 4 and seen["etl/batch"] == seen["etl/copy"] else [seen]


def test_a_torn_native_snapshot_is_caught(server: Server) -> None:
    """One that is made while another mover writes under the same label, and one that is not there."""
    from azure.appconfiguration import AzureAppConfigurationClient, ConfigurationSettingsFilter

    for key, value in {"etl/batch": "1", "etl/copy": "2", "a": "x", "b": "x"}.items():
        server.double.put(key, value, label="shared")
    with AzureAppConfigurationClient.from_connection_string(server.connection_string) as client:
        client.begin_create_snapshot("torn", [ConfigurationSettingsFilter(key="*", label="shared")], polling=False)
    found = []
    for name in ("torn", "missing"):
        server.double.put(REFERENCE, json.dumps({"snapshot_name": name}))
        found += torn_look(server)

    assert [4, 0] == [len(each) for each in found]


def test_an_endpoint_works_on_both_sides_of_a_fork(server: Server, store: AzureStore) -> None:
    """The child opens connections of its own and leaves the parent's alone."""
    move(store, publish(store, 1), 0)

    assert in_processes(1, partial(read_on_both_sides_of_a_fork, place_of(server))) == [[1, 1, 1]]


@pytest.mark.parametrize(
    ("events", "history", "complaint"),
    [
        ([Event(0, 1, 1, "a")], ["b"], "a is not where"),
        ([], ["a", "a"], "twice"),
        ([Event(0, 1, 2, "b"), Event(2, 3, 1, "a")], ["a", "b"], "a goes back behind 2"),
        ([Event(0, 1, 1, "a"), Event(2, 3, 0)], ["a"], "a read goes back behind 1"),
    ],
)
def test_a_history_that_contradicts_is_caught(
    store: AzureStore, events: list[Event], history: list[str], complaint: str
) -> None:
    """The check sees what it is there for."""
    snapshot = publish(store, 1)
    for revision, name in enumerate(history):
        store.move(SCOPE, "stable", snapshot.id, expected_revision=revision, actor="ada", reason=name)

    assert any(complaint in each for each in contradictions(events, store.moves(SCOPE, "stable", 10)))


class BarsMeanwhile(MemoryLedger):
    """A quarantine that changes, or goes away, between the two looks of a move."""

    def __init__(self, second: Any) -> None:
        super().__init__()
        self._looks = iter([frozenset(), second])

    def barred(self, environment: str) -> frozenset[SnapshotId]:
        """Answer the first look with nothing, and the second with what was given."""
        del environment
        answer: Any = next(self._looks, frozenset())
        if isinstance(answer, RunpinError):
            raise answer
        return frozenset(answer)


def test_a_snapshot_that_is_barred_meanwhile_is_left_again(server: Server, store: AzureStore) -> None:
    """The channel has been there and back, and the history says why."""
    good, bad = publish(store, 1), publish(store, 2)
    move(store, good, 0)
    with server.endpoint() as endpoint, pytest.raises(SnapshotQuarantined):
        move(AzureStore(endpoint, BarsMeanwhile({bad.id})), bad, 1)

    assert (3, good.id) == (store.channel(SCOPE, "stable").revision, store.channel(SCOPE, "stable").snapshot)
    assert ["went back", "because", "because"] == [
        line.reason.partition(":")[0] for line in store.moves(SCOPE, "stable", 5)
    ]


def test_a_quarantine_that_goes_away_meanwhile_leaves_the_move(server: Server, store: AzureStore) -> None:
    """Nothing binds the two, so who asked is told that the outcome is not known; the ledger still refuses the pins."""
    good, bad = publish(store, 1), publish(store, 2)
    move(store, good, 0)
    away = BarsMeanwhile(StoreUnavailable("away"))
    with server.endpoint() as endpoint, pytest.raises(StoreUnavailable):
        move(AzureStore(endpoint, away), bad, 1)

    assert bad.id == store.channel(SCOPE, "stable").snapshot


def test_a_first_move_that_is_barred_meanwhile_has_nowhere_to_go(server: Server, store: AzureStore) -> None:
    """The channel stays where it is, and the mover is told."""
    bad = publish(store, 1)
    with server.endpoint() as endpoint, pytest.raises(SnapshotQuarantined):
        move(AzureStore(endpoint, BarsMeanwhile({bad.id})), bad, 0)

    assert store.channel(SCOPE, "stable").revision == 1
