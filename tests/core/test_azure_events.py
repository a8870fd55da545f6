"""Deliveries of Azure Event Grid: a hint to look at once, and nothing more, whoever sends them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from azure_double_server import Server, serving
from command_line import ROOT
from runpin.assembly import default
from runpin.azure_appconfig.endpoint import Endpoint
from runpin.azure_appconfig.events import MOST_BYTES, Accepted, EventReceiver
from runpin.azure_backend import AzureBackend
from runpin.backends import open_backend
from runpin.changes import Change
from runpin.clock import SystemClock
from runpin.errors import InvalidEvent
from runpin.testing.store_contract import SCOPE, move, publish

URL = "azure-appconfig://name.azconfig.io/runpin"
KEY = "runpin/channels/prod/-/payments/stable"
LONG = 30.0


def data_of(key: object = KEY) -> dict[str, Any]:
    """Return what an event says about *key*."""
    return {"key": key, "label": None, "etag": "canary", "syncToken": "zAJw6V16=MzowIzE4;sn=18"}


def cloud_event(key: object = KEY, host: str = "name.azconfig.io", **changes: Any) -> dict[str, Any]:
    """Return an event as Event Grid delivers it in the schema of CloudEvents."""
    return {
        "id": "84e17ea4-66db-4b54-8050-df8f7763f87b",
        "source": "/subscriptions/0/resourceGroups/g/providers/Microsoft.AppConfiguration/configurationStores/name",
        "subject": f"https://{host}/kv/{key}?api-version=1.0",
        "data": data_of(key),
        "type": "Microsoft.AppConfiguration.KeyValueModified",
        "time": "2026-05-31T20:05:03Z",
        "specversion": "1.0",
        **changes,
    }


def own_event(kind: str = "Microsoft.AppConfiguration.KeyValueModified", **data: Any) -> dict[str, Any]:
    """Return an event in Event Grid's own schema."""
    return {
        "id": "84e17ea4",
        "topic": "/subscriptions/0/resourceGroups/g/providers/microsoft.appconfiguration/configurationstores/name",
        "subject": f"https://name.azconfig.io/kv/{KEY}",
        "data": data or data_of(),
        "eventType": kind,
        "eventTime": "2026-05-31T20:05:03Z",
        "dataVersion": "2",
        "metadataVersion": "1",
    }


@pytest.fixture
def told() -> list[Change]:
    """Return what was told."""
    return []


@pytest.fixture
def receiver(told: list[Change]) -> EventReceiver:
    """Return what takes deliveries for a store that nobody contacts."""
    return EventReceiver(Endpoint.open(URL, clock=SystemClock()), told.append)


@pytest.mark.parametrize("kind", ["KeyValueModified", "KeyValueDeleted"])
@pytest.mark.parametrize("parsed", [True, False])
def test_an_event_about_a_channel_is_told(
    receiver: EventReceiver, told: list[Change], kind: str, *, parsed: bool
) -> None:
    """In either schema, alone or with others, parsed by a framework or not; each environment and tenant once."""
    tenants = cloud_event("runpin/channels/prod/acme/payments/stable", type=f"Microsoft.AppConfiguration.{kind}")
    event: Any = [cloud_event(), cloud_event(), tenants, own_event(f"Microsoft.AppConfiguration.{kind}")]
    accepted = receiver.accept(event if parsed else json.dumps(event).encode())

    assert [Change("prod", None), Change("prod", "acme")] == told == list(accepted.changes)
    assert accepted.validation is None


def test_data_in_base64_is_read(receiver: EventReceiver) -> None:
    """CloudEvents may carry it so."""
    event = cloud_event()
    event["data_base64"] = base64.b64encode(json.dumps(event.pop("data")).encode()).decode()

    assert (Change("prod", None),) == receiver.accept(event).changes


