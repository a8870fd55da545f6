"""
What to say about each keyword of JSON Schema that a document breaks.

The library's own messages quote the value. These are built from the schema: what is expected, never what is there.
Names of keys are not values; an undeclared key is named, because nobody could find it otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpin.parsing.pointers import pointer_to
from runpin.validation.patterns import fault_of, matches

if TYPE_CHECKING:
    from jsonschema.exceptions import _Error

    from runpin.parsing.nearest import Guesses

NEVER = "false"
"""Stands for the keyword when a schema is just `false`."""

_LONGEST = 120
_MOST = 12


@dataclass(frozen=True, slots=True)
class Wording:
    """One sentence about an error, and about which key below its place, if about one."""

    message: str
    fix: str | None = None
    key: str | None = None


def worded(error: _Error, content: Any, guesses: Guesses) -> tuple[Wording, ...]:
    """Return what there is to say about *error* in the document *content*; mostly one thing."""
    keyword = error.validator if isinstance(error.validator, str) else ""
    sentence = _sentence(keyword, error.validator_value)
    about_value = _is_about_value(error, content)
    if not keyword or keyword == NEVER:
        # The library gives no place inside of what it refuses altogether, but for the keywords that we took over.
        return (Wording("is not allowed at all" if about_value else "holds what is not allowed at all", "remove it"),)
    if not about_value:
        mending = _fix(error, keyword) if keyword == "format" else None
        return (Wording(f"the name of a key here {sentence}", mending or "rename the key"),)
    if keyword in _MANY:
        return tuple(_MANY[keyword](error, guesses)) or (Wording(sentence),)
    if keyword in ("anyOf", "oneOf"):
        return (_alternatives(error, content, guesses),)
    return (Wording(sentence, _fix(error, keyword)),)


def _is_about_value(error: _Error, content: Any) -> bool:
    """Tell a value's error from one about the name of a key, which `propertyNames` gives the mapping's path."""
    for part in error.absolute_path:
        content = content[part]
    return content is error.instance


def _sentence(keyword: str, expected: Any) -> str:
    if keyword == "enum":
        return f"must be one of {_listed(expected)}"
    if keyword == "type":
        return f"must be of type {' or '.join(_texts(expected))}"
    template = _SENTENCES.get(keyword, f"must satisfy `{keyword}`")
    return template.format(shown=_shown(expected)) if "{shown}" in template else template


def _shown(value: Any) -> str:
    """Return a value of the schema for print, cut where it gets long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _listed(values: Any) -> str:
    items = _members(values)
    listed = [_shown(item) for item in items[:_MOST]]
    return ", ".join(listed) + (f" and {len(items) - _MOST} more" if len(items) > _MOST else "")


_SENTENCES = {
    "minimum": "must be at least {shown}",
    "maximum": "must be at most {shown}",
    "exclusiveMinimum": "must be more than {shown}",
    "exclusiveMaximum": "must be less than {shown}",
    "multipleOf": "must be a multiple of {shown}",
    "minLength": "must have at least {shown} characters",
    "maxLength": "must have at most {shown} characters",
    "pattern": "must match the pattern {shown}",
    "format": "must be of the format {shown}",
    "const": "must be {shown}",
    "minItems": "must hold at least {shown} items",
    "maxItems": "must hold at most {shown} items",
    "uniqueItems": "must not hold an item twice",
    "contains": "must hold an item that fits `contains`",
    "minContains": "must hold at least {shown} items that fit `contains`",
    "maxContains": "must hold at most {shown} items that fit `contains`",
    "items": "holds more items than the schema allows",
    "additionalItems": "holds more items than the schema allows",
    "unevaluatedItems": "holds items that the schema does not describe",
    "unevaluatedProperties": "holds keys that the schema does not describe",
    "minProperties": "must hold at least {shown} keys",
    "maxProperties": "must hold at most {shown} keys",
    "not": "must not fit the schema below `not`",
}


def _fix(error: _Error, keyword: str) -> str | None:
    """Say what to do where the kind of value, which is no secret, tells it."""
    expected, found = set(_texts(error.validator_value)), error.instance
    if keyword == "format" and "regex" in expected and isinstance(found, str):
        return fault_of(found)
    if keyword != "type" or "string" in expected:
        return "put it in quotes" if keyword == "type" and isinstance(found, (int, float)) else None
    if isinstance(found, str) and "boolean" in expected:
        return "write true or false, without quotes"
    return "remove the quotes" if isinstance(found, str) and expected & {"integer", "number", "null"} else None


def _required(error: _Error, _: Guesses) -> Iterable[Wording]:
    # The library reports each missing key by itself, but names it in prose only.
    for name in _texts(error.validator_value):
        if name not in _keys(error):
            yield Wording(f"the key {_shown(name)} is missing", f"add {_shown(name)}")


def _dependent(error: _Error, _: Guesses) -> Iterable[Wording]:
    present, rules = _keys(error), error.validator_value
    for name, needed in rules.items() if isinstance(rules, dict) else ():
        if name in present and isinstance(needed, list):
            for other in _texts(needed):
                if other not in present:
                    yield Wording(f"the key {_shown(other)} is missing, which {_shown(name)} needs")


def _additional(error: _Error, guesses: Guesses) -> Iterable[Wording]:
    schema = error.schema if isinstance(error.schema, dict) else {}
    declared, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key in _keys(error):
        if key not in declared and not any(matches(pattern, key) for pattern in patterns):
            match = guesses.nearest(key, declared)
            yield Wording("the key is not declared", f"did you mean {match!r}?" if match else "remove it", key)


def _keys(error: _Error) -> Collection[str]:
    return error.instance.keys() if isinstance(error.instance, dict) else ()


def _members(values: Any) -> Sequence[Any]:
    return values if isinstance(values, list) else [values]


def _texts(values: Any) -> Sequence[str]:
    return [value for value in _members(values) if isinstance(value, str)]


_MANY: dict[str, Callable[[_Error, Guesses], Iterable[Wording]]] = {
    "required": _required,
    "dependentRequired": _dependent,
    "dependencies": _dependent,
    "additionalProperties": _additional,
}


TELLS_ALL = frozenset(("required", "dependentRequired", "dependencies"))
"""Keywords of which one error says all there is to say about one mapping."""


def _alternatives(error: _Error, content: Any, guesses: Guesses) -> Wording:
    count = len(_members(error.validator_value))
    if not error.context:
        return Wording(f"must fit exactly one of the {count} alternatives, and fits more")
    closest = max(error.context, key=_nearness)
    below = list(closest.absolute_path)[len(error.absolute_path) :]
    place = f" at {pointer_to(below)}" if below else ""
    first = worded(closest, content, guesses)[0]
    return Wording(f"must fit one of {count} alternatives; the closest one says{place}: {first.message}", first.fix)


def _nearness(error: _Error) -> tuple[int, bool, str, str]:
    """Rank a branch: the one that got deepest was meant, one of the wrong type altogether was not; ties by place."""
    path, rule = error.absolute_path, error.absolute_schema_path
    return len(path), error.validator not in ("type", "const", "enum"), pointer_to(path), pointer_to(rule)
