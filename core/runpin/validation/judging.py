"""
The one place that runs the JSON Schema library.

It takes bytes and gives plain values, so that it can move to a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runpin.canonical import thaw
from runpin.parsing.nearest import Guesses
from runpin.validation.formats import CHECKS, conforms
from runpin.validation.keywords import KEYWORDS
from runpin.validation.patterns import BadPattern
from runpin.validation.wording import TELLS_ALL, worded

if TYPE_CHECKING:
    from jsonschema import FormatChecker
    from jsonschema.exceptions import _Error
    from jsonschema.protocols import Validator

_DRAFTS = {
    "https://json-schema.org/draft/2020-12/schema": "Draft202012Validator",
    "https://json-schema.org/draft/2019-09/schema": "Draft201909Validator",
    "http://json-schema.org/draft-07/schema": "Draft7Validator",
}
_COMPARE = "compare the keyword with the specification of the schema's draft"
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_DEFAULT_DRAFT = next(iter(_DRAFTS))


@dataclass(frozen=True, slots=True)
class Violation:
    """
    One place where a document and its schema disagree, or, with `in_schema`, where the schema itself is wrong.

    `path` leads there from the root of the document, or of the schema. `rule` is the keyword's place in the schema.
    """

    path: tuple[str | int, ...]
    rule: str
    message: str
    fix: str | None = None
    in_schema: bool = False


def judge(schema: bytes, document: bytes) -> tuple[Violation, ...]:
    """Return where *document* does not fit *schema*, both canonical JSON; or what is wrong with the schema."""
    from referencing.exceptions import Unresolvable

    faults = _faults(schema)
    if faults:
        return faults
    content, value = thaw(schema), thaw(document)
    try:
        return tuple(_violations(_validator(content).iter_errors(value), value))
    except Unresolvable as error:
        return (_dangling(content, error.ref),)
    except RecursionError:
        return (
            _fault(
                (),
                "$ref",
                "the schema refers to itself without end, or too deep",
                "let each $ref lead one level deeper",
            ),
        )
    except BadPattern as error:
        return (_fault(_place_of(content, error.pattern), "pattern", "RE2 does not take the pattern", error.fix),)
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError):
        # People write schemas, and the library stumbles over some that its own check lets pass.
        return (_fault((), "$schema", "the schema cannot be applied", "simplify it, or try it with another validator"),)


@lru_cache(maxsize=128)
def _faults(schema: bytes) -> tuple[Violation, ...]:
    """Return what is wrong with the schema itself; remembered, because tenants and environments share schemas."""
    content = thaw(schema)
    if _draft(content) is None:
        known = ", ".join(_DRAFTS)
        return (_fault(("$schema",), "$schema", "the schema is of a draft that is not known here", f"use {known}"),)
    try:
        errors = _meta_errors(content)
    except RecursionError:
        return (_fault((), "$schema", "the schema is nested too deep", "move parts of it to $defs"),)
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError):
        return (_fault((), "$schema", "the schema is none", "compare it with the specification of its draft"),)
    return tuple(
        _fault(found.path, found.rule.rpartition("/")[2], found.message, found.fix or _COMPARE)
        for found in _violations(errors, content)
    )


def _draft(schema: Mapping[str, Any]) -> str | None:
    named = schema.get("$schema", _DEFAULT_DRAFT)
    return _DRAFTS.get(named.rstrip("#")) if isinstance(named, str) else None


def _validator(schema: Mapping[str, Any]) -> Validator:
    import jsonschema_specifications  # type: ignore[import-untyped] # it ships no types

    # This registry knows the drafts and fetches nothing; without it the library would open URLs and files.
    registry = jsonschema_specifications.REGISTRY
    made: Validator = _draft_class(str(_draft(schema)))(schema, registry=registry, format_checker=_checker())
    return made


@lru_cache(maxsize=len(_DRAFTS))
def _draft_class(name: str) -> Any:
    import jsonschema

    extend: Any = jsonschema.validators.extend
    base = getattr(jsonschema, name)
    made = extend(base, {keyword: check for keyword, check in KEYWORDS.items() if keyword in base.VALIDATORS})
    made.evolve = _evolve
    return made


def _evolve(self: Any, **changes: Any) -> Any:
    """Return the validator of another part of a schema; the library's own would forget our keywords at `$schema`."""
    schema = changes.setdefault("schema", self.schema)
    draft = _draft(schema) if isinstance(schema, dict) and "$schema" in schema else None
    for each in self.__attrs_attrs__:
        if each.init:
            changes.setdefault(each.alias, getattr(self, each.name))
    return (type(self) if draft is None else _draft_class(draft))(**changes)


def _meta_errors(schema: Mapping[str, Any]) -> list[_Error]:
    import jsonschema

    meta = getattr(jsonschema, str(_draft(schema))).META_SCHEMA
    return list(_validator(meta).iter_errors(schema))


@lru_cache(maxsize=1)
def _checker() -> FormatChecker:
    from jsonschema import FormatChecker

    checker = FormatChecker(())
    for name in CHECKS:
        checker.checks(name)(_check_of(name))
    return checker


def _check_of(name: str) -> Any:
    return lambda value: conforms(value, name)


def _violations(errors: Iterable[_Error], content: Any) -> Iterator[Violation]:
    told, guesses = set(), Guesses()
    for error in errors:
        path = tuple(error.absolute_path)
        rule = "/".join(str(part) for part in error.absolute_schema_path) or "false"
        # The library gives one error for each missing key, and the first one already tells about all of them.
        if (path, rule) in told:
            continue
        if error.validator in TELLS_ALL:
            told.add((path, rule))
        for wording in worded(error, content, guesses):
            below = () if wording.key is None else (wording.key,)
            yield Violation((*path, *below), rule, wording.message, wording.fix)


def _fault(path: Iterable[str | int], rule: str, message: str, fix: str | None) -> Violation:
    return Violation(tuple(path), rule, message, fix, in_schema=True)


def _dangling(schema: Any, ref: str) -> Violation:
    """Say which `$ref` leads nowhere, without its text, which may be an address with a password."""
    places = (
        path
        for path, target in _members(schema, ())
        if path[-1] in _REFERENCES and isinstance(target, str) and (ref.endswith(target) or target.endswith(ref))
    )
    return _fault(
        next(places, ()),
        "$ref",
        "the schema refers to something outside of its file, or to nothing",
        "put it under $defs and refer to #/$defs/<name>; nothing is fetched",
    )


def _place_of(schema: Any, pattern: str) -> tuple[str | int, ...]:
    places = (path for path, found in _members(schema, ()) if pattern in (path[-1], found))
    return next(places, ())


def _members(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*path, key), member
        yield from _members(member, (*path, key))
