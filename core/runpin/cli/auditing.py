"""`runpin audit`: would what runs get today still be published today?"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.options import Environment, Ref, Repository, opened, rules_of
from runpin.cli.printing import columns, emit, heading, note, pieces
from runpin.cli.shapes import Shape, commit_shape, commit_text, remark_shape, scope_shape
from runpin.errors import RunpinError
from runpin.reporting.escaping import inert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runpin.assembly import Runpin
    from runpin.auditing import Audit, Audited
    from runpin.checking import Rules
    from runpin.reporting import Report


class AuditFormat(StrEnum):
    """What the answer is written for."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def audit(  # noqa: PLR0913 - one parameter for each option
    *,
    environment: Environment = None,
    tenant: Annotated[
        str | None,
        typer.Option(
            "--tenant", "-t", metavar="NAME", help="Only this one; RUNPIN_TENANT, else none and each that is declared."
        ),
    ] = None,
    channel: Annotated[
        str | None, typer.Option("--channel", "-c", metavar="NAME", help="Only this one. All by default.")
    ] = None,
    applications: Annotated[
        list[str] | None,
        typer.Option("--application", "-a", metavar="NAME", help="Only this one; can be repeated. All by default."),
    ] = None,
    pinned: Annotated[
        bool, typer.Option("--pinned", help="Also what runs were pinned to lately and the channel has left.")
    ] = False,
    repository: Repository = None,
    ref: Ref = None,
    form: Annotated[
        AuditFormat | None,
        typer.Option("--format", metavar="NAME", help="text, json or sarif.", show_default="text"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """
    Judge what is live by the rules of today.

    Nothing is changed. Without --ref the rules are those of the newest commit of the branch: RUNPIN_BRANCH, else main.
    """
    chosen = _chosen(form, as_json=as_json)
    try:
        with opened(environment, tenant, channel) as core:
            rules = rules_of(core, repository, ref)
            found, report = _audited(core, rules, channel, applications or (), pinned=pinned)
            _write(found, report, chosen, rules, core.settings.environment)
    except RunpinError as error:
        if chosen is AuditFormat.SARIF:
            # Code hosts take a report that says so better than none.
            _write_failure(error)
        raise
    if not report.acceptable:
        raise typer.Exit(1)


def _chosen(form: AuditFormat | None, *, as_json: bool) -> AuditFormat:
    if as_json and form not in (None, AuditFormat.JSON):
        raise typer.BadParameter("--json and another --format exclude each other")
    return AuditFormat.JSON if as_json else form or AuditFormat.TEXT


def _audited(
    core: Runpin, rules: Rules, channel: str | None, applications: Sequence[str], *, pinned: bool
) -> tuple[Audit, Report]:
    from runpin.auditing import audit as judge
    from runpin.judging import reported

    settings = core.settings
    return reported(
        rules,
        lambda: judge(
            rules,
            core.store,
            settings.environment,
            tenant=settings.tenant,
            channel=channel,
            applications=applications,
            lately=core.lately if pinned else None,
        ),
    )


def _write(found: Audit, report: Report, form: AuditFormat, rules: Rules, environment: str) -> None:
    if form is AuditFormat.JSON:
        emit(_shape(found, report, environment))
    elif form is AuditFormat.SARIF:
        from runpin import __version__
        from runpin.reporting.sarif import sarif

        emit(sarif(report, __version__))
    else:
        _print(found, report, rules, environment)


def _write_failure(error: RunpinError) -> None:
    from runpin import __version__
    from runpin.reporting.sarif import sarif_of_failure

    emit(sarif_of_failure(error, __version__, of_snapshots=True))


def _shape(found: Audit, report: Report, environment: str) -> Shape:
    return {
        "valid": report.acceptable,
        "commit": commit_shape(report.commit),
        "environment": environment,
        "snapshots": [_use_shape(each) for each in found.audited],
        "findings": [{**remark_shape(remark), "snapshots": list(remark.environments)} for remark in report.remarks],
    }


def _use_shape(each: Audited) -> Shape:
    return {
        **scope_shape(each.use.scope),
        "channel": each.use.channel,
        "snapshot": str(each.use.snapshot),
        "pinned": each.use.pinned,
        "valid": each.acceptable,
        "findings": each.found,
    }


def _print(found: Audit, report: Report, rules: Rules, environment: str) -> None:
    from runpin.reporting.excerpts import Excerpts
    from runpin.reporting.readable import readable

    def read(paths: Iterable[str]) -> Mapping[str, bytes]:
        return rules.source.read(rules.commit, paths)

    heading(inert(commit_text(report.commit)))
    rows = [(str(each.use.scope), _place(each), str(each.use.snapshot), _outcome(each)) for each in found.audited]
    if not rows and report.acceptable:
        note(f"Nothing that was asked for is published in {environment}.")
        return
    columns(("", "", "", ""), rows, indent=2)
    pieces(readable(report, Excerpts(read)))


def _place(each: Audited) -> str:
    channel, pinned = each.use.channel, each.use.pinned
    return channel if pinned is None else f"{channel} before, {pinned} run{'' if pinned == 1 else 's'}"


def _outcome(each: Audited) -> str:
    if not each.found:
        return "ok"
    return f"{each.found} found" if not each.acceptable else f"ok, {each.found} found"
