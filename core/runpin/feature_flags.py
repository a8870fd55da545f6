"""
Feature flags inside of documents, in the form that Microsoft has published for files (v2).

A document declares flags by its top-level `feature_management`, a mapping with `feature_flags`, a list. Whatever else
the document holds is none of our business. The form of a flag is that of
https://github.com/microsoft/FeatureManagement/tree/main/Schema; members that it does not name are let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MANAGEMENT, FLAGS = "feature_management", "feature_flags"

_PLACE = f"/{MANAGEMENT}/{FLAGS}"
_ID = re.compile(r"(?!\.{1,2}\Z)[^:%\x00-\x1f]+")
_PERCENT = "a number from 0 to 100"
# What has to be there ends with '!'. A tuple lists texts, a list holds items of one form, a mapping has members.
_FORM: Mapping[str, Any] = {
    "id!": _ID,
    "enabled": bool,
    "description": str,
    "display_name": str,
    "conditions": {
        "requirement_type": ("Any", "All"),
        "client_filters": [{"name!": str, "parameters": {}}],
    },
    "variants": [{"name!": str, "status_override": ("None", "Enabled", "Disabled")}],
    "allocation": {
        "default_when_enabled": str,
        "default_when_disabled": str,
        "user": [{"variant!": str, "users!": [str]}],
        "group": [{"variant!": str, "groups!": [str]}],
        "percentile": [{"variant!": str, "from!": _PERCENT, "to!": _PERCENT}],
        "seed": str,
    },
    "telemetry": {"enabled": bool, "metadata": {}},
}
_WORDS = {str: "a text", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a declaration, and where: a JSON pointer into the document. No value is repeated."""

    pointer: str
    message: str


def declares_flags(value: object) -> bool:
    """Tell whether a document with this value declares feature flags."""
    return isinstance(value, Mapping) and MANAGEMENT in value


def flags_of(value: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """
    Return the flags that a document declares, by id.

    Raises:
        ValueError: they are not in the published form; the message names the place and no value.
    """
    if not declares_flags(value):
        return {}
    for fault in faults_of(value):
        raise ValueError(f"{fault.pointer}: {fault.message}")
    return {flag["id"]: flag for flag in value[MANAGEMENT][FLAGS]}


def faults_of(value: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with the flags of a document that declares some."""
    management = value[MANAGEMENT]
    flags: Any = management.get(FLAGS) if isinstance(management, Mapping) else None
    if not _is_list(flags):
        yield Fault(f"/{MANAGEMENT}", f"this holds no list {FLAGS!r}, as feature flags do")
        return
    seen: set[str] = set()
    for number, flag in enumerate(flags):
        pointer = f"{_PLACE}/{number}"
        faults = [*_against(_FORM, flag, pointer)]
        yield from faults or _meant(flag, pointer, seen)


def _against(form: Any, value: Any, pointer: str) -> Iterator[Fault]:
    match form:
        case Mapping():
            yield from _members(form, value, pointer)
        case [of]:
            yield from _items(of, value, pointer)
        case tuple() if not (isinstance(value, str) and value in form):
            yield Fault(pointer, f"this is none of {', '.join(form)}")
        case re.Pattern() if not (isinstance(value, str) and form.fullmatch(value)):
            yield Fault(pointer, "this is no id: a text without ':', '%' and control characters, and not '.' or '..'")
        case type() if not isinstance(value, form):
            yield Fault(pointer, f"this is not {_WORDS[form]}")
        case str() if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
            yield Fault(pointer, f"this is not {form}")


def _members(form: Mapping[str, Any], value: Any, pointer: str) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        yield Fault(pointer, "this is not a mapping")
        return
    for name, of in form.items():
        key = name.rstrip("!")
        if key in value:
            yield from _against(of, value[key], f"{pointer}/{key}")
        elif key != name:
            yield Fault(pointer, f"this has no {key!r}")


def _items(form: Any, value: Any, pointer: str) -> Iterator[Fault]:
    if not _is_list(value):
        yield Fault(pointer, "this is not a list")
        return
    for number, item in enumerate(value):
        yield from _against(form, item, f"{pointer}/{number}")


def _meant(flag: Mapping[str, Any], pointer: str, seen: set[str]) -> Iterator[Fault]:
    """Yield what no form can say: ids are there once, and variants that are allotted exist."""
    if flag["id"] in seen:
        yield Fault(f"{pointer}/id", "another flag of the document has this id")
    seen.add(flag["id"])
    known = {variant["name"] for variant in flag.get("variants", ())}
    allocation = flag.get("allocation", {})
    for kind in ("user", "group", "percentile"):
        for number, each in enumerate(allocation.get(kind, ())):
            if each["variant"] not in known:
                yield Fault(f"{pointer}/allocation/{kind}/{number}/variant", "the flag has no such variant")
    for when in ("default_when_enabled", "default_when_disabled"):
        if allocation.get(when) and allocation[when] not in known:
            yield Fault(f"{pointer}/allocation/{when}", "the flag has no such variant")


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
