"""
Checking a commit: compile it, validate it, ask the gates, and say everything that is wrong in one answer.

`check` does it in this process. `check_in` has a child do it, which is what everything but tests should use: the
files come from people. The child asks for the files it needs, by the paths that the parent has listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from runpin.canonical import freeze, thaw
from runpin.compiling import compile_environment, read_repository
from runpin.compiling.declared import check_known
from runpin.compiling.documents import reporting
from runpin.errors import CheckFailed, InvalidConfig, SourceError, UnknownTenant, ValidationFailed, rebuilt
from runpin.model import Commit, Document, Finding, Origin, Scope, digest_of
from runpin.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runpin.compiling import Repository
    from runpin.ports import Gate, Source

JOB = "runpin.checking.in_child"
"""Where a child finds its part of `check_in`."""

SERIOUS = "error"
"""The severity of a finding that denies."""


@dataclass(frozen=True, slots=True)
class Checked:
    """
    What came out of a check.

    Attributes:
        scopes: the documents of each scope; incomplete if there are problems.
        findings: what is wrong inside of documents, in the order of scope, document and line, each once.
        problems: files that could not be read or checked at all, each once.
    """

    scopes: Mapping[Scope, tuple[Document, ...]]
    findings: tuple[Finding, ...] = ()
    problems: tuple[InvalidConfig, ...] = ()

    def must_pass(self) -> Mapping[Scope, tuple[Document, ...]]:
        """
        Return the documents of each scope if nothing denies them.

        Raises:
            InvalidConfig: the first problem, or ValidationFailed with every finding.
        """
        if self.problems:
            raise self.problems[0]
        serious = tuple(finding for finding in self.findings if finding.severity == SERIOUS)
        if serious:
            raise ValidationFailed(serious)
        return self.scopes

    def documents_of(self, scope: Scope) -> Mapping[str, Document]:
        """
        Return the documents of one scope, by name.

        Raises:
            UnknownTenant: the manifest does not declare the scope's tenant.
            InvalidConfig: as `must_pass`.
        """
        scopes = self.must_pass()
        if scope.tenant is not None:
            tenants = dict.fromkeys(each.tenant for each in scopes if each.tenant is not None)
            check_known("tenant", scope.tenant, tenants, UnknownTenant)
        return {document.name: document for document in scopes[scope]}


class Check(Protocol):
    """Checks a commit: `check`, or what `check_in` returns."""

    def __call__(
        self,
        source: Source,
        commit: Commit,
        environments: Iterable[str] = (),
        *,
        applications: Iterable[str] = (),
        gates: Sequence[Gate] = (),
        judge: bool = True,
    ) -> Mapping[str, Checked]:
        """Return what is wrong, and the documents, for each environment."""
        ...


class Sandbox(Protocol):
    """Has a child do a job; see `runpin.sandbox`."""

    def call(
        self, job: str, given: Any, blobs: Sequence[bytes] = (), *, serve: Callable[[Any], tuple[Any, Sequence[bytes]]]
    ) -> tuple[Any, list[bytes]]:
        """Return the child's answer."""
        ...


class Desk(Protocol):
    """What the child may do besides computing; see `runpin.sandbox.worker`."""

    def ask(self, question: Any) -> tuple[Any, list[bytes]]:
        """Return the parent's answer."""
        ...

    def at(self, place: str) -> None:
        """Say what is looked at."""
        ...


def check(
    source: Source,
    commit: Commit,
    environments: Iterable[str] = (),
    *,
    applications: Iterable[str] = (),
    gates: Sequence[Gate] = (),
    judge: bool = True,
    looking_at: Callable[[str], None] = lambda _: None,
) -> Mapping[str, Checked]:
    """
    Compile every scope of each environment, and check its documents against their schemas and the *gates*.

    Args:
        source: the config repository.
        commit: the state to check, as `source.resolve` returned it.
        environments: the ones to check; all of the manifest by default.
        applications: the ones to check; all of the manifest by default.
        gates: further checks of the documents.
        judge: whether documents are checked; otherwise they are compiled only.
        looking_at: told each file before it is parsed or checked.

    Raises:
        ManifestError, OverlayError, ParseError: the manifest cannot be used.
        NotFound: an application or environment is not declared.
        SourceError
    """
    repository = read_repository(source, commit, looking_at)
    chosen = tuple(environments) or repository.environments
    return {each: _check_environment(repository, each, tuple(applications), gates, judge=judge) for each in chosen}


def check_in(sandbox: Sandbox) -> Check:
    """Return a `check` whose work a child does; gates that were handed in are asked here, with its documents."""

    def sandboxed(
        source: Source,
        commit: Commit,
        environments: Iterable[str] = (),
        *,
        applications: Iterable[str] = (),
        gates: Sequence[Gate] = (),
        judge: bool = True,
    ) -> Mapping[str, Checked]:
        paths = frozenset(source.paths(commit))
        given = {
            "commit": _write_commit(commit),
            "environments": list(environments),
            "applications": list(applications),
            "paths": sorted(paths),
            "judge": judge,
        }
        answer, bodies = sandbox.call(JOB, given, serve=lambda question: _serve(source, commit, paths, question))
        return {name: _with_gates(checked, gates) for name, checked in _read(answer, bodies).items()}

    return sandboxed


def in_child(desk: Desk, given: Any, _: Sequence[bytes]) -> tuple[Any, list[bytes]]:
    """Do the child's part: check what *given* names, with files that the parent reads."""
    commit = Commit(**{**given["commit"], "at": datetime.fromisoformat(given["commit"]["at"])})
    return _write(
        check(
            _AskedSource(desk, given["paths"]),
            commit,
            given["environments"],
            applications=given["applications"],
            judge=given["judge"],
            looking_at=desk.at,
        )
    )


