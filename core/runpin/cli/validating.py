"""`runpin validate`: is what the repository says acceptable, in every environment?"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.options import Ref, Repository, committed, opened, readable, repository_at
from runpin.cli.printing import columns, emit, heading, pieces
from runpin.cli.shapes import commit_text, report_shape
from runpin.errors import InvalidConfig, RunpinError
from runpin.reporting import Remark, Report, remark_of_problem, remarks_of_past, report_of
from runpin.reporting.escaping import inert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runpin.assembly import Runpin
    from runpin.checking import Check, Circumstances
    from runpin.model import Commit
    from runpin.ports import Source


class Format(StrEnum):
    """What the answer is written for."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"
    GITLAB = "gitlab"


def validate(
    *,
    environments: Annotated[
        list[str] | None,
        typer.Option("--environment", "-e", metavar="NAME", help="Only this one; can be repeated. All by default."),
    ] = None,
    repository: Repository = None,
    ref: Ref = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="REF", help="Judge as if this commit were live: what grew, what is gone."),
    ] = None,
    staged: Annotated[
        bool, typer.Option("--staged", help="Check what is staged for the next commit, as a commit hook should.")
    ] = False,
    form: Annotated[
        Format | None,
        typer.Option("--format", metavar="NAME", help="text, json, sarif, github or gitlab.", show_default="text"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Show lines with their values, which may be secrets.")
    ] = False,
) -> None:
    """
    Check every document of every environment.

    Publishing does the same, so this is for finding mistakes earlier.
    Reads the files as they are, committed or not; with --staged the index of Git, with --ref a commit.
    Without a store nothing is live: --against names the commit to compare with, such as the base of a pull request.
    """
    chosen = _chosen(form, as_json=as_json, show_values=show_values)
    if staged and ref is not None:
        raise typer.BadParameter("--staged and --ref exclude each other")
    try:
        with opened() as core:
            source, commit = _staged(core, repository) if staged else readable(core, repository, ref)
            circumstances, unread = _circumstances(core, repository, against)
            report = _check(core.check, source, commit, environments or (), circumstances).also(unread)
            _write(report, chosen, source, show_values=show_values)
    except RunpinError as error:
        if chosen is Format.SARIF:
            # Code hosts take a report that says so better than none.
            _write_failure(error)
        raise
    if not report.acceptable:
        raise typer.Exit(1)


def _chosen(form: Format | None, *, as_json: bool, show_values: bool) -> Format:
    if as_json and form not in (None, Format.JSON):
        raise typer.BadParameter("--json and another --format exclude each other")
    chosen = Format.JSON if as_json else form or Format.TEXT
    if show_values and chosen is not Format.TEXT:
        raise typer.BadParameter(f"--format {chosen} never holds values")
    return chosen


def _staged(core: Runpin, repository: str | None) -> tuple[Source, Commit]:
    from runpin.sources.staged import StagedSource

    source = StagedSource(Path(repository_at(core, repository) or Path.cwd()))
    return source, source.resolve("index")


def _circumstances(core: Runpin, repository: str | None, against: str | None) -> tuple[Circumstances, Sequence[Remark]]:
    """Return what to compare with, and what of it cannot be read."""
    from runpin.checking import Circumstances
    from runpin.living import as_if_live

    if against is None:
        return Circumstances(), ()
    source, commit = committed(core, repository_at(core, repository), against)
    try:
        live = core.check(source, commit, judge=False)
    except InvalidConfig as error:
        # It is about another state of the file than the one that is checked.
        what = f"nothing can be compared with {commit.sha[:12]}: {error.what}"
        where = f"{error.where or 'its files'}, at that commit"
        fix = "name a commit whose manifest can be used, or leave out --against"
        raise InvalidConfig(what, where=where, fix=fix) from error
    return Circumstances(look=as_if_live(live)), remarks_of_past(commit, live, frozenset(source.paths(commit)))


def _check(check: Check, source: Source, commit: Commit, chosen: Sequence[str], circumstances: Circumstances) -> Report:
    paths = frozenset(source.paths(commit))
    try:
        return report_of(commit, check(source, commit, chosen, circumstances=circumstances), paths)
    except InvalidConfig as error:
        return Report(commit, (), (remark_of_problem(error, paths),))


def _write(report: Report, form: Format, source: Source, *, show_values: bool) -> None:
    from runpin import __version__

    prefix = _prefix(report.commit)
    match form:
        case Format.JSON:
            emit(report_shape(report))
        case Format.SARIF:
            from runpin.reporting.sarif import sarif

            emit(sarif(report, __version__, prefix))
        case Format.GITLAB:
            from runpin.reporting.gitlab import gitlab

            emit(gitlab(report, prefix))
        case Format.GITHUB:
            _print_commands(report, prefix)
        case Format.TEXT:
            _print(report, source, show_values=show_values)


def _write_failure(error: RunpinError) -> None:
    from runpin import __version__
    from runpin.reporting.sarif import sarif_of_failure

    emit(sarif_of_failure(error, __version__))


def _print_commands(report: Report, prefix: str) -> None:
    from runpin.reporting.github import github
    from runpin.reporting.readable import summary

    pieces(((command, ""),) for command in github(report, prefix))
    pieces(summary(report))


def _print(report: Report, source: Source, *, show_values: bool) -> None:
    from runpin.reporting.excerpts import Excerpts
    from runpin.reporting.readable import readable as lines_of

    def read(paths: Iterable[str]) -> Mapping[str, bytes]:
        return source.read(report.commit, paths)

    heading(inert(commit_text(report.commit)))
    columns(("", ""), [(each.name, _outcome(report, each.name)) for each in report.environments], indent=2)
    pieces(lines_of(report, Excerpts(read, masked=not show_values)))


def _outcome(report: Report, environment: str) -> str:
    found = sum(environment in remark.environments for remark in report.remarks)
    documents = next(each.documents for each in report.environments if each.name == environment)
    if not found:
        return f"ok, {documents} documents"
    return f"{found} found" if not documents else f"ok, {documents} documents, {found} found"


def _prefix(commit: Commit) -> str:
    """Return the folder of the config repository in the working tree of Git that it lies in, `/` last."""
    folder = Path(commit.repository)
    if not folder.is_absolute() or commit.reproducible:
        return ""
    root = next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)
    return "".join(f"{part}/" for part in folder.relative_to(root).parts)
