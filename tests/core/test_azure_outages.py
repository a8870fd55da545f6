"""Whatever the service does, a call ends in time, is carried out once at most, and tells no secret."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from time import monotonic
from types import SimpleNamespace

import pytest

from azure_double import Double
from azure_double_server import Fault, Server, serving
from azure_double_wire import SECRET, Answer, Request
from runpin.azure_appconfig.address import access_key, parse
from runpin.azure_appconfig.calls import Call
from runpin.azure_appconfig.endpoint import Endpoint
from runpin.azure_appconfig.failures import failure_of
from runpin.clock import SystemClock
from runpin.errors import RunpinError, SettingsError, StoreCorrupt, StoreError, StoreUnavailable
from runpin.model import digest_of
from runpin.stores.azure import AzureStore
from runpin.testing import MemoryLedger
from runpin.testing.store_contract import SCOPE, TENANT, move, publish

PATIENCE = 0.6
# A call that had no end would hang for a minute: the double lets go of a request only then.
SOON = 20.0
"""Seconds that no call takes which ends in time, however busy the machine is."""

URL = "azure-appconfig://name.azconfig.io/runpin"
ONCE = (Fault.RESET, Fault.LOST, Fault.LATE, Fault.BROKEN, Fault.BUSY, Fault.THROTTLED, Fault.GARBAGE, Fault.NONSENSE)


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


def told(error: BaseException) -> str:
    """Return everything that a log would hold about *error*, its causes included."""
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("fault", [Fault.STALL, Fault.DRIP, Fault.BROKEN, Fault.RESET, Fault.GARBAGE, Fault.THROTTLED])
def test_a_call_ends_within_its_patience(server: Server, fault: Fault) -> None:
    """Also if an answer arrives byte by byte, which the vendor's client would wait for without end."""
    server.faults = lambda _: fault
    began = monotonic()
    with server.endpoint(PATIENCE) as endpoint, pytest.raises(StoreUnavailable) as caught:
        AzureStore(endpoint, MemoryLedger()).channels("prod", None)

    assert monotonic() - began < SOON
    assert SECRET not in told(caught.value)


def test_a_store_that_is_not_there_is_given_up_in_time() -> None:
    """Nobody listens there."""
    with serving() as server:
        endpoint = server.endpoint(PATIENCE)
    began = monotonic()
    with endpoint, pytest.raises(StoreUnavailable) as caught:
        AzureStore(endpoint, MemoryLedger()).channel(SCOPE, "stable")

    assert monotonic() - began < SOON
    assert SECRET not in told(caught.value)


@pytest.mark.parametrize("fault", ONCE)
@pytest.mark.parametrize("key", ["/objects/", "/listed/", "/sequences/", "/publications/", "/channels/", "/moves/"])
def test_one_fault_changes_nothing(server: Server, store: AzureStore, fault: Fault, key: str) -> None:
    """Whichever write it hits: numbers without gaps, one line of history for each publication and each move."""
    first = publish(store, 1)
    move(store, first, 0)
    server.fail(fault, method="PUT", key=key)
    second = publish(store, 2)
    moved = move(store, second, 1)

    assert [1, 2] == [first.sequence, second.sequence]
    assert [2, 1] == [line.snapshot.sequence for line in store.publications(SCOPE, 10)]
    assert [moved.revision, 1] == [line.channel.revision for line in store.moves(SCOPE, "stable", 10)]
    assert (2, second.id) == (moved.revision, store.channel(SCOPE, "stable").snapshot)


def test_a_throttled_request_waits_as_long_as_it_is_told(server: Server, store: AzureStore) -> None:
    """And then goes through."""
    server.fail(Fault.THROTTLED, times=3)
    began = monotonic()
    store.channels("prod", None)

    assert monotonic() - began >= 0.03


class Throttled(Exception):
    """What the vendor's client raises at a 429, by its shape."""

    status_code = 429

    def __init__(self, wanted: str) -> None:
        self.response = SimpleNamespace(headers={"retry-after": wanted})


@pytest.mark.parametrize(("wanted", "rest"), [("7", 7), ("86400", 300), ("inf", 300), ("nan", 0), ("soon", 0)])
def test_a_rest_has_an_end(wanted: str, rest: float) -> None:
    """Whatever a proxy in between makes of it, nobody is left alone for longer than five minutes."""
    assert rest == failure_of(Throttled(wanted), "here").rest