def _check_environment(
    repository: Repository, environment: str, applications: Sequence[str], gates: Sequence[Gate], *, judge: bool
) -> Checked:
    problems: dict[str, InvalidConfig] = {}

    def on_problem(problem: InvalidConfig) -> None:
        problems.setdefault(str(problem), problem)

    compiled = compile_environment(repository, environment, applications=applications, on_problem=on_problem)
    findings: dict[Finding, None] = {}
    for scope, documents in compiled if judge else ():
        with reporting(on_problem):
            # Tenants share most files, so one mistake is found once for each; people want to read it once.
            schemas = repository.schemas(scope.application)
            findings |= dict.fromkeys(validate(documents, schemas, repository.looking_at))
    return _with_gates(Checked(dict(compiled), tuple(findings), tuple(problems.values())), gates)


@dataclass(frozen=True, slots=True)
class _AskedSource:
    """The config repository as the child sees it: a list of paths, and a parent that reads files."""

    desk: Desk
    listed: Sequence[str]

    def resolve(self, ref: str) -> Commit:
        """Refuse: the parent has chosen the commit."""
        raise SourceError("a check does not choose its commit", where=ref)

    def paths(self, commit: Commit) -> Sequence[str]:
        """Return what the parent listed."""
        del commit
        return self.listed

    def read(self, commit: Commit, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Have the parent read *paths*."""
        del commit
        wanted = list(paths)
        _, bodies = self.desk.ask({"read": wanted})
        return dict(zip(wanted, bodies, strict=True))

    def descends(self, commit: Commit, ancestor: str) -> bool:
        """Refuse: history is the parent's."""
        raise SourceError("a check does not look into history", where=f"{commit.sha[:12]} {ancestor[:12]}")


def _serve(source: Source, commit: Commit, paths: frozenset[str], question: Any) -> tuple[Any, Sequence[bytes]]:
    wanted = question.get("read") if isinstance(question, Mapping) else None
    if not isinstance(wanted, list) or not all(isinstance(path, str) and path in paths for path in wanted):
        raise CheckFailed("the check asked for what is not in the repository", fix="report this as a fault of runpin")
    found = source.read(commit, wanted)
    return None, [found[path] for path in wanted]


def _with_gates(checked: Checked, gates: Sequence[Gate]) -> Checked:
    findings = dict.fromkeys(checked.findings)
    for scope, documents in checked.scopes.items():
        values = {document.name: document.value for document in documents}
        for gate in gates:
            findings |= dict.fromkeys(gate.check(scope, values))
    return Checked(checked.scopes, tuple(findings), checked.problems)


def _write_commit(commit: Commit) -> dict[str, Any]:
    return {
        "sha": commit.sha,
        "repository": commit.repository,
        "ref": commit.ref,
        "author": commit.author,
        "message": commit.message,
        "at": commit.at.isoformat(),
        "reproducible": commit.reproducible,
    }


def _write(report: Mapping[str, Checked]) -> tuple[Any, list[bytes]]:
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
            [scope.application, scope.environment, scope.tenant, [numbers[id(document)] for document in each]]
            for scope, each in checked.scopes.items()
        ],
        "findings": [_write_finding(finding) for finding in checked.findings],
        "problems": [problem.as_json() for problem in checked.problems],
    }


def _read(answer: Any, bodies: Sequence[bytes]) -> dict[str, Checked]:
    documents = [
        Document(name, freeze(thaw(body)), body, digest_of(body), _read_origins(origins))
        for (name, origins), body in zip(answer["documents"], bodies, strict=True)
    ]
    return {name: _read_checked(content, documents) for name, content in answer["environments"].items()}


def _read_checked(content: Mapping[str, Any], documents: Sequence[Document]) -> Checked:
    return Checked(
        {
            Scope(application, environment, tenant): tuple(documents[number] for number in numbers)
            for application, environment, tenant, numbers in content["scopes"]
        },
        tuple(map(_read_finding, content["findings"])),
        tuple(map(_read_problem, content["problems"])),
    )


def _write_origins(origins: Mapping[str, Origin]) -> dict[str, list[Any]]:
    files = {file: number for number, file in enumerate(dict.fromkeys(origin.file for origin in origins.values()))}
    lines = [[pointer, files[origin.file], origin.line] for pointer, origin in origins.items()]
    return {"files": list(files), "lines": lines}


def _read_origins(content: Mapping[str, Any]) -> dict[str, Origin]:
    known: dict[tuple[int, int], Origin] = {}
    files = content["files"]
    return {
        pointer: known.get((file, line)) or known.setdefault((file, line), Origin(files[file], line))
        for pointer, file, line in content["lines"]
    }


def _write_finding(finding: Finding) -> list[Any]:
    origin = None if finding.origin is None else [finding.origin.file, finding.origin.line]
    return [finding.document, finding.pointer, finding.rule, finding.message, origin, finding.severity, finding.fix]


def _read_finding(content: Sequence[Any]) -> Finding:
    document, pointer, rule, message, origin, severity, fix = content
    return Finding(document, pointer, rule, message, None if origin is None else Origin(*origin), severity, fix)


def _read_problem(content: Mapping[str, Any]) -> InvalidConfig:
    problem = rebuilt(content)
    return problem if isinstance(problem, InvalidConfig) else CheckFailed(problem.what, where=problem.where)
