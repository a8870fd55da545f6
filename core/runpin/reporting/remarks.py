"""One shape for everything that is wrong: a value that breaks a rule, and a file that cannot be used at all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from runpin.cases import ERROR, WARNING

if TYPE_CHECKING:
    from runpin.errors import InvalidConfig
    from runpin.model import Commit, Document, Finding, Scope

MANIFEST = "runpin.toml"
"""Where code hosts show what no file can be named for."""

UNNAMED = "schema"
"""The rule of a finding that names none: a schema that is just `false`."""

_RULES = {"ParseError": "parse", "ManifestError": "manifest", "OverlayError": "overlay", "CheckFailed": "check"}
_OTHER = "config"
_GATE = re.compile(r"\Agate .* at (?=\S+\Z)", re.DOTALL)
_NUMBERS = re.compile(r"(?P<file>.+?)(?::(?P<line>[1-9][0-9]{0,8}))?(?::(?P<column>[1-9][0-9]{0,8}))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Remark:
    """
    One thing that is wrong, or could be, and where. It never holds the value that is there.

    Attributes:
        rule: what was broken: `parse`, `manifest`, `overlay` or `check` for a file that cannot be used, else the
            finding's rule, for example `properties/batch_size/maximum`.
        severity: `error`, which denies, `warning` or `note`.
        message: one sentence, without a final full stop.
        document: the document's name; None for what is about a file.
        pointer: RFC 6901 pointer into the document, `""` for the document itself.
        file: path in the config repository, if it is known.
        line: from 1.
        column: from 1, in characters.
        fix: what the reader can do.
        where: the place in one text, as the error or finding gives it.
        kind: the class of the error, if it was one.
        environments: where it was found; empty when it is wrong in all of them.
    """

    rule: str
    severity: str
    message: str
    document: str | None = None
    pointer: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    fix: str | None = None
    where: str | None = None
    kind: str | None = None
    environments: tuple[str, ...] = ()

    @property
    def key(self) -> str | None:
        """Document and pointer in one text."""
        return None if self.document is None else f"{self.document}#{self.pointer or ''}"

    @property
    def sentence(self) -> str:
        """What is wrong and what to do, for readers that show one text only."""
        return self.message if self.fix is None else f"{self.message} (fix: {self.fix})"


@dataclass(frozen=True, slots=True)
class Environment:
    """How one environment did: `documents` were checked, 0 if there is an error."""

    name: str
    documents: int


@dataclass(frozen=True, slots=True)
class Report:
    """
    Everything that is wrong with one state of the config repository, in the order of file and line.

    Or everything that its rules find wrong with published Snapshots; these stand in the place of environments then.

    Attributes:
        commit: that state.
        environments: the ones that were checked; none if the repository as a whole cannot be used.
        remarks: each once, however many environments share it.
        of_snapshots: whether Snapshots were judged.
    """

    commit: Commit
    environments: tuple[Environment, ...]
    remarks: tuple[Remark, ...]
    of_snapshots: bool = False

    @property
    def acceptable(self) -> bool:
        """Whether this may be published."""
        return not self.count(ERROR)

    def also(self, remarks: Iterable[Remark]) -> Report:
        """Return the report with these *remarks* about environments that were checked."""
        checked = {each.name for each in self.environments}
        more = [each for each in remarks if checked & set(each.environments)]
        return replace(self, remarks=_sorted((*self.remarks, *more)))

    def count(self, severity: str) -> int:
        """Return how many remarks there are of this severity."""
        return sum(remark.severity == severity for remark in self.remarks)


class Judged(Protocol):
    """What came out of a check of one environment; see `runpin.checking`."""

    @property
    def scopes(self) -> Mapping[Scope, Sequence[Document]]:
        """The documents of each scope."""
        ...

    @property
    def findings(self) -> Sequence[Finding]:
        """What is wrong inside of documents."""
        ...

    @property
    def problems(self) -> Sequence[InvalidConfig]:
        """Files that could not be used."""
        ...


def report_of(commit: Commit, judged: Mapping[str, Judged], paths: Collection[str] = ()) -> Report:
    """
    Return what is wrong in each environment as one report.

    Args:
        commit: the state that was checked.
        judged: what came out, by environment.
        paths: the files of the repository, to tell their names from line numbers.
    """
    found: dict[Remark, list[str]] = {}
    environments = []
    for name, each in judged.items():
        remarks = [remark_of_problem(problem, paths) for problem in each.problems]
        remarks += map(remark_of_finding, each.findings)
        for remark in dict.fromkeys(remarks):
            # Environments share most files; a mistake in one of them is read once.
            found.setdefault(remark, []).append(name)
        denied = any(remark.severity == ERROR for remark in remarks)
        environments.append(Environment(name, 0 if denied else sum(map(len, each.scopes.values()))))
    return Report(
        commit,
        tuple(environments),
        _sorted(replace(remark, environments=tuple(names)) for remark, names in found.items()),
    )


def remarks_of_past(commit: Commit, judged: Mapping[str, Judged], paths: Collection[str]) -> tuple[Remark, ...]:
    """
    Return what cannot be read at the commit that another one is compared with.

    Changes of what lies there are not seen. No line is named: it would be one of another state of the file.
    """
    found = report_of(commit, judged, paths).remarks
    return tuple(
        replace(
            each,
            rule="against",
            severity=WARNING,
            message=f"nothing is compared with what {commit.sha[:12]} has here, for it cannot be read: {each.message}",
            line=None,
            column=None,
            where=each.file,
            kind=None,
            fix="compare with another commit, or look at the change yourself",
        )
        for each in found
    )


def remark_of_finding(finding: Finding) -> Remark:
    """Return what a check found in a document."""
    origin = finding.origin
    return Remark(
        finding.rule or UNNAMED,
        finding.severity,
        finding.message,
        document=finding.document or None,
        pointer=finding.pointer if finding.document else None,
        file=origin.file if origin else None,
        line=origin.line if origin else None,
        fix=finding.fix,
        where=str(origin or finding.document) or None,
    )


def remark_of_problem(problem: InvalidConfig, paths: Collection[str] = ()) -> Remark:
    """Return an error of the config repository; its place is taken out of its text."""
    kind = type(problem).__name__
    file, line, column = _place(problem.where, paths)
    return Remark(
        _RULES.get(kind, _OTHER),
        ERROR,
        problem.what,
        file=file,
        line=line,
        column=column,
        fix=problem.fix,
        where=problem.where,
        kind=kind,
    )


def _place(where: str | None, paths: Collection[str]) -> tuple[str | None, int | None, int | None]:
    """Split `file:line:column`; a file may bear a name that looks like one with a line."""
    if where is not None and where not in paths:
        where = _GATE.sub("", where)
    parts = _NUMBERS.fullmatch(where or "")
    if where in paths or parts is None:
        return where, None, None
    line, column = (int(number) if number else None for number in (parts["line"], parts["column"]))
    if parts["file"] in paths:
        return parts["file"], line, column
    longer, _, last = (where or "").rpartition(":")
    if longer in paths:
        return longer, int(last), None
    # A manifest that is missing, or one at a commit, is the only place that is told otherwise.
    return (MANIFEST if (where or "").startswith(MANIFEST) else None), line, column


def _sorted(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    def place(remark: Remark) -> tuple[bool, str, int, int, str, str]:
        return (
            remark.file is None,
            remark.file or remark.where or "",
            remark.line or 0,
            remark.column or 0,
            remark.key or "",
            remark.rule,
        )

    return tuple(sorted(remarks, key=place))