def test_who_is_throttled_keeps_others_of_the_process_from_asking(server: Server, store: AzureStore) -> None:
    """They are told at once why, and for how long; who has time enough waits, and asks when it is over."""
    server.rest = 60_000
    server.fail(Fault.THROTTLED)
    with pytest.raises(StoreUnavailable, match="is used up\n"):
        store.channels("prod", None)
    with pytest.raises(StoreUnavailable, match=r"is used up, and nobody asks again for \d+ s"):
        store.channel(SCOPE, "stable")
    asked = len(server.double.requests)
    server.rest = 100
    server.fail(Fault.THROTTLED)
    with server.endpoint() as endpoint:
        found = AzureStore(endpoint, MemoryLedger()).channels("prod", None)

    assert 0 == asked
    assert [] == list(found)


def test_a_key_that_is_not_let_in_is_not_tried_again(server: Server) -> None:
    """The error says what to look at, and not the key."""
    wrong = server.connection_string.replace(SECRET, SECRET[:12] + "AAAA")
    with (
        Endpoint.open(server.url, clock=SystemClock(), connection_string=wrong) as endpoint,
        pytest.raises(StoreUnavailable, match="does not let this identity in") as caught,
    ):
        AzureStore(endpoint, MemoryLedger()).channels("prod", None)

    assert len(server.double.requests) == 1
    assert SECRET[:12] not in told(caught.value)


def test_a_body_that_was_changed_is_refused_and_mended(server: Server, store: AzureStore) -> None:
    """Somebody overwrote it in the portal; publishing it again writes it anew."""
    small, large = b"{}", bytes(range(256)) * 100
    bodies = {digest_of(body): body for body in (small, large)}
    store.put_objects(bodies)
    parts = [key for key in server.double.stored() if "/parts/" in key]
    for key in (f"runpin/objects/{digest_of(small)}", parts[1]):
        server.double.put(key, "bm90aGluZw==")
    for digest in bodies:
        with pytest.raises(StoreCorrupt):
            store.get_object(digest)
    store.put_objects(bodies)

    assert bodies == {digest: store.get_object(digest) for digest in bodies}


def test_a_part_that_is_missing_is_noticed(server: Server, store: AzureStore) -> None:
    """The bytes do not hash to their name then."""
    large = bytes(range(256)) * 100
    store.put_objects({digest_of(large): large})
    server.double.drop(next(key for key in server.double.stored() if "/parts/" in key))

    with pytest.raises(StoreCorrupt):
        store.get_object(digest_of(large))


def test_what_never_changes_is_read_only(server: Server, store: AzureStore) -> None:
    """Bodies, and lines of history that have left their head; a channel's key is not."""
    first, second = publish(store, 1), publish(store, 2)
    move(store, first, 0)
    move(store, second, 1)
    stored = server.double.stored().values()
    locked, loose = ({each.key.split("/")[1] for each in stored if each.locked is state} for state in (True, False))

    assert {"objects", "snapshots", "moves", "published"} == locked
    assert {"sequences", "publications", "channels", "listed"} == loose


def test_an_identity_that_may_not_lock_still_publishes(server: Server, store: AzureStore) -> None:
    """A lock is a safeguard against accidents, and no more."""
    server.double.may_lock = False

    assert move(store, publish(store, 1), 0).revision == 1


def test_a_channel_that_somebody_locked_is_told(server: Server, store: AzureStore) -> None:
    """It is not tried until the patience ends."""
    first = publish(store, 1)
    move(store, first, 0)
    with server.endpoint() as endpoint:
        call = Call.on(endpoint)
        channel = call.get(endpoint.keys.channel(SCOPE, "stable"))
        assert channel is not None
        call.keep(channel.key, channel.text)
    server.double.requests.clear()
    with pytest.raises(StoreError, match="read-only"):
        move(store, first, 1)

    assert 1 == len([each for each in server.double.requests if each.method == "PUT" and "/channels/" in str(each.key)])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"number": 1}', '{"number": "x", "operation": "y"}', "\ud83d"])
def test_a_record_that_says_nothing_is_corrupt(server: Server, store: AzureStore, text: str) -> None:
    """It is never taken for a channel that is not there."""
    move(store, publish(store, 1), 0)
    server.double.put("runpin/channels/prod/-/payments/stable", text)

    for read in (lambda: store.channel(SCOPE, "stable"), lambda: store.channels("prod", None)):
        with pytest.raises(StoreCorrupt):
            read()


