"""Checking in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from runpin.checking.checked import Checked
from runpin.compiling import compile_environment, read_repository
from runpin.errors import InvalidConfig
from runpin.model import Commit, Finding
from runpin.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runpin.compiling import Repository
    from runpin.ports import Gate, Source


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


def _check_environment(
    repository: Repository, environment: str, applications: Sequence[str], gates: Sequence[Gate], *, judge: bool
) -> Checked:
    problems: dict[str, InvalidConfig] = {}

    def on_problem(problem: InvalidConfig) -> None:
        problems.setdefault(str(problem), problem)

    compiled = compile_environment(repository, environment, applications=applications, on_problem=on_problem)
    findings: dict[Finding, None] = {}
    for scope, documents in compiled if judge else ():
        # Tenants share most files, so one mistake is found once for each; people want to read it once.
        schemas = repository.schemas(scope.application, on_problem)
        findings |= dict.fromkeys(validate(documents, schemas, repository.looking_at))
    return with_gates(Checked(dict(compiled), tuple(findings), tuple(problems.values())), gates)


def with_gates(checked: Checked, gates: Sequence[Gate]) -> Checked:
    """Return *checked* with what the *gates* find; they are not asked about documents that are incomplete."""
    if checked.problems:
        return checked
    findings = dict.fromkeys(checked.findings)
    for scope, documents in checked.scopes.items():
        values = {document.name: document.value for document in documents}
        for gate in gates:
            findings |= dict.fromkeys(gate.check(scope, values))
    return Checked(checked.scopes, tuple(findings), checked.problems)
