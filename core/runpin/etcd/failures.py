"""
What went wrong in a cluster, in the words of our own errors.

A server's sentence stays in the cause and never becomes part of ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from runpin.errors import StoreError, StoreUnavailable

# gRPC's numbers, as the gateway repeats them.
_EXHAUSTED, _UNAUTHENTICATED, _DENIED = 8, 16, 7
_PASSING = frozenset({1, 2, 4, 10, 13, 14})
_TOO_LARGE = ("request is too large", "larger than max")
_OLD_TOKEN = ("invalid auth token", "revision of auth store is old")
_NOT_LET_IN = ("user name is empty", "authentication failed", "authentication is not enabled", "permission denied")

_REACH = (
    "check that the members run, have a quorum and can be reached, and for etcds:// that their certificates are "
    "trusted; the call may be repeated"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A failed attempt.

    `again` tells whether the same request may be sent once more, to any endpoint;
    `login` whether the token that was sent is used up.
    """

    error: StoreError
    again: bool = False
    login: bool = False


def failure_of(detail: str | None, where: str) -> Failure:
    """
    Say what an attempt means that failed.

    Args:
        detail: the body of the server's answer; None if there was none.
        where: the cluster's address without its secrets.
    """
    code, text = _told(detail)
    if any(part in text for part in _TOO_LARGE):
        return _too_large(where)
    if code == _UNAUTHENTICATED or any(part in text for part in _OLD_TOKEN):
        return Failure(_unavailable("etcd wants this user to log in again", where, _REACH), again=True, login=True)
    if code == _DENIED or any(part in text for part in _NOT_LET_IN):
        fix = "check user and password in the URL, and the user's roles (docs/how-to/etcd.md)"
        return Failure(_unavailable("etcd does not let this user in", where, fix))
    if code == _EXHAUSTED and "space exceeded" in text:
        fix = "compact, defragment, then `etcdctl alarm disarm`, or give the members a larger --quota-backend-bytes"
        return Failure(_unavailable("etcd is full and takes no writes", where, fix))
    if code is None or code in _PASSING or code == _EXHAUSTED:
        return Failure(_unavailable("etcd does not answer", where, _REACH), again=True)
    return Failure(StoreError(f"etcd refused a request ({code})", where=where, fix="report it: this is a bug"))


def _told(detail: str | None) -> tuple[int | None, str]:
    try:
        content = json.loads(detail or "")
        return int(content["code"]), str(content.get("message", ""))
    except (ValueError, TypeError, KeyError):
        # No etcd writes like this: a proxy's page, or another server.
        return None, ""


def _unavailable(what: str, where: str, fix: str) -> StoreUnavailable:
    return StoreUnavailable(what, where=where, fix=fix)


def _too_large(where: str) -> Failure:
    error = StoreError(
        "what is to be stored is larger than etcd takes in one request",
        where=where,
        fix="make the document smaller, or start every member with a larger --max-request-bytes (1.5 MiB by default)",
    )
    return Failure(error)
