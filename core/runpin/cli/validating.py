"""`runpin validate`: is what the repository says acceptable, in every environment?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.options import AsJson, Ref, Repository, opened, readable
from runpin.cli.printing import columns, complain, emit, heading, say
from runpin.cli.shapes import Shape, commit_shape, commit_text, finding_shape, problem_shape
from runpin.errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpin.checking import Check, Checked
    from runpin.model import Commit
    from runpin.ports import Source


@dataclass(frozen=True, slots=True)
class _Checked:
    """What came out for one environment; there are no documents when there are findings."""

    environment: str
    documents: int = 0
    findings: tuple[Shape, ...] = ()


def validate(
    *,
    environments: Annotated[
        list[str] | None,
        typer.Option("--environment", "-e", metavar="NAME", help="Only this one; can be repeated. All by default."),
    ] = None,
    repository: Repository = None,
    ref: Ref = None,
    as_json: AsJson = False,
) -> None:
    """
    Check every document of every environment.

    Publishing does the same, so this is for finding mistakes earlier.
    Reads the files as they are, committed or not; with --ref a commit.
    """
    with opened() as core:
        source, commit = readable(core, repository, ref)
        checked, findings = _check_all(core.check, source, commit, environments or ())
    if as_json:
        emit(
            {
                "valid": not findings,
                "commit": commit_shape(commit),
                "environments": [{"name": each.environment, "documents": each.documents} for each in checked],
                "findings": findings,
            }
        )
    else:
        _print(commit, checked, findings)
    if findings:
        raise typer.Exit(1)


def _check_all(
    check: Check, source: Source, commit: Commit, chosen: Sequence[str]
) -> tuple[list[_Checked], list[Shape]]:
    try:
        report = check(source, commit, chosen)
    except InvalidConfig as error:
        return [], [{**problem_shape(error), "environments": []}]
    checked = [_summary(name, each) for name, each in report.items()]
    findings: dict[str, Shape] = {}
    for each in checked:
        for finding in each.findings:
            # Environments share most files; a mistake in one of them is read once.
            known = findings.setdefault(repr(finding), {**finding, "environments": []})
            known["environments"].append(each.environment)
    return checked, list(findings.values())


def _summary(environment: str, checked: Checked) -> _Checked:
    findings = (*map(problem_shape, checked.problems), *map(finding_shape, checked.findings))
    return _Checked(environment, 0 if findings else sum(map(len, checked.scopes.values())), findings)


def _print(commit: Commit, checked: Sequence[_Checked], findings: Sequence[Shape]) -> None:
    heading(commit_text(commit))
    rows = [
        (each.environment, f"{len(each.findings)} found" if each.findings else f"ok, {each.documents} documents")
        for each in checked
    ]
    columns(("", ""), rows, indent=2)
    for finding in findings:
        complain(
            finding["message"],
            [
                ("where", finding["where"]),
                ("key", finding["key"]),
                ("in", ", ".join(finding["environments"]) or None),
                ("fix", finding["fix"]),
            ],
            stderr=False,
        )
    if not findings:
        say("Valid.", style="green")
