"""
AWS credentials, within our deadlines.

The vendor's library looks for them in many places, some of them over the network or through other programs, each with
a time limit of its own and none in all. So it is asked in a thread, and waited for as long as the call may.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runpin.deadlines.timing import Timer


class Identity:
    """
    Whoever boto3 finds: variables, configuration files, a role of the host.

    It has what botocore asks of credentials. One search is under way at most, and whoever gave up in time finds its
    answer next time.
    """

    method = "runpin"

    def __init__(self, find: Callable[[], Any], timer: Timer) -> None:
        self._find = find
        self._timer = timer
        self._lock = Lock()
        self._search: Future[Any] | None = None
        self._found: Any = None

    def get_frozen_credentials(self) -> Any:
        """
        Return the credentials to sign with, refreshed where they expire.

        Raises:
            TimeoutError: the search goes on, and the call has to end.
            BotoCoreError: there are none, or they cannot be refreshed.
        """
        with self._lock:
            search = self._search = self._search or self._begun()
        found = search.exception(self._timer.left()) or search.result()
        with self._lock:
            self._search = None if self._search is search else self._search
        if isinstance(found, BaseException):
            raise found
        return found

    def get_deferred_property(self, name: str) -> Callable[[], None]:  # noqa: ARG002 - the signature is botocore's
        """Return what tells nothing: no endpoint of ours depends on the account."""
        return lambda: None

    def _begun(self) -> Future[Any]:
        search: Future[Any] = Future()
        Thread(target=self._run, args=(search,), name="runpin-aws", daemon=True).start()
        return search

    def _run(self, search: Future[Any]) -> None:
        try:
            search.set_result(self._credentials().get_frozen_credentials())
        except Exception as error:  # noqa: BLE001 - handed over to whoever waits, and raised there
            search.set_exception(error)

    def _credentials(self) -> Any:
        from botocore.exceptions import NoCredentialsError  # type: ignore[import-untyped] # it ships no types

        self._found = self._found or self._find()
        if self._found is None:
            raise NoCredentialsError
        return self._found
