"""Judging Snapshots that are published already, by the rules of a commit, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runpin.cases import ERROR, WARNING
from runpin.checking.checked import Checked
from runpin.checking.in_process import Judging
from runpin.checking.placing import placed
from runpin.compiling import compile_scopes, read_repository
from runpin.model import Finding
from runpin.policy import gates_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runpin.checking.circumstances import Circumstances
    from runpin.checking.held import Held
    from runpin.compiling import Repository
    from runpin.errors import InvalidConfig
    from runpin.model import Commit, Document, Scope
    from runpin.ports import Source


def check_snapshots(
    source: Source,
    commit: Commit,
    snapshots: Sequence[Held],
    circumstances: Circumstances,
    *,
    looking_at: Callable[[str], None] = lambda _: None,
) -> tuple[Checked, ...]:
    """
    Judge published Snapshots by the schemas and gates that the repository has at *commit*.

    A finding has the file and line that set the same value at *commit*, if there is one. What the manifest does not
    declare any more is an error for an application, environment or tenant, and a warning for a document.

    Args:
        source: the config repository.
        commit: whose rules judge.
        snapshots: what is judged.
        circumstances: at which point this is, and what is live; the channel is each Snapshot's own.
        looking_at: told each file, document and gate before it is used.

    Returns:
        What came out for each of *snapshots*, in their order.

    Raises:
        ManifestError, OverlayError, ParseError: the manifest cannot be used.
        SourceError
    """
    repository = read_repository(source, commit, looking_at)
    judging = Judging(repository, gates_of(repository), circumstances)
    today = _today(repository, snapshots)
    return tuple(_check(held, judging, today) for held in snapshots)


_Today = Mapping["Scope", Mapping[str, "Document"]]


def _today(repository: Repository, snapshots: Sequence[Held]) -> _Today:
    """Return what the scopes of *snapshots* are now; a file that cannot be read costs lines, not the check."""
    scopes = dict.fromkeys(held.scope for held in snapshots if not _undeclared(held.scope, repository))
    compiled = compile_scopes(repository, scopes, lambda _: None)
    return {scope: {document.name: document for document in documents} for scope, documents in compiled.items()}


def _check(held: Held, judging: Judging, today: _Today) -> Checked:
    undeclared = _undeclared(held.scope, judging.repository)
    if undeclared is not None:
        return Checked({held.scope: tuple(held.documents.values())}, (undeclared,))
    problems: dict[str, InvalidConfig] = {}

    def on_problem(problem: InvalidConfig) -> None:
        problems.setdefault(str(problem), problem)

    looking_at = judging.repository.looking_at
    documents = tuple(_placed(held, today[held.scope], looking_at))
    findings = [*judging.gates.faults, *_lost(held), *_left_over(held, judging.repository)]
    for document in documents:
        looking_at(f"{held.snapshot}, {document.name}")
        findings += judging.by_schemas(held.scope, [document], on_problem)
    if not problems and not any(finding.severity == ERROR for finding in findings):
        findings += judging.by_gates_of(held, documents)
    return Checked({held.scope: documents}, tuple(dict.fromkeys(findings)), tuple(problems.values()))


def _placed(held: Held, today: Mapping[str, Document], looking_at: Callable[[str], None]) -> Iterator[Document]:
    for name, document in held.documents.items():
        looking_at(f"{held.snapshot}, {name}")
        yield placed(document, today.get(name))


def _undeclared(scope: Scope, repository: Repository) -> Finding | None:
    declared = (
        ("application", scope.application, repository.applications),
        ("environment", scope.environment, repository.environments),
        ("tenant", scope.tenant, (None, *repository.tenants)),
    )
    for kind, name, known in declared:
        if name not in known:
            what = f"{scope} is published, and the manifest declares no {kind} {name!r} any more"
            return Finding("", "", "manifest/undeclared", what, fix=f"declare the {kind} again, or end what reads it")
    return None


def _left_over(held: Held, repository: Repository) -> Iterator[Finding]:
    declared = repository.application(held.scope.application).documents
    for name in (*held.documents, *held.lost):
        if name not in declared:
            what = f"{held.scope.application} has no document {name!r} any more, so no schema is named for it"
            fix = "publish what the repository says now, or restore the document"
            yield Finding(name, "", "manifest/undeclared", what, severity=WARNING, fix=fix)


def _lost(held: Held) -> Iterator[Finding]:
    for name in held.lost:
        what = "the store lost this document, or holds it damaged, so it cannot be judged"
        yield Finding(name, "", "store/lost", what, fix="publish the same commit again, which stores it anew")
