"""
Checking documents against Protobuf messages, and the rules of protovalidate that these carry.

A message is compiled once for all documents. Values stay out of findings: the library's own sentences are repeated
only where they are about the rule, and what a CEL expression makes up is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runpin.modelling.problems import Problem
from runpin.modelling.protobuf_json import message_of
from runpin.parsing.nearest import advice
from runpin.validation.faults import Fault, Refused
from runpin.validation.protoc import compiled
from runpin.validation.rules import BrokenRule, Rules

if TYPE_CHECKING:
    from runpin.compiling.schemas import ProtobufSchema, ProtoFile

_LIBRARIES = ("google", "grpc_tools", "protobuf", "protovalidate")
_QUOTED = re.compile(r"(?:expression|evaluating|field|program) \"?([\w.-]+)")
_ABOUT_RULES = "compare it with the documentation of protovalidate; patterns are RE2's"


@dataclass(frozen=True, slots=True)
class Program:
    """A message as it is used: its class, the pool of its descriptor, and its rules."""

    model: type[Any]
    pool: Any
    rules: Rules


def judge_message(program: Program, value: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield where *value*, of plain dicts and lists, is not the message of *program*, or breaks its rules."""
    message, problems = message_of(value, program.model, program.pool)
    yield from (Problem(each.path, f"protobuf/{each.rule}", each.message, each.fix) for each in problems)
    if not problems:
        yield from program.rules.broken_by(message, value)


def program_of(schema: ProtobufSchema) -> Program:
    """
    Return *schema* ready for use; it is compiled once.

    Raises:
        Refused: it cannot be used.
    """
    try:
        made = _program(schema)
    except ImportError as error:
        # Not remembered: somebody may install it.
        if error.name is None or error.name.partition(".")[0] not in _LIBRARIES:
            raise
        what = f"Protobuf schemas need a library that is not installed: {error.name}"
        fix = "pip install 'runpin[protobuf]' where documents are checked"
        raise Refused([Fault(schema.path, 0, "protobuf/library", what, fix)]) from None
    if isinstance(made, tuple):
        raise Refused(made)
    return made


@lru_cache(maxsize=32)
def _program(schema: ProtobufSchema) -> Program | tuple[Fault, ...]:
    try:
        return _assembled(schema, compiled(schema.files))
    except Refused as refused:
        return refused.faults
    except BrokenRule as broken:
        return (_rule_fault(schema.files, str(broken)),)
    except RecursionError:
        what = "its messages refer to each other in a longer chain than can be followed"
        return (Fault(schema.path, 0, "protobuf/depth", what, "split the message"),)


def _assembled(schema: ProtobufSchema, descriptors: bytes) -> Program:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped] # it ships no types

    # Never the default pool: two repositories, or two commits, may say different things by one name.
    pool = descriptor_pool.DescriptorPool()
    try:
        for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
            pool.AddSerializedFile(file.SerializeToString())
        descriptor = pool.FindMessageTypeByName(schema.message)
    except TypeError:
        what = "the library does not take what the compiler made of the file"
        raise Refused([Fault(schema.path, 0, "protobuf/compile", what)]) from None
    except KeyError:
        what = f"the file and its imports declare no message {schema.message[:200]}"
        raise Refused(
            [Fault(schema.path, 0, "protobuf/message", what, advice(schema.message, _messages(pool, schema)))]
        ) from None
    model = message_factory.GetMessageClass(descriptor)
    return Program(model, pool, Rules(model, pool, descriptors))


def _messages(pool: Any, schema: ProtobufSchema) -> list[str]:
    file = pool.FindFileByName(schema.files[0].name)
    return [each.full_name for each in file.message_types_by_name.values()]


def _rule_fault(files: Sequence[ProtoFile], complaint: str) -> Fault:
    """Return the fault of a rule that cannot be compiled, at the line where its name or expression is first written."""
    named = _QUOTED.search(complaint)
    words = " ".join(complaint.split(" | ", maxsplit=1)[0].split())[:300]
    what = f"a rule of protovalidate cannot be used: {words}" if words.isprintable() else "a rule cannot be used"
    for file in files:
        line = _line_of(named[1], file.body.decode(errors="replace")) if named is not None else None
        if line is not None:
            return Fault(file.path, line, "protovalidate/rule", what, _ABOUT_RULES)
    return Fault(files[0].path, 0, "protovalidate/rule", what, _ABOUT_RULES)


def _line_of(name: str, text: str) -> int | None:
    # A rule's own name is in quotes; the field that a rule does not fit is declared without. Two places tell nothing.
    places = [*re.finditer(rf'"{re.escape(name)}"|\b{re.escape(name.rpartition(".")[2])}\s*=', text)]
    return text.count("\n", 0, places[0].start()) + 1 if len(places) == 1 else None
