"""
From a document to a Protobuf message, strictly, as Protobuf's JSON mapping says.

The library stops at the first error, quotes the value, and is lenient where other languages' are not: it takes a field
under both of its names at once, texts such as " 1_0" for numbers, and any text for bytes. So the document is walked
here along the message's descriptor, and the library is asked about one value at a time.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from runpin.modelling.problems import Problem, listed
from runpin.parsing.nearest import Guesses

Path = tuple[str | int, ...]

_INTEGER = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?|NaN|-?Infinity", re.ASCII)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}(?:==)?|[A-Za-z0-9+/_-]{3}=?)?", re.ASCII)
_STEP = re.compile(r"(\w+)(?:\[([^\]]*)\])?(?:\.|$)")
_TEXTS = {"integer": _INTEGER, "number": _NUMBER, "bytes": _BASE64}

_KINDS = ("", "number", "number", *["integer"] * 5, "bool", "string", "", "", "bytes", "integer", "enum")
"""What a field holds, by the number of its type in descriptor.proto, as far as it is no message; the rest follow."""

_NAMES = (
    *("", "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "group", "message"),
    *("bytes", "uint32", "enum", "sfixed32", "sfixed64", "sint32", "sint64"),
)
_WORDS = {
    "integer": "must be an integer that {name} holds",
    "number": "must be a number that {name} holds",
    "bool": "must be true or false",
    "string": "must be a text",
    "bytes": "must be bytes in base64",
    "google.protobuf.Timestamp": 'must be a time such as "2026-01-31T09:30:00Z"',
    "google.protobuf.Duration": 'must be a duration such as "3.5s"',
    "google.protobuf.FieldMask": 'must be names of fields such as "user.displayName,photo"',
    "google.protobuf.Any": 'must be a mapping whose "@type" names a message',
    "google.protobuf.Struct": "must be a mapping",
    "google.protobuf.ListValue": "must be a list",
}
_OWN_FORM = frozenset(
    {"Any", "BoolValue", "BytesValue", "DoubleValue", "Duration", "FieldMask", "FloatValue", "Int32Value"}
    | {"Int64Value", "ListValue", "StringValue", "Struct", "Timestamp", "UInt32Value", "UInt64Value", "Value"}
)
"""Messages of the package google.protobuf that are not written as a mapping of their fields, or not only."""


def message_of(value: Any, model: type[Any], pool: Any) -> tuple[Any, tuple[Problem, ...]]:
    """
    Return *value* as a message of the class *model*, or why it is none.

    Args:
        value: plain dicts and lists.
        model: a class of google.protobuf, generated or made of a descriptor.
        pool: the pool of its descriptor, where messages inside of an Any are looked for.
    """
    from google.protobuf.json_format import ParseDict, ParseError  # type: ignore[import-untyped] # it ships no types

    message, fits = model(), True
    try:
        ParseDict(value, message, descriptor_pool=pool)
    except (ParseError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        # The library is known to stumble over values of the wrong type.
        fits = False
    by_fields = not _is_own_form(model.DESCRIPTOR)
    problems = tuple(_Walk(pool, ask=not fits).message(value, model.DESCRIPTOR, ())) if by_fields else ()
    if not fits and not problems:
        problems = (Problem((), "json", "the document does not fit the message"),)
    return (None, problems) if problems else (message, tuple(_uninitialised(value, message)))


@dataclasses.dataclass(frozen=True, slots=True)
class _Walk:
    """Finds what is wrong in a document; the library is asked only if it has refused the whole."""

    pool: Any
    ask: bool
    _names: dict[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    _guesses: Guesses = dataclasses.field(default_factory=Guesses)

    def message(self, value: Any, descriptor: Any, path: Path) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem(path, "message", "must be a mapping")
            return
        seen: dict[str, str] = {}
        fields = self._fields(descriptor)
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                yield from self._undeclared(descriptor, key, item, path)
                continue
            yield from _twice(field, key, seen, item, path)
            if item is not None or (_own_form(field) and not is_repeated(field)):
                yield from self._field(item, field, key, (*path, key))

    def _fields(self, descriptor: Any) -> Mapping[str, Any]:
        """Return the fields of a message by their own names and, which count more, by their JSON names."""
        names = self._names.get(descriptor.full_name)
        if names is None:
            by_json = {field.json_name: field for field in descriptor.fields}
            names = self._names[descriptor.full_name] = {**descriptor.fields_by_name, **by_json}
        return names

    def _undeclared(self, descriptor: Any, key: str, item: Any, path: Path) -> Iterator[Problem]:
        if key.startswith("[") and self._takes(descriptor, {key: item}):
            return
        match = self._guesses.nearest(
            key, [name for field in descriptor.fields for name in (field.name, field.json_name)]
        )
        fix = f"did you mean {match!r}?" if match else "remove it"
        yield Problem((*path, key), "unknown-field", "the key is not declared", fix)

    def _field(self, item: Any, field: Any, key: str, path: Path) -> Iterator[Problem]:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from self._map(item, field, key, path)
        elif is_repeated(field):
            if not isinstance(item, list):
                yield Problem(path, "repeated", "must be a list")
                return
            for index, each in enumerate(item):
                yield from self._value(each, field, {key: [each]}, (*path, index))
        else:
            yield from self._value(item, field, {key: item}, path)

    def _map(self, item: Any, field: Any, key: str, path: Path) -> Iterator[Problem]:
        if not isinstance(item, dict):
            yield Problem(path, "map", "must be a mapping")
            return
        of_keys, of_values = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for name, each in item.items():
            if not _is_key(name, of_keys):
                word = _words(of_keys).removeprefix("must be ")
                yield Problem((*path, name), "map", f"the name of the key must be {word}", "rename the key")
            else:
                yield from self._value(each, of_values, {key: {name: each}}, (*path, name), field.containing_type)

    def _value(self, item: Any, field: Any, alone: dict[str, Any], path: Path, holder: Any = None) -> Iterator[Problem]:
        if field.message_type is not None and not _own_form(field):
            yield from self.message(item, field.message_type, path)
        elif not _strict(item, field) or (self.ask and not self._takes(holder or field.containing_type, alone)):
            yield Problem(path, _rule(field), _words(field), _fix(item, field))

    def _takes(self, descriptor: Any, alone: dict[str, Any]) -> bool:
        from google.protobuf.json_format import ParseDict, ParseError
        from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped] # it ships no types

        try:
            ParseDict(alone, GetMessageClass(descriptor)(), descriptor_pool=self.pool)
        except (ParseError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
            return False
        return True


def is_repeated(field: Any) -> bool:
    """Tell whether *field* is a list or a map."""
    known = getattr(field, "is_repeated", None)
    # Older releases of the library have the label only, which newer ones warn about.
    return bool(field.label == field.LABEL_REPEATED if known is None else known)


def key_of(value: Any, field: Any) -> str | None:
    """Return the key by which the mapping *value* sets *field*, None if it does not."""
    names = (field.json_name, field.name) if isinstance(value, dict) else ()
    return next((name for name in names if name in value), None)


def name_for(value: Any, field: Any) -> str:
    """Return the name by which *field* would best be added to the mapping *value*."""
    fields = field.containing_type.fields_by_name if isinstance(value, dict) else {}
    by_own = any(key in fields and fields[key].json_name != key for key in value or ())
    return str(field.name if by_own else field.json_name)


def _twice(field: Any, key: str, seen: dict[str, str], item: Any, path: Path) -> Iterator[Problem]:
    other = seen.setdefault(field.name, key)
    if other != key:
        what = f"the key sets the same field as {listed([other])}"
        yield Problem((*path, key), "duplicate-field", what, "keep one of them")
    choice = field.containing_oneof
    if choice is None or item is None or len(choice.fields) == 1:
        return
    other = seen.setdefault(f"oneof {choice.name}", key)
    if other != key:
        names = listed(each.json_name for each in choice.fields)
        yield Problem((*path, key), "oneof", f"only one of {names} may be set", "keep one of them")


def _own_form(field: Any) -> bool:
    return field.message_type is not None and _is_own_form(field.message_type)


def _is_own_form(descriptor: Any) -> bool:
    return descriptor.file.package == "google.protobuf" and descriptor.name in _OWN_FORM


def _kind(field: Any) -> str:
    return _KINDS[field.type] if field.type < len(_KINDS) else "integer"


def _is_key(name: str, field: Any) -> bool:
    kind = _kind(field)
    if kind == "bool":
        return name in ("true", "false")
    if kind != "integer":
        return True
    bits = 64 if "64" in _NAMES[field.type] else 32
    least, most = (0, 2**bits) if _NAMES[field.type][0] in "uf" else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return bool(_INTEGER.fullmatch(name)) and len(name) <= 20 and least <= int(name) < most


def _strict(item: Any, field: Any) -> bool:
    """Tell whether a text is of the form that every language's library takes."""
    if not isinstance(item, str) or field.message_type is not None:
        return True
    if _kind(field) == "enum":
        return item in field.enum_type.values_by_name
    form = _TEXTS.get(_kind(field))
    return form is None or form.fullmatch(item) is not None


