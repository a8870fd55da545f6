"""
What went wrong at the service, in the words of our own errors.

The service's sentence stays in the cause and never becomes part of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runpin.errors import StoreError, StoreUnavailable

_REACH = "check that the store's address is right and can be reached from here; the call may be repeated"
_LET_IN = (
    "give the identity the role App Configuration Data Owner, or Data Reader where nothing is published; with a "
    "connection string, check that the key is valid and that this host's clock is right"
)
LONGEST_REST = 300.0
"""Seconds; whoever says more, a proxy for example, does not silence a process for longer."""

_QUOTA = "wait, poll less often (RUNPIN_REFRESH_INTERVAL), or use a larger tier; the portal shows which quota it is"


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A failed attempt.

    `again` tells whether the same request may be sent once more, `rest` how many seconds the service wants to be left
    alone before that. `denied` tells that the identity is known and may not do this.
    """

    error: StoreError
    again: bool = False
    rest: float = 0.0
    denied: bool = False

    def unasked(self, seconds: float) -> Failure:
        """Return what becomes of a request that is not sent, as there are *seconds* left of the rest."""
        what = f"{self.error.what}, and nobody asks again for {seconds:.0f} s, as the service wants it"
        return Failure(StoreUnavailable(what, where=self.error.where, fix=self.error.fix), rest=seconds)


def errors() -> tuple[type[Exception], ...]:
    """Return what a request through the vendor's client may raise, for one that garbage is handed to included."""
    import requests
    from azure.core.exceptions import AzureError

    return AzureError, requests.RequestException, OSError, ValueError, TypeError, AttributeError, KeyError


def failure_of(error: Exception, where: str) -> Failure:
    """
    Say what an attempt means that failed.

    Args:
        error: what the vendor's client raised.
        where: the store's address without its secrets.
    """
    from azure.core.exceptions import ClientAuthenticationError

    status = getattr(error, "status_code", None)
    if status in {401, 403} or isinstance(error, ClientAuthenticationError):
        unwelcome = StoreUnavailable("Azure App Configuration does not let this identity in", where=where, fix=_LET_IN)
        return Failure(unwelcome, denied=status == 403)
    if status == 429:
        spent = StoreUnavailable("the quota of the Azure App Configuration store is used up", where=where, fix=_QUOTA)
        return Failure(spent, again=True, rest=_rest(error))
    # An answer that is no error and cannot be read comes from something in between.
    if status is None or status < 400 or status in {408, 500, 502, 503, 504}:
        silent = StoreUnavailable("Azure App Configuration does not answer", where=where, fix=_REACH)
        return Failure(silent, again=True, rest=_rest(error))
    return Failure(_refused(status, where))


def _refused(status: int, where: str) -> StoreError:
    if status == 409:
        return StoreError(
            "somebody has made a key of runpin read-only that has to change",
            where=where,
            fix="unlock the keys below channels/, sequences/, listed/ and publications/ under the prefix",
        )
    return StoreError(
        f"Azure App Configuration refused a request ({status})", where=where, fix="report it: this is a bug"
    )


def _rest(error: Any) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        wanted = max(float(headers.get("retry-after-ms", 0)) / 1000, float(headers.get("retry-after", 0)))
    except (TypeError, ValueError):
        return 0.0
    return min(LONGEST_REST, wanted)