@pytest.mark.parametrize(
    "event",
    [
        cloud_event(host="other.azconfig.io"),
        cloud_event(host="name.azconfig.io.evil.example.org"),
        cloud_event(host="name.azconfig.io:444"),
        cloud_event(host="[canary"),
        cloud_event(subject=None),
        cloud_event("other/channels/prod/-/payments/stable"),
        cloud_event("runpin/objects/0000"),
        cloud_event("runpin/moves/prod/-/payments/stable/000000001"),
        cloud_event("runpin/channels/prod/-/payments"),
        cloud_event("runpin/channels/PROD/-/payments/stable"),
        cloud_event("runpin/channels/prod/-/../stable"),
        cloud_event(7),
        cloud_event(data=None),
        cloud_event(data="canary"),
        cloud_event(type="Microsoft.AppConfiguration.SnapshotCreated"),
        cloud_event(type=["canary"]),
        own_event("Microsoft.Storage.BlobCreated"),
    ],
)
def test_an_event_about_something_else_is_let_go(receiver: EventReceiver, told: list[Change], event: Any) -> None:
    """Other stores, other prefixes, other keys and other kinds of events."""
    assert Accepted() == receiver.accept(event)
    assert [] == told


@pytest.mark.parametrize(
    "event",
    [
        b"",
        b"canary",
        b"\xff",
        b"[" * 100_000,
        b"[1]",
        b" " * (MOST_BYTES + 1),
        b'{"specversion": "1.0"}',
        json.dumps(cloud_event(specversion="0.3")).encode(),
        json.dumps(cloud_event(time="canary")).encode(),
        json.dumps(cloud_event(Bad="canary")).encode(),
        json.dumps(cloud_event(data_base64="canary")).encode(),
        json.dumps([cloud_event(), {"type": "canary"}]).encode(),
    ],
)
def test_what_is_no_event_is_refused_whole(receiver: EventReceiver, told: list[Change], event: bytes) -> None:
    """Nobody is told anything, and what was sent is not repeated."""
    with pytest.raises(InvalidEvent) as caught:
        receiver.accept(event)

    assert [] == told
    assert "canary" not in str(caught.value)
    assert receiver.answer("POST", {}, event).status in (400, 413)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(KEY),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*cloud_event(), "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def escaped(receiver: EventReceiver, event: Any) -> str | None:
    """Return what an event raises that is no error of ours, None if nothing."""
    try:
        receiver.accept(event)
    except InvalidEvent:
        return None
    except Exception as error:  # noqa: BLE001 - what this looks for
        return type(error).__name__
    return None


@given(st.sampled_from(list(cloud_event())), JSON, JSON)
def test_whatever_is_sent_is_told_or_refused(member: str, value: Any, alone: Any) -> None:
    """No other error gets out, whatever stands in whichever member."""
    receiver = EventReceiver(Endpoint.open(URL, clock=SystemClock()), lambda _: None)

    assert [None] * 3 == [
        escaped(receiver, each) for each in ({**cloud_event(), member: value}, alone, own_event(x=value))
    ]


def test_the_search_for_other_errors_finds_one() -> None:
    """A receiver that trips over an event is caught."""

    class Trips(EventReceiver):
        def accept(self, event: Any) -> Accepted:
            return Accepted(event["canary"])

    assert "KeyError" == escaped(Trips(Endpoint.open(URL, clock=SystemClock()), lambda _: None), {})


def test_event_grid_is_answered_when_it_asks_whether_to_deliver(receiver: EventReceiver) -> None:
    """In its own schema by the code that it sent; no address in the event is called."""
    event = own_event(
        "Microsoft.EventGrid.SubscriptionValidationEvent",
        validationCode="512d38b6",
        validationUrl="https://evil.example.org/",
    )
    reply = receiver.answer("POST", {"aeg-event-type": "SubscriptionValidation"}, json.dumps([event]).encode())

    assert (200, {"validationResponse": "512d38b6"}) == (reply.status, json.loads(reply.body))
    assert Accepted() == receiver.accept(own_event("Microsoft.EventGrid.SubscriptionValidationEvent", validationCode=7))


