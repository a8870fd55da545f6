"""
Keywords of JSON Schema that the library does otherwise than we need.

It matches patterns with Python's `re`, which can take for ever, compares items of a list one by one, and divides in
floating point.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from runpin.validation.patterns import matches
from runpin.validation.wording import NEVER

if TYPE_CHECKING:
    from jsonschema.exceptions import _Error
    from jsonschema.protocols import Validator


def _pattern(_: Validator, pattern: str, instance: Any, __: Any) -> Iterator[_Error]:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield _broken()


def _unique_items(_: Validator, wanted: Any, instance: Any, __: Any) -> Iterator[_Error]:
    # Documents are canonical, so that equal values are written alike: 1.0 is 1, and true is neither.
    items = instance if wanted is True and isinstance(instance, list) else ()
    if len({json.dumps(item, sort_keys=True) for item in items}) < len(items):
        yield _broken()


def _multiple_of(_: Validator, step: Any, instance: Any, __: Any) -> Iterator[_Error]:
    # As written, in tenths and hundredths: 0.3 is three times 0.1, though not in floating point.
    number = isinstance(instance, (int, float)) and not isinstance(instance, bool)
    if number and Fraction(repr(instance)) % Fraction(repr(step)):
        yield _broken()


def _properties(validator: Validator, members: Any, instance: Any, _: Any) -> Iterator[_Error]:
    """Check `properties` as the library does, but say which key it is that a `false` forbids."""
    for name, schema in members.items() if isinstance(instance, dict) else ():
        if name in instance:
            yield from _member(validator, instance[name], schema, name, name)


def _pattern_properties(validator: Validator, members: Any, instance: Any, _: Any) -> Iterator[_Error]:
    for pattern, schema in members.items() if isinstance(instance, dict) else ():
        for name, value in instance.items():
            if matches(pattern, name):
                yield from _member(validator, value, schema, name, pattern)


def _additional_properties(validator: Any, schema: Any, instance: Any, beside: Any) -> Iterator[_Error]:
    names = undeclared(instance, beside)
    if schema is False:
        yield from (_broken(),) if names else ()
        return
    for name in names:
        yield from validator.descend(instance[name], schema, path=name)


def _unevaluated_properties(validator: Any, schema: Any, instance: Any, beside: Any) -> Iterator[_Error]:
    if not isinstance(instance, dict):
        return
    seen = _evaluated(validator, {key: value for key, value in beside.items() if key != _OWN}, instance)
    if any(not _fits(validator, value, schema) for name, value in instance.items() if name not in seen):
        yield _broken()


KEYWORDS = {
    "additionalProperties": _additional_properties,
    "multipleOf": _multiple_of,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "properties": _properties,
    "unevaluatedProperties": _unevaluated_properties,
    "uniqueItems": _unique_items,
}
"""Ours, by name."""

_OWN = "unevaluatedProperties"


def undeclared(instance: Any, schema: Mapping[str, Any]) -> list[str]:
    """Return the keys of *instance* that neither `properties` nor `patternProperties` of *schema* speaks of."""
    if not isinstance(instance, dict):
        return []
    declared, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    return [name for name in instance if name not in declared and not any(matches(each, name) for each in patterns)]


def _member(validator: Any, value: Any, schema: Any, name: str, rule: str) -> Iterator[_Error]:
    if schema is False:
        yield _broken(validator=NEVER, path=[name], schema_path=[rule], instance=value)
    else:
        yield from validator.descend(value, schema, path=name, schema_path=rule)


def _broken(**details: Any) -> _Error:
    from jsonschema import ValidationError

    return ValidationError("", **details)


def _evaluated(validator: Any, schema: Any, instance: Mapping[str, Any]) -> set[str]:
    """Return the keys of *instance* that *schema* looks at, where it applies."""
    if not isinstance(schema, dict):
        return set()
    patterns = schema.get("patternProperties", {})
    if "additionalProperties" in schema or _OWN in schema:
        # Whatever is left over is their business; if it does not fit, that is an error of its own.
        return set(instance)
    seen = {name for name in instance if name in schema.get("properties", {})}
    seen |= {name for name in instance if any(matches(pattern, name) for pattern in patterns)}
    for inner, beside in _applied(validator, schema, instance):
        seen |= _evaluated(beside, inner, instance)
    return seen


def _applied(validator: Any, schema: Mapping[str, Any], instance: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the schemas inside of *schema* that hold for the same *instance*, each with who judges by it."""
    for found in _referred(validator, schema):
        yield found.contents, validator.evolve(schema=found.contents, _resolver=found.resolver)
    for inner in _chosen(validator, schema, instance):
        yield inner, validator


def _chosen(validator: Any, schema: Mapping[str, Any], instance: Mapping[str, Any]) -> Iterator[Any]:
    if "if" in schema:
        holds = _fits(validator, instance, schema["if"])
        if holds:
            yield schema["if"]
        yield schema.get("then" if holds else "else", True)
    for name, inner in schema.get("dependentSchemas", {}).items():
        if name in instance:
            yield inner
    for keyword in ("allOf", "anyOf", "oneOf"):
        yield from (inner for inner in schema.get(keyword, ()) if _fits(validator, instance, inner))


def _referred(validator: Any, schema: Mapping[str, Any]) -> Iterable[Any]:
    from referencing.jsonschema import lookup_recursive_ref

    resolver = validator._resolver  # noqa: SLF001 - the library has no other way to follow a reference
    for keyword in ("$ref", "$dynamicRef"):
        if keyword in schema:
            yield resolver.lookup(schema[keyword])
    if "$recursiveRef" in schema:
        yield lookup_recursive_ref(resolver)


def _fits(validator: Any, instance: Any, schema: Any) -> bool:
    return next(iter(validator.descend(instance, schema)), None) is None
