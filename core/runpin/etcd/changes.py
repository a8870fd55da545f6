"""
News about the channels of an environment and its quarantine, pushed by the cluster.

What is told is that something has changed, not what. A stream that is lost is opened anew from the revision that was
told last, so nothing is lost with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from random import uniform
from threading import Event, Lock
from typing import Any

from runpin.changes import Change
from runpin.errors import StoreError
from runpin.etcd.cluster import Cluster
from runpin.etcd.endpoint import ERRORS, Endpoint
from runpin.etcd.transactions import first, watched

_ALL = 1 << 62
_OPENING = 1.0
_CLOSING = 0.2


class EtcdWatcher:
    """
    Tells of changes of the channels and the quarantine; see `runpin.changes.Watcher`.

    A stream stays open from one call to the next as long as it brings news; one that was silent for a whole call is
    opened anew, since it may have stalled.
    """

    def __init__(self, cluster: Cluster, environment: str, tenant: str | None) -> None:
        self._cluster = cluster
        self._environment = environment
        self._tenant = tenant
        self._prefixes = (cluster.keys.channels(environment, tenant), cluster.keys.quarantine(environment))
        self._reached = 0
        self._stream: _Stream | None = None
        self._waiting = Lock()
        self._closed = Event()

    def wait(self, timeout: float) -> Change | None:
        """
        Return a change as soon as there is one, None when *timeout* seconds are over or it was closed meanwhile.

        *timeout* is also how long a stream may be silent before it is opened anew.

        Raises:
            StoreUnavailable: no member could be watched for as long as one call is patient, or as *timeout* lasted and
                at least a second.
        """
        with self._waiting:
            try:
                change = self._change(timeout)
            except StoreError:
                # It may come back from a backup, and stand at an earlier revision than the one that was told.
                self._reached = 0
                self._let_go()
                if not self._closed.is_set():
                    raise
                return None
            if self._closed.is_set():
                self._let_go()
                return None
            return change

    def close(self) -> None:
        """End a wait of another thread, and close the stream; every later call returns None."""
        self._closed.set()
        stream = self._stream
        if stream is not None:
            stream.interrupt()
        # Whoever is still opening a stream closes it.
        if self._waiting.acquire(timeout=_CLOSING):
            self._let_go()
            self._waiting.release()

    def _change(self, timeout: float) -> Change | None:
        if self._closed.is_set():
            return None
        if not self._reached:
            return self._begun()
        ends = self._cluster.clock.monotonic() + timeout
        while not self._closed.is_set() and (left := ends - self._cluster.clock.monotonic()) > 0:
            stream = self._opened_stream(left)
            try:
                if self._closed.is_set():
                    break
                with self._cluster.timer.within(ends - self._cluster.clock.monotonic()):
                    found = stream.change()
            except ERRORS:
                self._let_go()
                # A server that ends every stream at once must not be asked without a rest.
                self._closed.wait(min(left, uniform(0.02, 0.1)))  # noqa: S311 - spreads attempts, keeps no secret
            else:
                return self._told(found)
        return None

    def _begun(self) -> Change:
        """Go on from where the cluster stands now."""
        self._let_go()
        self._reached = self._cluster.call().read_one(first(self._prefixes[0], 1, keys_only=True)).revision
        return Change(self._environment, self._tenant, certain=False)

    def _told(self, revision: int) -> Change:
        if revision >= _ALL:
            return self._begun()
        self._reached = revision
        return Change(self._environment, self._tenant)

    def _let_go(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _opened_stream(self, left: float) -> _Stream:
        if self._stream is None:
            # However late it is: a stream that was lost in the last moment is no reason for an error.
            ends = self._cluster.clock.monotonic() + min(max(left, _OPENING), self._cluster.patience)
            self._stream = self._cluster.attempt(self._opened, ends, self._cluster.patience)
        return self._stream

    def _opened(self, endpoint: Endpoint) -> _Stream:
        with ExitStack() as opening:
            requested = [watched(prefix, self._reached + 1) for prefix in self._prefixes]
            lines, interrupt = opening.enter_context(endpoint.watch(requested))
            _result(next(lines, b""))
            return _Stream(opening.pop_all(), lines, interrupt, self._reached)


class _Stream:
    """One open stream; `reached` is the revision of the newest change that it has told."""

    def __init__(self, opened: ExitStack, lines: Iterator[bytes], interrupt: Callable[[], None], reached: int) -> None:
        self.reached = reached
        self._opened = opened
        self._lines = lines
        self._interrupt = interrupt

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

    def interrupt(self) -> None:
        """Let a read of another thread end."""
        with suppress(OSError, ValueError, RuntimeError):  # it has ended by itself
            self._interrupt()

    def close(self) -> None:
        """Close the connection."""
        self._opened.close()


def _result(line: bytes) -> dict[str, Any]:
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("result"), dict):
        raise ValueError("this is no message of a watch")  # noqa: TRY004 - a server's fault, handled like bad JSON
    result: dict[str, Any] = message["result"]
    return result
