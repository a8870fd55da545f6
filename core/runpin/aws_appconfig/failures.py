"""
What went wrong at the service, in the words of our own errors.

The service's sentence stays in the cause and never becomes part of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runpin.errors import SnapshotRefused, StoreError, StoreUnavailable

_REACH = "check that the region is right and can be reached from here; the call may be repeated"
_LET_IN = "give the identity the permissions that docs/how-to/aws-appconfig.md lists; check this host's clock too"
_FIND = "set AWS_PROFILE or the AWS_* variables, or give this host a role; `aws sts get-caller-identity` shows which"
_TOO_MUCH = "wait, and look less often; the quotas of AppConfig are in the AWS console, Service Quotas"
_TOO_LARGE = 413
_REFUSED = {
    402: ("a quota of AWS AppConfig is used up", "remove old versions of the profile, or ask AWS for a larger quota"),
    404: ("AWS AppConfig does not have what was asked for", "look at the names, and whether anything was deployed"),
    _TOO_LARGE: (
        "the snapshot is larger than AWS AppConfig takes",
        "ask AWS for a larger quota, or split the application",
    ),
}
_MOST_DETAILS = 5
_STRANGERS = frozenset({"UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException"})


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A failed attempt.

    Attributes:
        error: what it means.
        again: whether the same request may be sent once more.
        throttled: whether it was refused for there being too many, and certainly not carried out.
    """

    error: StoreError
    again: bool = False
    throttled: bool = False


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
    if is_throttled(error):
        return Failure(fewer(where), again=True, throttled=True)
    # An answer that is no error and cannot be read comes from something in between.
    if status is None or status < 400 or status in {408, 500, 502, 503, 504}:
        return Failure(StoreUnavailable("AWS AppConfig does not answer", where=where, fix=_REACH), again=True)
    bug = (f"AWS AppConfig refused a request ({status})", "report this with the cause that the log shows")
    what, fix = _REFUSED.get(status, bug)
    kind = SnapshotRefused if status == _TOO_LARGE else StoreError
    return Failure(kind(what, where=where, fix=fix))


def code_of(error: Exception) -> str:
    """Return the service's own name for an error that it answered, `""` for any other."""
    return str(_part(error, "Error").get("Code", ""))


def problem_of(error: Exception) -> str:
    """Return what is wrong with a parameter of a request for what readers see, such as `Expired`; `""` if untold."""
    parameters = _part(error, "Details").get("InvalidParameters")
    found = parameters.values() if isinstance(parameters, dict) else ()
    return next((str(each.get("Problem", "")) for each in found if isinstance(each, dict)), "")


def is_throttled(error: BaseException | None) -> bool:
    """Tell whether the service refused a request because it was one too many."""
    return isinstance(error, Exception) and (_status(error) == 429 or "Throttl" in code_of(error))


def fewer(where: str) -> StoreUnavailable:
    """Return the error for one request too many."""
    return StoreUnavailable("AWS AppConfig wants fewer requests", where=where, fix=_TOO_MUCH)


def refusal_of(error: Exception, what: str, where: str) -> SnapshotRefused | None:
    """
    Return our error for a request whose content the service has checked and refused; None for any other error.

    It names the places in the content, never what stands there.

    Args:
        error: what the vendor's client raised.
        what: what was refused: a Snapshot, and its version.
        where: the profile.
    """
    found = _part(error, "Details").get("InvalidConfiguration")
    if code_of(error) != "BadRequestException" or not isinstance(found, list):
        return None
    details = "; ".join(_detail(each) for each in found[:_MOST_DETAILS] if isinstance(each, dict))
    sentence = f"AWS AppConfig does not accept {what}: {details or 'it does not say why'}"
    fix = "correct the document, or the validators of the profile, and move the channel"
    return SnapshotRefused(sentence, where=where, fix=fix)


def _detail(detail: dict[str, Any]) -> str:
    parts = [str(detail[name]) for name in ("Type", "Constraint", "Location") if detail.get(name)]
    return "".join(each for each in " ".join(parts)[:200] if each.isprintable())


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
