"""
What went wrong at the service, in the words of our own errors.

The service's sentence stays in the cause and never becomes part of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runpin.errors import StoreError, StoreUnavailable

_REACH = "check that the region is right and can be reached from here; the call may be repeated"
_LET_IN = "give the identity the permissions that docs/how-to/aws-appconfig.md lists; check this host's clock too"
_FIND = "set AWS_PROFILE or the AWS_* variables, or give this host a role; `aws sts get-caller-identity` shows which"
_TOO_MUCH = "wait, and look less often; the quotas of AppConfig are in the AWS console, Service Quotas"
_REFUSED = {
    402: ("a quota of AWS AppConfig is used up", "remove old versions of the profile, or ask AWS for a larger quota"),
    404: ("AWS AppConfig does not have what was asked for", "look at the names, and whether anything was deployed"),
    413: ("the snapshot is larger than AWS AppConfig takes", "ask AWS for a larger quota, or split the application"),
}
_STRANGERS = frozenset({"UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException"})


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A failed attempt.

    `again` tells whether the same request may be sent once more.
    """

    error: StoreError
    again: bool = False


def errors() -> tuple[type[Exception], ...]:
    """Return what a request through the vendor's client may raise, for one that garbage is handed to included."""
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped] # it ships no types
    from botocore.parsers import ResponseParserError  # type: ignore[import-untyped] # it ships no types
    from urllib3.exceptions import HTTPError

    nonsense = (OSError, ValueError, TypeError, AttributeError, KeyError)
    return (BotoCoreError, ClientError, ResponseParserError, HTTPError, *nonsense)


def failure_of(error: Exception, where: str) -> Failure:
    """
    Say what an attempt means that failed.

    Args:
        error: what the vendor's client raised.
        where: the mirror's address.
    """
    code, status = code_of(error), _status(error)
    if _is_about_credentials(error):
        return Failure(StoreUnavailable("no AWS credentials were found, or none that work", where=where, fix=_FIND))
    if status in {401, 403} or code in _STRANGERS:
        return Failure(StoreUnavailable("AWS AppConfig does not let this identity in", where=where, fix=_LET_IN))
    if status == 429 or "Throttl" in code:
        return Failure(StoreUnavailable("AWS AppConfig wants fewer requests", where=where, fix=_TOO_MUCH), again=True)
    # An answer that is no error and cannot be read comes from something in between.
    if status is None or status < 400 or status in {408, 500, 502, 503, 504}:
        return Failure(StoreUnavailable("AWS AppConfig does not answer", where=where, fix=_REACH), again=True)
    bug = (f"AWS AppConfig refused a request ({status})", "look at the profile's validators; else report it")
    what, fix = _REFUSED.get(status, bug)
    return Failure(StoreError(what, where=where, fix=fix))


def code_of(error: Exception) -> str:
    """Return the service's own name for an error that it answered, `""` for any other."""
    return str(_part(error, "Error").get("Code", ""))


def _status(error: Exception) -> int | None:
    status = _part(error, "ResponseMetadata").get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def _part(error: Exception, name: str) -> dict[str, Any]:
    response = getattr(error, "response", None)
    part = response.get(name) if isinstance(response, dict) else None
    return part if isinstance(part, dict) else {}


def _is_about_credentials(error: Exception) -> bool:
    from botocore import exceptions as known  # type: ignore[import-untyped] # it ships no types

    kinds = (known.NoCredentialsError, known.PartialCredentialsError, known.CredentialRetrievalError)
    return isinstance(error, (*kinds, known.SSOError, known.TokenRetrievalError, known.InvalidConfigError))