def test_the_handshake_of_cloud_events_is_answered(receiver: EventReceiver) -> None:
    """Header names in any case; a request without an origin, or with a strange one, is refused."""
    asked = {"WebHook-Request-Origin": "eventgrid.azure.net", "webhook-request-rate": "120"}
    reply = receiver.answer("OPTIONS", asked, b"")

    assert 200 == reply.status
    assert ("eventgrid.azure.net", "*") == (
        reply.headers["WebHook-Allowed-Origin"],
        reply.headers["WebHook-Allowed-Rate"],
    )
    assert 400 == receiver.answer("OPTIONS", {}, b"").status
    assert 400 == receiver.answer("OPTIONS", {"WebHook-Request-Origin": "a\r\nSet-Cookie: x"}, b"").status
    assert 405 == receiver.answer("GET", {}, b"").status


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve an empty double."""
    with serving() as server:
        yield server


@pytest.fixture
def backend(server: Server, tmp_path: Path) -> Iterator[AzureBackend]:
    """Return a store that is asked once an hour, beside a ledger in a file."""
    url, text = f"{server.url}&poll=3600", server.connection_string
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    backend = open_backend(url, SystemClock(), upgrade=True, ledger=ledger, connection_string=text)
    assert isinstance(backend, AzureBackend)
    yield backend
    backend.close()


def test_a_delivery_wakes_the_watcher_that_it_concerns(server: Server, backend: AzureBackend) -> None:
    """The watcher looks, and tells what it has seen itself."""
    ours, tenants = backend.watcher("prod", None), backend.watcher("prod", "acme")
    said: list[Change | None] = [ours.wait(LONG), tenants.wait(LONG)]
    waiting = Thread(target=lambda: said.append(ours.wait(LONG)))
    waiting.start()
    move(backend.store, publish(backend.store, 1), 0)
    reply = backend.events.answer("POST", {}, json.dumps([cloud_event(host=server.host)]).encode())
    waiting.join(LONG)
    quiet = tenants.wait(0.2)

    assert [Change("prod", None, certain=False), Change("prod", "acme", certain=False), Change("prod", None)] == said
    assert (200, None) == (reply.status, quiet)
    assert 1 == backend.store.channel(SCOPE, "stable").revision


def test_deliveries_without_end_do_not_become_requests(server: Server, backend: AzureBackend) -> None:
    """Whoever floods the address makes the watcher look about once in a second."""
    watcher = backend.watcher("prod", None)
    watcher.wait(LONG)
    server.double.requests.clear()
    ends = SystemClock().monotonic() + 2.5
    while SystemClock().monotonic() < ends:
        backend.events.accept(cloud_event(host=server.host))
        assert watcher.wait(0.01) is None

    assert 1 <= len(server.double.requests) <= 5


def test_the_application_on_the_page_takes_deliveries(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Under a WSGI server: the handshake, a delivery that wakes the watcher, and what is too large."""
    settings = {"STORE": f"{server.url}&poll=3600", "STORE_CONNECTION_STRING": server.connection_string}
    for name, text in {**settings, "LEDGER": f"sqlite:///{tmp_path}/ledger.db", "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(f"RUNPIN_{name}", text)
    default.cache_clear()
    page = (ROOT / "docs" / "how-to" / "azure-app-configuration.md").read_text(encoding="utf-8")
    (block,) = (each for each in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "receiver" in each)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - the page's own example
    backend = default().backend
    watcher = backend.watcher("prod", None)
    assert watcher is not None
    watcher.wait(LONG)
    move(backend.store, publish(backend.store, 1), 0)
    with wsgi_server(names["application"]) as address:
        asked = requests.options(address, headers={"WebHook-Request-Origin": "eventgrid.azure.net"}, timeout=10)
        delivered = requests.post(address, json=[cloud_event(host=server.host)], timeout=10)
        large = requests.post(address, data=b" " * (MOST_BYTES + 1), timeout=10)
    change = watcher.wait(LONG)
    default().close()
    default.cache_clear()

    assert ("eventgrid.azure.net", 200, 413) == (
        asked.headers["WebHook-Allowed-Origin"],
        delivered.status_code,
        large.status_code,
    )
    assert Change("prod", None) == change


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def wsgi_server(application: Any) -> Iterator[str]:
    """Serve a WSGI application on the loopback interface."""
    with make_server("127.0.0.1", 0, application, handler_class=_Quiet) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()