def test_a_long_reason_is_kept_whole(server: Server, store: AzureStore) -> None:
    """What does not fit into one key-value is stored as an object, and the key-value names it."""
    first, reason = publish(store, 1), "because ä\ud800 " * 3000
    store.move(SCOPE, "stable", first.id, expected_revision=0, actor="ada", reason=reason)
    move(store, first, 1)

    assert [reason] == [line.reason for line in store.moves(SCOPE, "stable", 2)[1:]]
    assert max(len(each.value) for each in server.double.stored().values()) <= 9000


def test_a_large_document_is_refused_by_size(store: AzureStore) -> None:
    """Before anything is written."""
    huge = bytes(7_000_000)

    with pytest.raises(StoreError, match="larger than"):
        store.put_objects({digest_of(huge): huge})


def test_who_shows_no_token_may_read_the_past_and_still_overwrites_nobody(server: Server) -> None:
    """The service may answer some seconds late; conditions are checked where the key is written."""
    server.double.lag = 10_000

    def fresh() -> AzureStore:
        return AzureStore(server.endpoint(), MemoryLedger())

    snapshots = [publish(fresh(), number) for number in (1, 2, 1, 3)]
    other = publish(fresh(), 1, TENANT)

    assert [1, 2, 1, 3, 4] == [each.sequence for each in (*snapshots, other)]
    server.double.lag = 0
    assert [3, 1, 2, 1] == [line.snapshot.sequence for line in fresh().publications(SCOPE, 10)]


@pytest.mark.parametrize(
    "url",
    [
        "azure-appconfig://",
        "azure-appconfig://id:canary@name.azconfig.io/runpin",
        "azure-appconfig://name.azconfig.io/run%70in",
        "azure-appconfig://name.azconfig.io/../canary",
        "azure-appconfig://name.azconfig.io/runpin?auth=canary",
        "azure-appconfig://name.azconfig.io/runpin?secret=canary",
        "azure-appconfig://name.azconfig.io/runpin?poll=0",
        "azure-appconfig://name.azconfig.io/runpin?poll=canary",
        "azure-appconfig://name.azconfig.io/runpin#canary",
        "azure-appconfig://[canary/runpin",
        "azure-appconfig://name.azconfig.io/" + "canary" * 20,
    ],
)
def test_a_url_that_cannot_be_used_is_not_repeated(url: str) -> None:
    """It may hold a secret in any part."""
    with pytest.raises(SettingsError) as caught:
        parse(url)

    assert "canary" not in told(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "canary",
        "Endpoint=https://name.azconfig.io;Id=canary",
        "Endpoint=https://other.azconfig.io;Id=canary;Secret=canary",
        "Endpoint=http://name.azconfig.io;Id=canary;Secret=canary",
        "Endpoint=https://name.azconfig.io/canary;Id=canary;Secret=canary",
        "Endpoint=https://[canary;Id=canary;Secret=canary",
    ],
)
def test_a_connection_string_that_cannot_be_used_is_not_repeated(text: str | None) -> None:
    """Nor is one for another store sent anywhere, nor any in the clear beyond this host."""
    with pytest.raises(SettingsError) as caught:
        access_key(text, parse(URL))

    assert "canary" not in told(caught.value)


def test_an_address_shows_host_and_prefix_only() -> None:
    """Whatever else the URL says."""
    address = parse(f"{URL}?auth=connection-string&ca=/secret/ca.pem")
    key = access_key("Endpoint=https://NAME.azconfig.io;Id=canary;Secret=Y2FuYXJ5", address)

    assert (URL, URL, True) == (str(address), address.where, address.by_key)
    assert "canary" not in repr(key)
    assert "Y2FuYXJ5" not in repr(key)


def test_a_page_elsewhere_is_never_asked_for() -> None:
    """An answer that names another host as its next page does not get our signature sent there."""
    with serving() as elsewhere, serving(Luring(elsewhere.host)) as lure, lure.endpoint(PATIENCE) as endpoint:
        with pytest.raises(RunpinError):
            AzureStore(endpoint, MemoryLedger()).channels("prod", None)

        assert elsewhere.double.requests == []


class Luring(Double):
    """Names a page on another host."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host

    def answer(self, request: Request) -> Answer:
        """Say that there is more elsewhere."""
        self.requests.append(request)
        return Answer(200, {"items": [], "@nextLink": f"http://{self._host}/kv?after=1"})
