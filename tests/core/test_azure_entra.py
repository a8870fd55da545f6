"""Microsoft Entra ID lets us in, through the vendor's library, and never holds a call up beyond its patience."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Thread
from time import monotonic, time_ns
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from azure_double_server import Server, serving
from runpin.azure_appconfig.endpoint import Endpoint
from runpin.clock import SystemClock
from runpin.errors import SettingsError, StoreUnavailable
from runpin.stores.azure import AzureStore
from runpin.testing import MemoryLedger
from runpin.testing.store_contract import move, publish

TOKEN = "canary-token"  # noqa: S105 - made up
PATIENCE = 3.0
SOON = 20.0
"""Seconds that no call takes which ends in time; the double of the identities holds one up for a minute."""


class Identities(ThreadingHTTPServer):
    """
    The managed identity endpoint that Azure gives to an app, as a double.

    Attributes:
        asked: the resource that each request named.
        released: lets requests go on.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Identity)
        self.asked: list[str] = []
        self.released = Event()
        self.released.set()


class _Identity(BaseHTTPRequestHandler):
    server: Identities

    def do_GET(self) -> None:
        """Hand out the token to who shows the header."""
        self.server.released.wait(60)
        resource = parse_qs(urlsplit(self.path).query)["resource"][0]
        self.server.asked.append(resource)
        expires = str(time_ns() // 10**9 + 3600)
        token = {"access_token": TOKEN, "expires_on": expires, "resource": resource, "token_type": "Bearer"}
        body = json.dumps(token).encode()
        self.send_response(200 if self.headers["X-IDENTITY-HEADER"] == "header" else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for the loopback address, which is its own authority."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = tmp_path_factory.mktemp("certificate") / "ca.pem"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(private + made.public_bytes(pem))
    return file


@pytest.fixture
def identities(monkeypatch: pytest.MonkeyPatch) -> Iterator[Identities]:
    """Serve identities to this process, as Azure does to an app."""
    server = Identities()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(certificate: Path) -> Iterator[Server]:
    """Serve an empty double with TLS, which lets the token in."""
    with serving(certificate=certificate) as server:
        server.double.tokens.add(TOKEN)
        yield server


def opened(server: Server, certificate: Path) -> Endpoint:
    """Return an endpoint that asks Entra."""
    url = f"azure-appconfig://{server.host}/runpin?ca={certificate}"
    return Endpoint.open(url, clock=SystemClock(), patience=PATIENCE)


def test_an_identity_of_entra_publishes(identities: Identities, server: Server, certificate: Path) -> None:
    """One token serves many requests; it is asked for this service and no other."""
    with opened(server, certificate) as endpoint:
        store = AzureStore(endpoint, MemoryLedger())
        moved = move(store, publish(store, 1), 0)

    assert moved.revision == 1
    assert identities.asked == ["https://appconfig.azure.com"]
    assert all(request.headers["authorization"] == f"Bearer {TOKEN}" for request in server.double.requests)


def test_a_slow_identity_is_waited_for_as_long_as_the_call_may(
    identities: Identities, server: Server, certificate: Path
) -> None:
    """The search goes on meanwhile, and a later call has its answer."""
    identities.released.clear()
    with opened(server, certificate) as endpoint:
        store, began = AzureStore(endpoint, MemoryLedger()), monotonic()
        with pytest.raises(StoreUnavailable):
            store.channels("prod", None)
        took = monotonic() - began
        identities.released.set()

        assert store.channels("prod", None) == ()
    assert took < SOON
    assert len(identities.asked) == 1


def test_a_host_without_an_identity_is_told_so(
    monkeypatch: pytest.MonkeyPatch, server: Server, certificate: Path
) -> None:
    """At once, with what to look at."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
    with opened(server, certificate) as endpoint, pytest.raises(StoreUnavailable, match="does not let this identity"):
        AzureStore(endpoint, MemoryLedger()).channels("prod", None)

    assert server.double.requests == []


def test_a_file_of_authorities_that_is_missing_is_told(server: Server, tmp_path: Path) -> None:
    """It is a wrong setting, and not an outage."""
    with opened(server, tmp_path / "none.pem") as endpoint, pytest.raises(SettingsError, match="authorities"):
        AzureStore(endpoint, MemoryLedger()).channels("prod", None)


def test_an_unknown_authority_is_not_trusted(identities: Identities, server: Server) -> None:
    """Nothing is sent to who cannot show a certificate."""
    with (
        Endpoint.open(f"azure-appconfig://{server.host}/runpin", clock=SystemClock(), patience=PATIENCE) as endpoint,
        pytest.raises(StoreUnavailable),
    ):
        AzureStore(endpoint, MemoryLedger()).channels("prod", None)

    assert server.double.requests == []
    assert len(identities.asked) <= 1
