"""
One endpoint of a cluster, through the gateway's maintained client.

Of the client this uses what speaks the protocol: addresses, requests, answers and errors. Its watch is not used: it
takes each piece of a stream for one whole message, and waits for ever where the history was compacted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from runpin.deadlines.pools import pools
from runpin.deadlines.timing import Timer
from runpin.errors import SettingsError
from runpin.etcd.address import Address
from runpin.etcd.failures import Failure, failure_of

try:
    from etcd3gw.client import Etcd3Client
    from etcd3gw.exceptions import Etcd3Exception
except ImportError as missing:
    raise SettingsError(
        "the client for etcd is not installed", where="store_url", fix="pip install 'runpin[etcd]'"
    ) from missing

ERRORS: tuple[type[Exception], ...] = (Etcd3Exception, requests.RequestException, HTTPError, OSError, ValueError)
"""What a request may raise."""

_PIECE = 1 << 16
# A member that has lost its leader has to say so, instead of keeping a watch open that hears nothing.
_REQUIRE_LEADER = {"Grpc-Metadata-hasleader": "true"}


class Endpoint:
    """
    One member of a cluster, as far as a request is concerned.

    Nothing is opened before the first request. Threads may share it; a forked child may not.
    """

    def __init__(self, address: Address, place: int, timer: Timer) -> None:
        host, port = address.endpoints[place]
        self.name = f"{host}:{port}"
        self._address = address
        self._token = ""
        self._client = Etcd3Client(
            host,
            port,
            protocol="https" if address.tls else "http",
            api_path="/v3/",
            session=_session(address, timer),
        )

    def transaction(self, content: dict[str, Any]) -> dict[str, Any]:
        """Send one transaction and return the answer."""
        return self._ask("/kv/txn", content)

    def range(self, content: dict[str, Any]) -> dict[str, Any]:
        """Send one read and return the answer."""
        return self._ask("/kv/range", content)

    def status(self) -> dict[str, Any]:
        """Return what the member says about itself."""
        return self._ask("/maintenance/status", {})

    @contextmanager
    def watch(self, requested: Sequence[dict[str, Any]]) -> Iterator[tuple[Iterator[bytes], Callable[[], None]]]:
        """Open *requested* watches as one stream; hand out its lines as they arrive, and what ends it meanwhile."""
        self._log_in()
        body = "\n".join(json.dumps({"create_request": each}) for each in requested)
        session, url = self._client.session, self._client.get_url("/watch")
        with session.post(url, data=body, headers=_REQUIRE_LEADER, stream=True) as response:
            if response.status_code != requests.codes["ok"]:
                raise Etcd3Exception(response.text, response.reason)
            yield response.iter_lines(_PIECE), response.raw.shutdown

    def close(self) -> None:
        """Close the connections that no request uses."""
        self._client.session.close()

    def failure(self, error: Exception) -> Failure:
        """Say what *error* means, and forget a token that is used up."""
        detail = error.detail_text if isinstance(error, Etcd3Exception) else None
        failure = failure_of(detail, self._address.where)
        if failure.login:
            self._token = ""
        return failure

    def _ask(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        self._log_in()
        answer = self._client.post(self._client.get_url(path), json=content)
        if not isinstance(answer, dict) or "header" not in answer:
            raise ValueError("this is no answer of etcd")
        return answer

    def _log_in(self) -> None:
        if self._token or self._address.user is None:
            return
        login = {"name": self._address.user, "password": self._address.password}
        token = self._client.post(self._client.get_url("/auth/authenticate"), json=login)["token"]
        self._client.session.headers["Authorization"] = self._token = str(token)


def _session(address: Address, timer: Timer) -> requests.Session:
    session = requests.Session()
    # Neither a proxy nor a password file of this host, and no other server because this one says so.
    session.trust_env = False
    session.max_redirects = 0
    session.verify = address.ca or True
    if address.cert and address.key:
        session.cert = (address.cert, address.key)
    adapter = requests.adapters.HTTPAdapter()
    adapter.poolmanager.pool_classes_by_scheme = pools(timer)
    session.mount(f"{'https' if address.tls else 'http'}://", adapter)
    return session
