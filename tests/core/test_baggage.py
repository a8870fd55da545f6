"""W3C baggage: pins cross HTTP whole or not at all, beside what others put there, and hostile headers harm nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.baggage import get_all  # noqa: TID253 - the test is about it
from opentelemetry.baggage.propagation import W3CBaggagePropagator  # noqa: TID253 - the test is about it
from opentelemetry.context import Context  # noqa: TID253 - the test is about it

from runpin.baggage import SNAPSHOT, extract, inject
from runpin.errors import InvalidProposal
from runpin.model import Asked, Pin, RunKey, Scope, SnapshotId, digest_of
from runpin.proposing import read_proposal

DIGEST = digest_of(b"snapshot")
KEY = RunKey("airflow", "default", "nightly", "manual__2026-11-28T09:00:00+00:00")
ID = f"payments.prod.v42.{DIGEST[:12]}"


def pin(application: str = "payments", tenant: str | None = None) -> Pin:
    """Return a pin of this application."""
    snapshot = SnapshotId(application, "prod", 42, DIGEST[:12])
    return Pin(KEY, Scope(application, "prod", tenant), snapshot, DIGEST, datetime(2026, 1, 1, tzinfo=UTC))


class Service(BaseHTTPRequestHandler):
    """Answers what a run that it started could carry."""

    def do_GET(self) -> None:
        """Read the headers as an HTTP service does."""
        try:
            answer: object = extract(self.headers)
        except InvalidProposal as error:
            answer = error.as_json()
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[int]:
    """Give the port of a service on this host."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def asked(port: int, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return what the service answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/", headers=dict(headers))
    found: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def test_pins_cross_http() -> None:
    """The service hands the run it starts what the caller's own run would have; what others carry stays as it was."""
    headers = {"Baggage": "userId=alice;ttl=5 , config.snapshot.old=old.prod.v1.aaaaaaaaaaaa"}
    inject([pin(tenant="acme"), pin("reports", "acme")], headers, depth=2)
    with serving() as port:
        answers = [asked(port, headers), asked(port, {}), asked(port, {"baggage": "config.snapshot.payments=live"})]
    proposal = read_proposal(answers[0], "the child")

    assert "userId=alice;ttl=5" == headers["baggage"].split(",")[0]
    assert ["baggage"] == list(headers)
    assert {"payments": Asked.PARENT, "reports": Asked.PARENT} == proposal.by
    assert (str(KEY), "prod", "acme", 3) == tuple(answers[0]["parent"].values())
    assert ID == str(proposal.within("prod", "acme").pins["payments"])
    assert {} == proposal.within("prod", None).pins == proposal.within("dev", "acme").pins == answers[1]
    assert "InvalidProposal" == answers[2]["kind"]


def test_what_telemetry_alone_carries_is_enough() -> None:
    """A process whose HTTP client passes baggage on by itself sends the ids only."""
    found = extract({"baggage": f"config.snapshot.payments={ID};p=1"})

    assert ({"payments": ID}, 1) == (found["pins"], found["parent"]["depth"])


def test_a_header_that_is_too_large_is_not_sent_in_part() -> None:
    """Half of the pins would be two configurations, so there is an error, and the headers are as before."""
    crowded = {"baggage": ",".join(f"k{number}=v" for number in range(178))}
    long = {"baggage": f"a={'x' * 4_090},b={'y' * 4_090}"}
    plenty: dict[str, str] = {}

    for headers, pins in ((crowded, [pin()]), (long, [pin()] * 3), (plenty, [pin(f"a{n}") for n in range(181)])):
        before = dict(headers)
        with pytest.raises(InvalidProposal, match="8192 bytes or 180 members"):
            inject(pins, headers)
        assert before == headers


def test_no_pins_are_no_header() -> None:
    """A run that has read nothing hands nothing on, and takes away what an earlier one wrote."""
    headers: dict[str, str] = {"baggage": f"config.snapshot.payments={ID}"}
    inject([], headers)

    assert {} == headers == extract(headers)


def test_a_loop_across_services_ends() -> None:
    """Each request counts on, and the seventeenth is refused."""
    headers: dict[str, str] = {}
    for depth in range(16):
        inject([pin()], headers, depth)
        assert depth + 1 == extract(headers)["parent"]["depth"]
    inject([pin()], headers, 16)
    with pytest.raises(InvalidProposal, match="as in a loop") as refused:
        extract(headers)

    assert str(KEY) in str(refused.value)


HOSTILE = st.lists(
    st.tuples(
        st.sampled_from(
            ["config.snapshot.payments", "config.snapshot.", "config.depth", "config.tenant", "config.parent"]
        )
        | st.text(max_size=12),
        st.sampled_from([ID, "1", "17", "-1", "%00", "%", "9" * 5_000, ";", "%F0%28"]) | st.text(max_size=12),
    ),
    max_size=6,
)


Reader = Callable[[Mapping[str, str]], Mapping[str, Any]]


def harmless(read: Reader) -> Callable[[], None]:
    """Return the property that *read* gives nothing, or what a run can carry, or the typed error."""

    @given(members=HOSTILE, name=st.sampled_from(["baggage", "BAGGAGE"]))
    @example(members=[("config.snapshot.payments", ID), ("config.depth", "٣")], name="baggage")
    @example(members=[("config.snapshot.payments", ID), ("config.parent", "%00")], name="baggage")
    @example(members=[("config.snapshot.payments", ID)] * 200, name="baggage")
    def holds(members: list[tuple[str, str]], name: str) -> None:
        try:
            found = read({name: ",".join(f"{key}={value}" for key, value in members)})
        except InvalidProposal:
            return

        assert not found or {Asked.PARENT} == set(read_proposal(json.loads(json.dumps(found)), "r1").by.values())

    return holds


def believing(headers: Mapping[str, str]) -> Mapping[str, Any]:
    """Read what the header says of snapshots as it stands there."""
    read = W3CBaggagePropagator().extract(dict(headers), Context())
    pins = {key.removeprefix(SNAPSHOT): text for key, text in get_all(read).items() if key.startswith(SNAPSHOT)}
    return {"pins": pins, "by": "parent"} if pins else {}


def test_hostile_headers() -> None:
    """Whatever comes, the answer is nothing, or what a run can carry, or the typed error; never another one."""
    harmless(extract)()


def test_the_property_catches_a_reader_that_believes_headers() -> None:
    """What it returns cannot be read as what a run carries."""
    with pytest.raises((InvalidProposal, ExceptionGroup)):
        harmless(believing)()
