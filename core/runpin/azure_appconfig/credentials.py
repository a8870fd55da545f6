"""
Tokens of Microsoft Entra ID, within our deadlines.

The vendor's library looks for an identity in many places, some of them over the network or through other programs,
each with a time limit of its own and none in all. So it is asked in a thread, and waited for as long as the call may.
"""

from __future__ import annotations

from concurrent.futures import Future
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken

    from runpin.deadlines.timing import Timer


class EntraCredential:
    """
    The identity of this host, workload or developer, whichever `DefaultAzureCredential` finds.

    Many threads may ask: one search is under way at most, and whoever gave up in time finds its answer next time.
    """

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._lock = Lock()
        self._search: Future[AccessToken] | None = None
        self._inner: Any = None

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """
        Return a token for *scopes*, which the vendor's client keeps until it is about to expire.

        Raises:
            TimeoutError: the search goes on, and the call has to end.
            ClientAuthenticationError: no identity was found, or it was refused.
        """
        with self._lock:
            search = self._search = self._search or self._begun(scopes, options)
        token = search.exception(self._timer.left()) or search.result()
        with self._lock:
            self._search = None if self._search is search else self._search
        if isinstance(token, BaseException):
            raise token
        return token

    def _begun(self, scopes: tuple[str, ...], options: dict[str, Any]) -> Future[AccessToken]:
        search: Future[AccessToken] = Future()
        Thread(target=self._run, args=(search, scopes, options), name="runpin-entra", daemon=True).start()
        return search

    def _run(self, search: Future[AccessToken], scopes: tuple[str, ...], options: dict[str, Any]) -> None:
        try:
            search.set_result(self._credential().get_token(*scopes, **options))
        except Exception as error:  # noqa: BLE001 - handed over to whoever waits, and raised there
            search.set_exception(error)

    def _credential(self) -> Any:
        if self._inner is None:
            from azure.identity import DefaultAzureCredential

            self._inner = DefaultAzureCredential()
        return self._inner
