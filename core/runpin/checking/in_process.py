"""Checking in this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.cases import ERROR
from runpin.checking.checked import Checked
from runpin.checking.circumstances import AT_COMMIT, Circumstances
from runpin.compiling import compile_environment, read_repository
from runpin.errors import InvalidConfig
from runpin.model import Commit, Document, Finding, Scope
from runpin.policy import Gates, ask, gates_of
from runpin.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runpin.checking.held import Held
    from runpin.compiling import Repository
    from runpin.ports import Source


def check(
    source: Source,
    commit: Commit,
    environments: Iterable[str] = (),
    *,
    applications: Iterable[str] = (),
    judge: bool = True,
    circumstances: Circumstances = AT_COMMIT,
    looking_at: Callable[[str], None] = lambda _: None,
) -> Mapping[str, Checked]:
    """
    Compile every scope of each environment, and judge its documents by their schemas and the repository's gates.

    Args:
        source: the config repository.
        commit: the state to check, as `source.resolve` returned it.
        environments: the ones to check; all of the manifest by default.
        applications: the ones to check; all of the manifest by default.
        judge: whether documents are judged; otherwise they are compiled only.
        circumstances: at which point this is, and what is live; see `Circumstances`.
        looking_at: told each file and gate before it is used.

    Raises:
        ManifestError, OverlayError, ParseError: the manifest cannot be used.
        NotFound: an application or environment is not declared.
        SourceError
    """
    repository = read_repository(source, commit, looking_at)
    judging = Judging(repository, gates_of(repository), circumstances) if judge else None
    chosen = tuple(environments) or repository.environments
    return {each: _check_environment(repository, each, tuple(applications), judging) for each in chosen}


@dataclass(frozen=True, slots=True)
class Judging:
    """What judges the documents of a scope: their schemas first, then gates."""

    repository: Repository
    gates: Gates
    circumstances: Circumstances

    def by_schemas(
        self, scope: Scope, documents: Sequence[Document], on_problem: Callable[[InvalidConfig], None]
    ) -> tuple[Finding, ...]:
        """Return where documents do not fit their schemas; schemas that cannot be read go to *on_problem*."""
        schemas = self.repository.schemas(scope.application, on_problem)
        return validate(documents, schemas, self.repository.looking_at)

    def by_gates(self, scope: Scope, documents: Sequence[Document]) -> tuple[Finding, ...]:
        """Return what the gates find; they may rely on what the schemas promise."""
        named = {document.name: document for document in documents}
        case = self.circumstances.case(scope, named, self.repository.commit)
        return tuple(ask(self.gates.armed, case, self.repository.looking_at))

    def by_gates_of(self, held: Held, documents: Sequence[Document]) -> tuple[Finding, ...]:
        """Return what the gates find in a published Snapshot, whose *documents* know their lines."""
        named = {document.name: document for document in documents}
        case = self.circumstances.case_of(held, named, self.repository.commit)
        return tuple(ask(self.gates.armed, case, self.repository.looking_at))


def _check_environment(
    repository: Repository, environment: str, applications: Sequence[str], judging: Judging | None
) -> Checked:
    problems: dict[str, InvalidConfig] = {}

    def on_problem(problem: InvalidConfig) -> None:
        problems.setdefault(str(problem), problem)

    compiled = compile_environment(repository, environment, applications=applications, on_problem=on_problem)
    if judging is None:
        return Checked(dict(compiled), (), tuple(problems.values()))
    findings: dict[Finding, None] = dict.fromkeys(judging.gates.faults)
    for scope, documents in compiled:
        # Tenants share most files, so one mistake is found once for each; people want to read it once.
        found = judging.by_schemas(scope, documents, on_problem)
        if not problems and not any(finding.severity == ERROR for finding in found):
            found += judging.by_gates(scope, documents)
        findings |= dict.fromkeys(found)
    return Checked(dict(compiled), tuple(findings), tuple(problems.values()))
