"""
The watcher: asks whether the channels of an environment and tenant have changed, by the ETags of their pages.

The service pushes nothing to a process. What has not changed costs one small answer, and no key-value is sent. An
event of Event Grid, or whatever the backend beside the store pushes, makes it look at once.
"""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from random import uniform
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, TypeVar

from runpin.azure_appconfig.calls import NO_LABEL
from runpin.azure_appconfig.failures import LONGEST_REST
from runpin.changes import Change
from runpin.errors import StoreError
from runpin.model import SnapshotId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runpin.azure_appconfig.endpoint import Endpoint
    from runpin.azure_appconfig.failures import Failure
    from runpin.changes import Watcher
    from runpin.ports import Quarantine

T = TypeVar("T")

# After a hint a read may still be old, so there is more than one look.
_AFTER_A_HINT = (0.0, 1.0, 5.0)
_HINTS_APART = 1.0
_Seen = tuple[tuple[str, ...], frozenset[SnapshotId]]

_LISTENING = 15.0
"""Seconds for which the other backend may be silent before it is listened to anew."""


class AzureWatcher:
    """
    Tells of changes of the channels; see `runpin.changes.Watcher`.

    The quarantine is kept elsewhere: *beside* tells of it if it pushes, otherwise *quarantine* is asked as well.

    After a failure it rests for a random part of a time that doubles each time, up to five minutes, and at least as
    long as the service asked for. Until then a wait asks nobody.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        environment: str,
        tenant: str | None,
        *,
        interval: float,
        beside: Watcher | None = None,
        quarantine: Quarantine | None = None,
    ) -> None:
        self.environment = environment
        self.tenant = tenant
        self._endpoint = endpoint
        self._prefix = endpoint.keys.channels(environment, tenant)
        self._interval = interval
        self._beside = beside
        self._news: Future[Change | None] | None = None
        self._quarantine = quarantine
        self._barred: frozenset[SnapshotId] = frozenset()
        self._pages: tuple[str, ...] = ()
        self._uncertain = True
        self._failures = 0
        self._wanted_rest = 0.0
        self._due = endpoint.clock.monotonic()
        self._hinted: list[float] = []
        self._looked = -_HINTS_APART
        self._lock = Lock()
        self._wake = Event()
        self._closed = Event()

    def wait(self, timeout: float) -> Change | None:
        """
        Return a change as soon as there is one, None when *timeout* seconds are over or it was closed meanwhile.

        Raises:
            StoreUnavailable: the service, or the backend beside it, could not be asked.
        """
        clock = self._endpoint.clock
        ends = clock.monotonic() + timeout
        while not self._closed.is_set():
            change = self._look() if clock.monotonic() >= self._next() else None
            rest = ends - clock.monotonic()
            if change is not None or rest <= 0:
                return change
            change = self._listen(min(rest, self._next() - clock.monotonic()))
            if change is not None:
                return change
        return None

    def hint(self) -> None:
        """Look at once, from any thread, unless the service wants to be left alone."""
        with self._lock:
            # Whoever sends hints without end makes it ask once in a second.
            soon = max(self._endpoint.clock.monotonic(), self._looked + _HINTS_APART)
            if not self._failures:
                self._hinted = [soon + later for later in _AFTER_A_HINT]
        self._wake.set()

    def close(self) -> None:
        """End a wait of another thread; every later call returns None."""
        self._closed.set()
        self._wake.set()
        if self._beside is not None:
            self._beside.close()

    def _next(self) -> float:
        return min(self._due, *self._hinted) if self._hinted else self._due

    def _listen(self, seconds: float) -> Change | None:
        """Wait for a hint, or for the other backend, or until the time is over."""
        if self._beside is not None and self._news is None:
            # It goes on listening when this call is over: to begin anew costs a server a connection.
            self._news = self._begun(partial(self._beside.wait, _LISTENING), "runpin-azure-listen")
        if self._news is None or not self._news.done():
            self._wake.wait(max(seconds, 0))
            self._wake.clear()
        if self._news is None or not self._news.done():
            return None
        news, self._news = self._news, None
        return news.result()

    def _look(self) -> Change | None:
        try:
            seen = self._asked()
        except StoreError:
            self._failures, self._uncertain = self._failures + 1, True
            self._plan(max(self._wanted_rest, self._back_off()))
            raise
        self._failures = 0
        self._plan(self._interval * uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
        if seen is None or (seen == (self._pages, self._barred) and not self._uncertain):
            return None
        change = Change(self.environment, self.tenant, certain=not self._uncertain)
        (self._pages, self._barred), self._uncertain = seen, False
        return change

    def _back_off(self) -> float:
        return uniform(0, min(LONGEST_REST, self._interval * 2.0 ** min(self._failures, 10)))  # noqa: S311 - likewise

    def _plan(self, seconds: float) -> None:
        """Look again after so many seconds, and before that as often as a hint asked for."""
        now = self._endpoint.clock.monotonic()
        with self._lock:
            self._due, self._looked = now + seconds, now
            self._hinted = [] if self._failures else [each for each in self._hinted if each > now]

    def _asked(self) -> _Seen | None:
        """Return the ETags of the pages and what is barred, None if it was closed meanwhile."""
        answer = self._begun(self._ask, "runpin-azure-look")
        while not answer.done():
            self._wake.wait()
            self._wake.clear()
            if self._closed.is_set():
                return None
        return answer.result()

    def _begun(self, work: Callable[[], T], name: str) -> Future[T]:
        """Do *work* in a thread of its own, so that closing ends the wait of the caller whatever a server does."""
        answer: Future[T] = Future()
        answer.add_done_callback(lambda _: self._wake.set())

        def run() -> None:
            try:
                answer.set_result(work())
            except BaseException as error:  # noqa: BLE001 - handed over to whoever waits, and raised there
                answer.set_exception(error)

        Thread(target=run, name=name, daemon=True).start()
        return answer

    def _ask(self) -> _Seen:
        endpoint, prefix, known = self._endpoint, self._prefix, self._pages
        ends, self._wanted_rest = endpoint.clock.monotonic() + endpoint.patience, 0.0
        found = endpoint.attempt(lambda client: _pages(client, prefix, known), ends, tries=1, on_failure=self._note)
        barred = frozenset() if self._quarantine is None else self._quarantine.barred(self.environment)
        return known if found is None else found, barred

    def _note(self, failure: Failure) -> None:
        self._wanted_rest = failure.rest


def _pages(client: Any, prefix: str, known: Sequence[str]) -> tuple[str, ...] | None:
    chosen = {"key_filter": f"{prefix}*", "label_filter": NO_LABEL}
    # Pages that have not changed are not sent, nor seen here.
    changed = client.list_configuration_settings(**chosen).by_page(match_conditions=[*known])
    if known and not any(True for _ in changed):
        return None
    # Not the same listing: it would go on to leave out what has not changed.
    pages = client.list_configuration_settings(**chosen).by_page()
    return tuple(pages.etag for _ in pages)