def _rule(field: Any) -> str:
    return str(field.message_type.full_name if field.message_type is not None else _NAMES[field.type])


def _words(field: Any) -> str:
    if field.enum_type is not None:
        return f"must be one of {listed(field.enum_type.values_by_name)}"
    if field.message_type is not None:
        wrapped = field.message_type.fields_by_name.get("value")
        own = _WORDS.get(field.message_type.full_name)
        return own or (f"{_words(wrapped)}, or null" if wrapped is not None else "must be a JSON value")
    return _WORDS[_kind(field)].format(name=_NAMES[field.type])


def _fix(item: Any, field: Any) -> str | None:
    if field.message_type is not None:
        return None
    kind = _kind(field)
    if kind == "bool" and isinstance(item, str):
        return "write true or false, without quotes"
    return "put it in quotes" if kind == "string" and isinstance(item, (int, float)) else None


def _uninitialised(value: Any, message: Any) -> Iterator[Problem]:
    """Yield the fields that are required, as the first editions of Protobuf know it, and not set."""
    for text in message.FindInitializationErrors():
        steps = [(name, subscript or None) for name, subscript in _STEP.findall(text)]
        yield from _missing(value, message.DESCRIPTOR, steps)


def _missing(value: Any, descriptor: Any, steps: list[tuple[str, str | None]]) -> Iterator[Problem]:
    path: list[str | int] = []
    for name, subscript in steps:
        field = None if descriptor is None else descriptor.fields_by_name.get(name)
        if field is None:
            break
        key = key_of(value, field)
        if key is None:
            shown = name_for(value, field)
            yield Problem(tuple(path), "required", f'the key "{shown}" is missing', f'add "{shown}"')
            return
        path.append(key)
        value, descriptor = value[key], field.message_type
        if subscript is not None:
            if isinstance(value, dict):
                path.append(subscript.strip('"'))
                value, descriptor = value.get(path[-1]), descriptor.fields_by_name["value"].message_type
            else:
                path.append(int(subscript))
                value = value[int(subscript)]
    yield Problem(tuple(path), "required", "a required field below is missing")
