"""
From a document to a pydantic model, frozen.

Publishing checks documents with the same code that runs read them with, so both always agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from runpin.modelling.plain import plain
from runpin.modelling.problems import Problem
from runpin.modelling.sentences import sentence_for
from runpin.parsing.nearest import nearest

if TYPE_CHECKING:
    from pydantic import BaseModel

_ON_KEY = "[key]"
_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,60}")
_FIXES: dict[str, tuple[type, str]] = {
    "bool_parsing": (str, "write true or false, without quotes"),
    "bool_type": (str, "write true or false, without quotes"),
    "float_type": (str, "remove the quotes"),
    "int_type": (str, "remove the quotes"),
    "string_type": (float, "put it in quotes"),
}


def instance_of(value: Mapping[str, Any], model: type[BaseModel]) -> tuple[BaseModel | None, tuple[Problem, ...]]:
    """Return *value* as a frozen instance of *model*, or why it is none."""
    from pydantic import ValidationError

    lines: list[Any] = []
    # Frozen first, so that what the model leaves as it is stays read-only; strict models want dicts and lists.
    for form in (value, plain(value)):
        try:
            return _frozen(model).model_validate(form), ()
        except ValidationError as error:
            # The error and its context hold the values; they must not travel with ours.
            lines = error.errors(include_url=False, include_input=False)
    return None, tuple(_problem(value, line, model) for line in lines)


def _problem(value: Any, line: Mapping[str, Any], model: type[BaseModel]) -> Problem:
    kind, loc = str(line["type"]), line["loc"]
    # A model may make up kinds of its own.
    kind = kind if _KIND.fullmatch(kind) else "custom"
    path = tuple(_path(value, loc))
    sentence = sentence_for(kind, line.get("ctx", {}))
    if kind in ("missing", "union_tag_not_found") and loc:
        return Problem(path, kind, *_about_missing(kind, loc, sentence))
    if _ON_KEY in loc:
        return Problem(path, kind, f"the name of the key {sentence}", "rename the key")
    return Problem(path, kind, sentence, _extra(loc, model) if kind == "extra_forbidden" else _fix(kind, value, path))


def _about_missing(kind: str, loc: Sequence[str | int], sentence: str) -> tuple[str, str | None]:
    return (f'the key "{loc[-1]}" is missing', f'add "{loc[-1]}"') if kind == "missing" else (sentence, None)


def _path(value: Any, loc: Sequence[str | int]) -> Iterator[str | int]:
    """Yield the part of *loc* that is in the document; the rest names branches of unions, functions, missing keys."""
    for part in loc:
        if isinstance(value, Mapping):
            key = _key(value, str(part))
            if key is not None:
                yield key
                value = value[key]
        elif isinstance(value, (list, tuple)) and isinstance(part, int) and 0 <= part < len(value):
            yield part
            value = value[part]


def _key(value: Mapping[str, Any], name: str) -> str | None:
    if name in value:
        return name
    # A field with an alias is named by its alias, also where the document has the field's own name.
    alike = [key for key in value if _folded(key) == _folded(name)]
    return alike[0] if len(alike) == 1 else None


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def _extra(loc: Sequence[str | int], model: type[BaseModel]) -> str:
    names = [field.alias or name for name, field in model.model_fields.items()] if len(loc) == 1 else []
    match = nearest(str(loc[-1]), names)
    return f"did you mean {match!r}?" if match else "remove it"


def _fix(kind: str, value: Any, path: Sequence[str | int]) -> str | None:
    for part in path:
        value = value[part]
    wrong, fix = _FIXES.get(kind, (type(None), None))
    found = float if type(value) is int else type(value)
    return fix if found is wrong else None


@cache
def _frozen(model: type[BaseModel]) -> type[BaseModel]:
    if model.model_config.get("frozen"):
        return model
    from pydantic import ConfigDict

    body = {
        "__module__": model.__module__,
        "__qualname__": model.__qualname__,
        "__doc__": model.__doc__,
        "model_config": ConfigDict(frozen=True),
        "__reduce__": _reduce_frozen,
    }
    metaclass: Any = type(model)
    frozen: type[BaseModel] = metaclass(model.__name__, (model,), body)
    return frozen


def _reduce_frozen(self: BaseModel) -> tuple[Any, ...]:
    # The frozen subclass has no name that could be imported, so pickles go by the user's own class.
    return _thaw_frozen, (type(self).__mro__[1], self.__getstate__())


def _thaw_frozen(model: type[BaseModel], state: dict[Any, Any]) -> BaseModel:
    kind = _frozen(model)
    instance = kind.__new__(kind)
    instance.__setstate__(state)
    return instance
