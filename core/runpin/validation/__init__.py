"""
Checking documents against their schemas, in whichever language these are written.

Findings say what was expected and where; they never hold what was found, because that may be a secret.
Nothing is fetched: a JSON Schema can refer to itself and to the drafts, a Protobuf message to files of the repository.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from runpin.canonical import canonical, thaw
from runpin.compiling.schemas import ModelSchema, ProtobufSchema, Schema
from runpin.model import Document, Finding, Origin
from runpin.parsing import Parsed
from runpin.parsing.pointers import origin_of, pointer_to
from runpin.validation.judging import Violation
from runpin.validation.verdicts import Verdicts

__all__ = ["validate"]

LookingAt = Callable[[str], None]

_VERDICTS = Verdicts()


def validate(
    documents: Iterable[Document],
    schemas: Mapping[str, Schema | tuple[Schema, ...]],
    looking_at: LookingAt = lambda _: None,
) -> tuple[Finding, ...]:
    """
    Return everything that is wrong, in the order of document, line and pointer.

    Args:
        documents: the documents of one scope.
        schemas: the schema, or schemas, of each document that has one, by the document's name.
            A schema that cannot be used is a finding too, about the schema's file.
        looking_at: told each schema's file, or where a model is declared, before it is compiled, and the file of each
            document before it is checked.
    """
    bodies: dict[int, bytes] = {}
    findings: dict[Finding, None] = {}
    for document in documents:
        found = schemas.get(document.name, ())
        for schema in found if isinstance(found, tuple) else (found,):
            if isinstance(schema, Parsed):
                body = bodies.get(id(schema)) or bodies.setdefault(id(schema), canonical(schema.value))
                _look(document, looking_at)
                judged: Iterable[Finding] = (
                    _finding(violation, document, schema) for violation in _VERDICTS.of(body, document.body)
                )
            else:
                judged = _by_message_or_model(document, schema, looking_at)
            findings |= dict.fromkeys(judged)
    return tuple(sorted(findings, key=_place))


def _look(document: Document, looking_at: LookingAt) -> None:
    if "" in document.origins:
        looking_at(document.origins[""].file)


def _finding(violation: Violation, document: Document, schema: Parsed) -> Finding:
    pointer = pointer_to(violation.path)
    origins = schema.origins if violation.in_schema else document.origins
    name = schema.origins[""].file if violation.in_schema else document.name
    return Finding(
        name, pointer, violation.rule, violation.message, origin=origin_of(origins, pointer), fix=violation.fix
    )


def _by_message_or_model(
    document: Document, schema: ProtobufSchema | ModelSchema, looking_at: LookingAt
) -> Iterator[Finding]:
    from runpin.validation.faults import Refused
    from runpin.validation.models import judge_model, model_of
    from runpin.validation.protobuf import judge_message, program_of

    try:
        if isinstance(schema, ProtobufSchema):
            looking_at(schema.path)
            program = program_of(schema)
            _look(document, looking_at)
            problems = tuple(judge_message(program, thaw(document.body)))
        else:
            looking_at(f"{schema.origin}: {schema}" if schema.origin else str(schema))
            model = model_of(schema)
            _look(document, looking_at)
            problems = tuple(judge_model(model, document.value))
    except Refused as refused:
        for fault in refused.faults:
            origin = Origin(fault.path, fault.line) if fault.line else schema.origin
            yield Finding(fault.path, "", fault.rule, fault.message, origin=origin, fix=fault.fix)
        return
    for problem in problems:
        pointer = pointer_to(problem.path)
        origin = origin_of(document.origins, pointer)
        yield Finding(document.name, pointer, problem.rule, problem.message, origin=origin, fix=problem.fix)


def _place(finding: Finding) -> tuple[str, int, str, str, str]:
    origin = finding.origin or Origin("", 0)
    return finding.document, origin.line, finding.pointer, finding.rule, finding.message
