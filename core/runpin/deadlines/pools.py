"""
Connections for the HTTP client that the vendors' clients share, whose every wait ends with the call.

A client of `requests` takes them as its adapter's `poolmanager.pool_classes_by_scheme`.
"""

from __future__ import annotations

from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from runpin.deadlines.timing import TimedSocket, Timer


def pools(timer: Timer) -> dict[str, type[HTTPConnectionPool]]:
    """Return the pools for each scheme, in the clear and with TLS, that *timer* keeps to its call."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            self.timeout = timer.left()
            super().connect()
            self.sock = _timed(self.sock, timer)

    class Encrypted(HTTPSConnection):
        def connect(self) -> None:
            self.timeout = timer.left()
            super().connect()
            self.sock = _timed(self.sock, timer)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


def _timed(raw: Any, timer: Timer) -> Any:
    return TimedSocket(raw, timer)
