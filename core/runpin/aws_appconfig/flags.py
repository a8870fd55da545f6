"""
Feature flags of AWS AppConfig's own, made of one document.

    dark_mode: {enabled: true, theme: midnight}

A flag has a name, is enabled or not, and may have attributes. What readers of AppConfig get is the document again,
without the attributes of what is not enabled. A document in Microsoft's form (`feature_management`) is taken as well,
if its flags have neither filters nor variants: AppConfig has no words for these. Its own form and limits:
https://docs.aws.amazon.com/appconfig/latest/userguide/appconfig-type-reference-feature-flags.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from runpin.aws_appconfig.content import Whole, packed
from runpin.canonical import canonical, thaw
from runpin.errors import SnapshotRefused, StoreCorrupt
from runpin.feature_flags import declares_flags, flags_of

_NAME = re.compile(r"[a-z][a-zA-Z0-9_-]{0,63}", re.ASCII)
_LONGEST = 1024
_MOST = 25
_WORDLESS = ("variants", "allocation")
_FIX = "correct the document; docs/how-to/aws-appconfig.md says what a flag may hold"


def content_of(whole: Whole, flags: str | None, where: str) -> bytes:
    """
    Return what is mirrored: all of *whole*, or its document *flags* as feature flags.

    Raises:
        SnapshotRefused: there is no such document, or AppConfig would not take it for flags.
    """
    if flags is None:
        return packed(whole)
    return canonical(_defined(_checked(whole, flags, where)))


def served_of(whole: Whole, flags: str, where: str) -> dict[str, Any]:
    """
    Return what readers of AppConfig get for the document *flags*.

    Raises:
        SnapshotRefused: there is no such document, or AppConfig would not take it for flags.
    """
    shown = _checked(whole, flags, where).items()
    return {name: flag if flag["enabled"] else {"enabled": False} for name, flag in shown}


def require_served(body: bytes, whole: Whole, flags: str, where: str) -> None:
    """
    Require *body* to be what readers should get for the document *flags*.

    Raises:
        StoreCorrupt: it is something else.
        SnapshotRefused: the document is none of flags.
    """
    try:
        shown = canonical(thaw(body))
    except (ValueError, TypeError, RecursionError):
        shown = b""
    if shown != canonical(served_of(whole, flags, where)):
        what = f"the flags that AWS AppConfig serves are not those of {whole.snapshot.id}"
        raise StoreCorrupt(what, where=where, fix="look who else deploys to this profile, and move the channel again")


def _defined(document: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    flags = {name: {"name": name, "attributes": _attributes(flag)} for name, flag in document.items()}
    return {"version": "1", "flags": flags, "values": document}


def _attributes(flag: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"constraints": _constraints(value)} for name, value in flag.items() if name != "enabled"}


def _constraints(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"type": "array", "elements": {"type": _kind(value[0])}}
    return {"type": _kind(value)}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"


def _checked(whole: Whole, flags: str, where: str) -> dict[str, dict[str, Any]]:
    body = whole.bodies.get(flags)
    if body is None:
        fix = "publish one that has it, or correct flags= in the URL"
        raise SnapshotRefused(f"{whole.snapshot.id} has no document {flags!r}", where=where, fix=fix)
    document, problem = _read(thaw(body))
    if problem is not None:
        what = f"the document {flags!r} of {whole.snapshot.id} cannot be feature flags: {problem}"
        raise SnapshotRefused(what, where=where, fix=_FIX)
    return document


def _read(document: Any) -> tuple[dict[str, dict[str, Any]], str | None]:
    """Return the flags of a document by name, and what is wrong with them."""
    try:
        if declares_flags(document):
            document = {name: _plain(name, flag) for name, flag in flags_of(document).items()}
    except ValueError as error:
        return {}, str(error)
    return document, _problem(document)


def _plain(name: str, flag: Mapping[str, Any]) -> dict[str, Any]:
    if any(flag.get(each) for each in _WORDLESS) or flag.get("conditions", {}).get("client_filters"):
        raise ValueError(f"{name[:80]!r} has filters or variants, which AppConfig has no words for")
    return {"enabled": flag.get("enabled", False)}


def _problem(document: Any) -> str | None:
    if not isinstance(document, dict):
        return "it is no mapping"
    found = (_wrong_flag(name, flag) for name, flag in document.items())
    return next((each for each in found if each is not None), None)


def _wrong_flag(name: str, flag: Any) -> str | None:
    if not _NAME.fullmatch(name):
        return f"{name[:80]!r} is no name of a flag"
    if not isinstance(flag, dict) or not isinstance(flag.get("enabled"), bool):
        return f"{name!r} does not say whether it is enabled"
    if len(flag) - 1 > _MOST:
        return f"{name!r} has more than {_MOST} attributes"
    for attribute, value in flag.items():
        if not _NAME.fullmatch(attribute):
            return f"{attribute[:80]!r} of {name!r} is no name of an attribute"
        if not _fits(value):
            return f"{attribute!r} of {name!r} is no short text, number, truth value or list of texts or of numbers"
    return None


def _fits(value: Any) -> bool:
    if isinstance(value, list):
        # An empty list would fit both kinds, and the service wants exactly one.
        kinds = {_kind(each) for each in value}
        return kinds in ({"string"}, {"number"}) and all(_fits_alone(each) for each in value)
    return _fits_alone(value)


def _fits_alone(value: Any) -> bool:
    return len(value) <= _LONGEST if isinstance(value, str) else isinstance(value, (bool, int, float))
