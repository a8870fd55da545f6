"""
News about the channels of an environment and its quarantine, pushed by the cluster.

    revision = changes.wait(0, 0)                      # where the cluster stands; then look at the channels
    while True:
        newest = changes.wait(revision, 30)
        if newest != revision:                         # something has changed; look at them again
            revision = newest

What is told is that something has changed, not what: whoever is told looks at everything, which costs one request for
each of the two. So nothing is lost when two changes arrive as one, in the wrong order, or not at all because the
history was compacted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from random import uniform
from threading import Event
from typing import Any

from runpin.etcd.cluster import Cluster
from runpin.etcd.endpoint import ERRORS, Endpoint
from runpin.etcd.transactions import first, watched

_ALL = 1 << 62
_OPENING = 1.0


class Changes:
    """
    Tells when a channel of an environment and tenant has moved, or its quarantine has changed.

    One thread uses it at a time; a forked child may go on with it. A stream stays open from one call to the next as
    long as it brings news; one that was silent for a whole call is opened anew, since it may have stalled.
    """

    def __init__(self, cluster: Cluster, environment: str, tenant: str | None) -> None:
        self._cluster = cluster
        self._prefixes = (cluster.keys.channels(environment, tenant), cluster.keys.quarantine(environment))
        self._stream: _Stream | None = None
        self._inherited: list[_Stream] = []

    def wait(self, after: int, timeout: float) -> int:
        """
        Return a revision later than *after* as soon as there was a change after it, or *after* when time is over.

        Args:
            after: what the last call returned; 0 asks where the cluster stands, without waiting.
            timeout: seconds to wait at most; also how long a stream may be silent before it is opened anew.

        Raises:
            StoreUnavailable: no member could be watched for as long as one call is patient, or as *timeout* lasted and
                at least a second.
        """
        if after <= 0:
            return self._present()
        ends = self._cluster.clock.monotonic() + timeout
        while (left := ends - self._cluster.clock.monotonic()) > 0:
            stream = self._stream_from(after, left)
            try:
                with self._cluster.timer.within(ends - self._cluster.clock.monotonic()):
                    found = stream.change()
            except ERRORS:
                self.close()
                # A server that ends every stream at once must not be asked without a rest.
                Event().wait(min(max(left, 0), uniform(0.02, 0.1)))  # noqa: S311 - spreads attempts, keeps no secret
            else:
                return found if found < _ALL else self._present()
        return after

    def close(self) -> None:
        """Close the stream; a later call opens another."""
        if self._stream is not None and self._stream.owner == os.getpid():
            self._stream.close()
        self._stream = None

    def _present(self) -> int:
        self.close()
        return self._cluster.call().read_one(first(self._prefixes[0], 1, keys_only=True)).revision

    def _stream_from(self, after: int, left: float) -> _Stream:
        stream = self._stream
        if stream is not None and stream.owner != os.getpid():
            self._inherited.append(stream)  # closing it would need locks that a thread of the parent may have held
        elif stream is not None and stream.reached == after:
            return stream
        else:
            self.close()
        # However late it is: a stream that was lost in the last moment is no reason for an error.
        ends = self._cluster.clock.monotonic() + min(max(left, _OPENING), self._cluster.patience)
        self._stream = self._cluster.attempt(
            lambda endpoint: self._opened(endpoint, after), ends, self._cluster.patience
        )
        return self._stream

    def _opened(self, endpoint: Endpoint, after: int) -> _Stream:
        with ExitStack() as opening:
            lines = opening.enter_context(endpoint.watch([watched(prefix, after + 1) for prefix in self._prefixes]))
            _result(next(lines, b""))
            return _Stream(opening.pop_all(), lines, after)


class _Stream:
    """One open stream; `reached` is the revision of the newest change that it has told."""

    def __init__(self, opened: ExitStack, lines: Iterator[bytes], reached: int) -> None:
        self.owner = os.getpid()
        self.reached = reached
        self._opened = opened
        self._lines = lines

    def change(self) -> int:
        """
        Return the revision of the next change, or more than any revision where the history is gone.

        Raises:
            one of ERRORS: time is over, or the stream has ended.
        """
        for line in self._lines:
            result = _result(line)
            if "compact_revision" in result:
                return _ALL
            if result.get("canceled"):
                break
            newest = max((int(event["kv"]["mod_revision"]) for event in result.get("events", ())), default=0)
            if newest > self.reached:
                self.reached = newest
                return newest
        raise ValueError("the stream has ended")

    def close(self) -> None:
        """Close the connection."""
        self._opened.close()


def _result(line: bytes) -> dict[str, Any]:
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("result"), dict):
        raise ValueError("this is no message of a watch")  # noqa: TRY004 - a server's fault, handled like bad JSON
    result: dict[str, Any] = message["result"]
    return result
