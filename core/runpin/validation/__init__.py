"""
Checking documents against their JSON Schemas.

Findings say what was expected and where; they never hold what was found, because that may be a secret.
Nothing is fetched: a schema can refer to itself and to the drafts of JSON Schema, and to nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from runpin.canonical import canonical
from runpin.model import Document, Finding, Origin
from runpin.parsing import Parsed
from runpin.parsing.pointers import origin_of, pointer_to
from runpin.validation.judging import Violation, judge

__all__ = ["validate"]


def validate(
    documents: Iterable[Document],
    schemas: Mapping[str, Parsed],
    looking_at: Callable[[str], None] = lambda _: None,
) -> tuple[Finding, ...]:
    """
    Return everything that is wrong, in the order of document, line and pointer.

    Args:
        documents: the documents of one scope.
        schemas: the schema of each document that has one, by the document's name.
            A schema that cannot be used is a finding too, about the schema's file.
        looking_at: told the file of each document before it is checked.
    """
    bodies: dict[int, bytes] = {}
    findings: dict[Finding, None] = {}
    for document in documents:
        schema = schemas.get(document.name)
        if schema is None:
            continue
        if "" in document.origins:
            looking_at(document.origins[""].file)
        body = bodies.get(id(schema)) or bodies.setdefault(id(schema), canonical(schema.value))
        for violation in judge(body, document.body):
            findings[_finding(violation, document, schema)] = None
    return tuple(sorted(findings, key=_place))


def _finding(violation: Violation, document: Document, schema: Parsed) -> Finding:
    pointer = pointer_to(violation.path)
    origins = schema.origins if violation.in_schema else document.origins
    name = schema.origins[""].file if violation.in_schema else document.name
    return Finding(
        name, pointer, violation.rule, violation.message, origin=origin_of(origins, pointer), fix=violation.fix
    )


def _place(finding: Finding) -> tuple[str, int, str, str, str]:
    origin = finding.origin or Origin("", 0)
    return finding.document, origin.line, finding.pointer, finding.rule, finding.message
