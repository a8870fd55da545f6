"""What a child found, on its way to the parent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runpin.canonical import freeze, is_canonical, thaw
from runpin.cases import SEVERITIES
from runpin.checking.checked import Checked
from runpin.checking.declaring import Declares
from runpin.errors import CheckFailed, InvalidConfig, NotFound, ValidationFailed, rebuilt
from runpin.model import Document, Finding, Origin, Scope, check_name, digest_of

if TYPE_CHECKING:
    from runpin.checking.held import Held

_TWISTED = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, NotFound)
"""What reading raises: a child that hostile bytes have taken over says what it likes."""


def write_report(report: Mapping[str, Checked]) -> tuple[Any, list[bytes]]:
    """Return *report* as a JSON value and the bodies of its documents."""
    # Scopes and environments share documents, so each goes once.
    numbers: dict[int, int] = {}
    documents: list[Document] = []
    for document in (each for checked in report.values() for found in checked.scopes.values() for each in found):
        if id(document) not in numbers:
            numbers[id(document)] = len(documents)
            documents.append(document)
    answer = {
        "documents": [[document.name, _write_origins(document.origins)] for document in documents],
        "environments": {name: _write_checked(checked, numbers) for name, checked in report.items()},
    }
    return answer, [document.body for document in documents]


def _write_checked(checked: Checked, numbers: Mapping[int, int]) -> dict[str, Any]:
    return {
        "scopes": [
            [scope.application, scope.tenant, [numbers[id(document)] for document in each]]
            for scope, each in checked.scopes.items()
        ],
        **_write_verdict(checked),
    }


def _write_verdict(checked: Checked) -> dict[str, Any]:
    return {
        "findings": [_write_finding(finding) for finding in checked.findings],
        "problems": [problem.as_json() for problem in checked.problems],
    }


def _read_verdict(content: Mapping[str, Any]) -> tuple[tuple[Finding, ...], tuple[InvalidConfig, ...]]:
    return tuple(map(_read_finding, content["findings"])), tuple(map(_read_problem, content["problems"]))


def read_report(
    answer: Any, bodies: Sequence[bytes], environments: Collection[str] = (), applications: Collection[str] = ()
) -> dict[str, Checked]:
    """
    Return what `write_report` wrote; digests are taken here, of the bytes that came.

    Args:
        answer: the JSON value.
        bodies: the bodies.
        environments: which ones it has to be about, if that is known.
        applications: which ones it may be about, if that is known.

    Raises:
        CheckFailed: it cannot be read, or is about something else.
    """
    try:
        documents = [
            _read_document(name, origins, body)
            for (name, origins), body in zip(answer["documents"], bodies, strict=True)
        ]
        report: dict[str, Checked] | None = {
            name: _read_checked(name, content, documents) for name, content in answer["environments"].items()
        }
    except _TWISTED:
        report = None
    if report is None or (environments and report.keys() != set(environments)):
        raise _unreadable()
    if applications and any(scope.application not in applications for each in report.values() for scope in each.scopes):
        raise _unreadable()
    return report


def write_verdicts(verdicts: Sequence[Checked]) -> Any:
    """Return *verdicts* as a JSON value, without the documents, which the parent has."""
    return [_write_verdict(checked) for checked in verdicts]


def read_verdicts(answer: Any, snapshots: Sequence[Held]) -> tuple[Checked, ...]:
    """
    Return what `write_verdicts` wrote about *snapshots*.

    Raises:
        CheckFailed: it cannot be read, or is about something else.
    """
    try:
        return tuple(
            Checked({held.scope: tuple(held.documents.values())}, *_read_verdict(content))
            for held, content in zip(snapshots, answer, strict=True)
        )
    except _TWISTED:
        raise _unreadable() from None


def read_declares(answer: Any) -> Declares:
    """
    Return the names that a child has found in a manifest.

    Raises:
        CheckFailed: they cannot be read, or are none.
    """
    kinds = ("environment", "tenant", "application")
    try:
        return Declares(
            *(tuple(check_name(kind, name) for name in names) for kind, names in zip(kinds, answer, strict=True))
        )
    except _TWISTED:
        raise _unreadable() from None


def _unreadable() -> CheckFailed:
    return CheckFailed("the check's report cannot be read", fix="report this as a fault of runpin")


def _read_checked(environment: str, content: Mapping[str, Any], documents: Sequence[Document]) -> Checked:
    scopes = {
        Scope(application, environment, tenant): tuple(documents[number] for number in numbers)
        for application, tenant, numbers in content["scopes"]
    }
    if len(scopes) != len(content["scopes"]):
        # Of two answers about one scope, only one would have been judged.
        raise ValueError
    return Checked(scopes, *_read_verdict(content))


def _read_document(name: str, origins: Mapping[str, Any], body: bytes) -> Document:
    thawed = thaw(body)
    if not isinstance(thawed, dict) or not is_canonical(body, thawed):
        # Another spelling would be another Snapshot, and a key that is there twice is read in two ways.
        raise ValueError
    return Document(check_name("document", name), freeze(thawed), body, digest_of(body), _read_origins(origins))


def _write_origins(origins: Mapping[str, Origin]) -> dict[str, list[Any]]:
    files = {file: number for number, file in enumerate(dict.fromkeys(origin.file for origin in origins.values()))}
    lines = [[pointer, files[origin.file], origin.line] for pointer, origin in origins.items()]
    return {"files": list(files), "lines": lines}


def _read_origins(content: Mapping[str, Any]) -> dict[str, Origin]:
    known: dict[tuple[int, int], Origin] = {}
    files = content["files"]
    return {
        pointer: known.get((file, line)) or known.setdefault((file, line), Origin(_text(files[file]), int(line)))
        for pointer, file, line in content["lines"]
    }


def _write_finding(finding: Finding) -> list[Any]:
    origin = None if finding.origin is None else [finding.origin.file, finding.origin.line]
    return [finding.document, finding.pointer, finding.rule, finding.message, origin, finding.severity, finding.fix]


def _read_finding(content: Sequence[Any]) -> Finding:
    *texts, origin, severity, fix = content
    document, pointer, rule, message = map(_text, texts)
    place = None if origin is None else Origin(_text(origin[0]), int(origin[1]))
    if severity not in SEVERITIES:
        # One that nobody knows would deny nothing.
        raise ValueError
    return Finding(document, pointer, rule, message, place, severity, None if fix is None else _text(fix))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _read_problem(content: Mapping[str, Any]) -> InvalidConfig:
    problem = rebuilt(content)
    if isinstance(problem, InvalidConfig) and not isinstance(problem, ValidationFailed):
        return problem
    return CheckFailed(problem.what, where=problem.where, fix=problem.fix)
