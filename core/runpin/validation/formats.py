"""
The formats that `format` asserts: these, everywhere, whatever else is installed.

The library would check more on a host where certain packages happen to be, and one commit would then pass on one host
and fail on another. A format that is not listed here is a note for the reader and asserts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, time
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from runpin.validation.patterns import fault_of

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"(\d{2}:\d{2}:\d{2})(?:\.\d+)?(?:[Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII)
# RFC 3339 leaves no unit out between two others.
_DAYS = r"(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)"
_HOURS = r"T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S)"
_DURATION = re.compile(rf"P(?:\d+W|{_DAYS}(?:{_HOURS})?|{_HOURS})", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[\w.~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def _date(text: str) -> bool:
    return bool(_DATE.fullmatch(text) and date.fromisoformat(text))


def _time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    # Midnight is a time too, so its truth is not asked.
    return found is not None and time.fromisoformat(found[1]) is not None


def _date_time(text: str) -> bool:
    return text[10:11] in ("T", "t") and _date(text[:10]) and _time(text[11:])


def _regex(text: str) -> bool:
    # What a schema's own patterns may say; one word has one meaning in the whole repository.
    return fault_of(text) is None


def _hostname(text: str) -> bool:
    return 0 < len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split("."))


def _ipv6(text: str) -> bool:
    # A zone is about one host's interfaces, and no part of an address.
    return "%" not in text and IPv6Address(text) is not None


CHECKS: dict[str, Callable[[str], object]] = {
    "date": _date,
    "date-time": _date_time,
    "duration": _DURATION.fullmatch,
    "email": _EMAIL.fullmatch,
    "hostname": _hostname,
    "ipv4": IPv4Address,
    "ipv6": _ipv6,
    "regex": _regex,
    "time": _time,
    "uri": _URI.fullmatch,
    "uuid": lambda text: _UUID.fullmatch(text) and UUID(text),
}
"""A text is of the format if the check gives something true; an error says no as well."""


def conforms(text: object, name: str) -> bool:
    """Tell whether *text* is of the format *name*; what is no text, and what is no format, always is."""
    check = CHECKS.get(name)
    if check is None or not isinstance(text, str):
        return True
    try:
        return bool(check(text))
    except ValueError:
        return False
