"""The rules of protovalidate that a message carries, and what to say where a document breaks them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runpin.modelling.problems import Problem, listed, shown
from runpin.modelling.protobuf_json import key_of, name_for

_RULE = "buf.validate.Rule"
_ID = re.compile(r"[\w.:/-]{1,100}", re.ASCII)
_EVALUATED = re.compile(r"error evaluating ([\w.:/-]{1,100}): (.*)", re.ASCII | re.DOTALL)
_OWN = frozenset({"cel", "cel_expression"})
_MOST_MESSAGES = 10_000


class BrokenRule(Exception):
    """A rule that cannot be compiled; the text is the library's, and about the schema."""


class Rules:
    """
    The rules of one message and of those inside of it.

    Raises:
        BrokenRule: one cannot be used.
    """

    def __init__(self, model: type[Any], pool: Any, descriptors: bytes) -> None:
        from protovalidate import CompilationError, EvaluationError, Validator

        # One validator for each pool: it remembers rules by the names of messages.
        self._validator = Validator()
        self._written = frozenset(_written(pool, descriptors))
        for each in _reachable(model.DESCRIPTOR):
            try:
                self._validator.collect_violations(each())
            except CompilationError as error:
                raise BrokenRule(str(error)) from None
            except EvaluationError:
                # An expression may well not fit an empty message.
                continue

    def broken_by(self, message: Any, value: Mapping[str, Any]) -> Iterator[Problem]:
        """Yield the rules that *message*, which was made of the document *value*, breaks."""
        from protovalidate import CompilationError, EvaluationError

        try:
            violations = self._validator.collect_violations(message)
        except (EvaluationError, CompilationError) as error:
            yield _unevaluated(str(error))
            return
        for violation in violations:
            yield self._problem(violation.proto, value, message.DESCRIPTOR)

    def _problem(self, violation: Any, value: Mapping[str, Any], descriptor: Any) -> Problem:
        steps = violation.field.elements if violation.field else ()
        path, missing = _place(value, descriptor, steps)
        name = violation.rule_id if _ID.fullmatch(violation.rule_id) else "cel"
        rule, sentence = f"protovalidate/{name}", self._sentence(violation)
        if missing is not None and (violation.rule_id == "required" or isinstance(missing, list)):
            return Problem(path, rule, *_required(missing))
        if missing is not None:
            return Problem(path, rule, f'the key "{missing}" is missing, and its default breaks the rule: {sentence}')
        if violation.for_key:
            return Problem(path, rule, f"the name of the key {sentence}", "rename the key")
        return Problem(path, rule, sentence)

    def _sentence(self, violation: Any) -> str:
        steps = violation.rule.elements if violation.rule else ()
        own = not steps or any(step.field_name in _OWN or step.field_name.startswith("[") for step in steps)
        if violation.rule_id == "required" or not own:
            return str(violation.message)
        if (violation.rule_id, violation.message) in self._written:
            return str(violation.message)
        # An expression can return a text of its own making, which may quote the value.
        return f"must satisfy the rule {shown(violation.rule_id)}"


def _required(missing: str | list[str]) -> tuple[str, str]:
    if isinstance(missing, str):
        return f'the key "{missing}" is missing', f'add "{missing}"'
    return f"one of {listed(missing)} must be set", "set exactly one of them"


def _written(pool: Any, descriptors: bytes) -> Iterator[tuple[str, str]]:
    """Yield the name and message of each rule that is written down in the schema."""
    from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped] # it ships no types

    # The pool's own class, because only there options of the schema are known as such.
    try:
        files = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet"))
    except KeyError:
        # No file imports what rules are made of.
        return iter(())
    return _rules_in(files.FromString(descriptors))


def _rules_in(message: Any) -> Iterator[tuple[str, str]]:
    if message.DESCRIPTOR.full_name == _RULE and message.message:
        yield message.id, message.message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in [value] if hasattr(value, "ListFields") else value:
                yield from _rules_in(each)


def _reachable(descriptor: Any) -> Iterator[type[Any]]:
    """Yield the class of the message and of each one inside of it."""
    from google.protobuf.message_factory import GetMessageClass

    waiting, known = [descriptor], {descriptor.full_name}
    while waiting and len(known) < _MOST_MESSAGES:
        present = waiting.pop()
        if not present.GetOptions().map_entry:
            yield GetMessageClass(present)
        for field in present.fields:
            inner = field.message_type
            if inner is not None and inner.full_name not in known:
                known.add(inner.full_name)
                waiting.append(inner)


def _unevaluated(complaint: str) -> Problem:
    found = _EVALUATED.fullmatch(complaint)
    name = found[1] if found else "cel"
    why = "takes too many steps" if found and "budget" in found[2] else "cannot be evaluated for it"
    return Problem(
        (), f"protovalidate/{name}", f"the rule {shown(name)} {why}", "simplify the rule, or guard it with has()"
    )


def _place(value: Any, descriptor: Any, steps: Any) -> tuple[tuple[str | int, ...], str | list[str] | None]:
    """Return the keys that lead along *steps* as the document writes them, and what is missing where they end."""
    path: list[str | int] = []
    for step in steps:
        choice = descriptor.oneofs_by_name.get(step.field_name) if descriptor else None
        field = descriptor.fields_by_name.get(step.field_name) if descriptor else None
        if field is None:
            return tuple(path), [name_for(value, each) for each in choice.fields] if choice else None
        key = key_of(value, field)
        if key is None:
            return tuple(path), name_for(value, field)
        path.append(key)
        value, descriptor = value[key], field.message_type
        if step.subscript is not None:
            part = _part(value, step.subscript)
            path.append(part)
            value = value[part]
            descriptor = descriptor and _inside(descriptor)
    return tuple(path), None


def _inside(descriptor: Any) -> Any:
    return descriptor.fields_by_name["value"].message_type if descriptor.GetOptions().map_entry else descriptor


def _part(value: Any, subscript: Any) -> str | int:
    if isinstance(value, list):
        return int(subscript.value)
    if isinstance(subscript.value, bool):
        return "true" if subscript.value else "false"
    return str(subscript.value)
