"""
What engines ask, and what they are told: may a run work with its Snapshots, may a commit be published?

The answer holds no configuration value, so that it can be logged, shown and kept as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runpin.auditing import Audit, audit_uses
from runpin.cases import ERROR, NOTE, WARNING, EnforcementPoint
from runpin.errors import InvalidConfig, SettingsError
from runpin.reporting import Report, remark_of_problem, report_of
from runpin.reporting.logged import logged

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from runpin.auditing import Use
    from runpin.checking import Check, Checked, Rules
    from runpin.model import Commit
    from runpin.ports import Source
    from runpin.resolving import Resolver


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    What the rules of a commit say.

    Attributes:
        point: the moment that was judged at.
        report: everything that was found, each once; its `environments` are Snapshots where a run was judged.
        subjects: what was judged: Snapshots of a run, or environments of a commit.
    """

    point: EnforcementPoint
    report: Report
    subjects: tuple[str, ...]

    @property
    def denied(self) -> bool:
        """Whether anything denies it."""
        return not self.report.acceptable

    @property
    def sentence(self) -> str:
        """What came out, in one sentence."""
        what = ", ".join(self.subjects) or "the config repository"
        verb = "deny" if self.denied else "accept"
        counted = f"{self._count(ERROR)} error(s), {self._count(WARNING)} warning(s)"
        return f"the rules of commit {self.report.commit.sha[:12]} {verb} {what}: {counted}"

    def lines(self, severity: str) -> tuple[str, ...]:
        """Return what was found that is of this severity, one line each."""
        return tuple(logged(remark) for remark in self.report.remarks if remark.severity == severity)

    def summary(self) -> dict[str, Any]:
        """Return counts and names as JSON values."""
        kind = "environments" if self.point is EnforcementPoint.COMMIT else "snapshots"
        return {
            "point": str(self.point),
            "commit": self.report.commit.sha,
            kind: list(self.subjects),
            "errors": self._count(ERROR),
            "warnings": self._count(WARNING),
            "notes": self._count(NOTE),
        }

    def _count(self, severity: str) -> int:
        return self.report.count(severity)


def judge_uses(rules: Rules, uses: Sequence[Use], resolver: Resolver) -> Judgement:
    """
    Judge the Snapshots that a run uses.

    Args:
        rules: whose rules; those of today's branch, as a rule.
        uses: the run's; at least one, for a question about nothing has no answer.
        resolver: reads their documents.

    Raises:
        SettingsError: there is none.
        SourceError, StoreError
    """
    if not uses:
        raise SettingsError(
            "nobody says which Snapshots are to be judged",
            where="applications",
            fix="name the applications whose configuration the run reads, or set RUNPIN_APPLICATIONS",
        )
    _, report = reported(rules, lambda: audit_uses(rules, uses, resolver))
    return Judgement(EnforcementPoint.RUN_START, report, tuple(str(use.snapshot) for use in uses))


def judge_commit(
    check: Check,
    source: Source,
    commit: Commit,
    environments: Iterable[str] = (),
    applications: Collection[str] = (),
) -> Judgement:
    """
    Judge what a commit says, as `runpin validate` does.

    Args:
        check: who compiles and judges.
        source: the config repository.
        commit: the state to judge, as `source.resolve` returned it.
        environments: the ones to judge; all of the manifest by default.
        applications: the ones to judge; all of the manifest by default.

    Raises:
        NotFound: an application or environment is not declared.
        SourceError
    """
    chosen = tuple(environments)
    report = _reported(source, commit, lambda: check(source, commit, chosen, applications=applications))
    return Judgement(EnforcementPoint.COMMIT, report, tuple(each.name for each in report.environments) or chosen)


def reported(rules: Rules, judged: Callable[[], Audit]) -> tuple[Audit, Report]:
    """
    Return what *judged* returns, and the same by place; that the repository cannot be used today is reported too.

    Raises:
        SourceError, StoreError
    """
    found = [Audit(rules.commit, ())]

    def by_snapshot() -> Mapping[str, Checked]:
        found[0] = judged()
        return found[0].by_snapshot

    report = _reported(rules.source, rules.commit, by_snapshot)
    return found[0], replace(report, of_snapshots=True)


def _reported(source: Source, commit: Commit, judged: Callable[[], Mapping[str, Checked]]) -> Report:
    paths = frozenset(source.paths(commit))
    try:
        return report_of(commit, judged(), paths)
    except InvalidConfig as error:
        return Report(commit, (), (remark_of_problem(error, paths),))
