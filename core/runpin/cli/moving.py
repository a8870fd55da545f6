"""`runpin channel`, `runpin rollback` and `runpin quarantine`: where new runs go."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.lookup import channel_of, is_barred, standing_of
from runpin.cli.mirrored import RequireMirrors, all_well, follow_up, mirror_shape
from runpin.cli.options import (
    ApplicationName,
    AsJson,
    ChannelName,
    Environment,
    Reason,
    Ref,
    Repository,
    SnapshotName,
    Tenant,
    actor,
    address_of,
    opened,
)
from runpin.cli.printing import alike, columns, emit, fields, heading, moment, note, say, warn_stale
from runpin.cli.shapes import Shape, channel_shape, finding_shape, standing_shape
from runpin.errors import InvalidConfig, SourceError, ValidationFailed
from runpin.model import SnapshotId
from runpin.released import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpin.model import Channel
    from runpin.released import PromoteOutcome, RollbackOutcome

channel = typer.Typer(help="See and move a channel: what new runs follow.")
quarantine = typer.Typer(help="Bar snapshots from new runs, and let them in again.")


@channel.command("show")
def show_channel(
    application: ApplicationName,
    *,
    environment: Environment = None,
    tenant: Tenant = None,
    name: ChannelName = None,
    as_json: AsJson = False,
) -> None:
    """Show where a channel stands; if the store does not answer, where this host saw it last."""
    with opened(environment, tenant, name) as core:
        standing = standing_of(core, application)
        found = standing.channel
        barred = is_barred(core, found.snapshot)
    if as_json:
        emit({**channel_shape(found), "quarantined": barred, **standing_shape(standing)})
        return
    _print_channel(found)
    warn_stale(standing)
    if barred:
        note("This snapshot is quarantined: no new run gets it. `runpin rollback` leads on.")


@channel.command("move")
def move_channel(  # noqa: PLR0913 - one parameter for each option
    application: ApplicationName,
    snapshot: SnapshotName,
    *,
    expect_revision: Annotated[
        int,
        typer.Option(
            "--expect-revision",
            metavar="N",
            min=0,
            help="Move only if the channel is at this revision; 0: there is no such channel yet.",
        ),
    ],
    environment: Environment = None,
    tenant: Tenant = None,
    name: ChannelName = None,
    repository: Repository = None,
    ref: Ref = None,
    unchecked: Annotated[
        bool,
        typer.Option("--unchecked", help="Ask no rule, for when they cannot be read; needs --reason, and is recorded."),
    ] = False,
    reason: Reason = "",
    require_mirrors: RequireMirrors = False,
    as_json: AsJson = False,
) -> None:
    """
    Point a channel at a published snapshot.

    The rules of today judge it first; without --ref those of the newest commit of the branch.
    If they deny it, or if somebody else has moved the channel since you looked, nothing is changed.
    """
    if unchecked and not reason.strip():
        raise typer.BadParameter("it needs --reason", param_hint="--unchecked")
    target = SnapshotId.parse(snapshot)
    with opened(environment, tenant, name) as core, _way_out():
        done = core.promote(
            core.scope_of(application),
            target,
            Request(actor(), reason),
            expected_revision=expect_revision,
            repository=address_of(core, repository),
            ref=ref,
            unchecked=unchecked,
            before_mirrors=_quiet if as_json else _print_promotion,
        )
    if as_json:
        findings, mirrors = (
            [finding_shape(each) for each in done.findings],
            [mirror_shape(each) for each in done.mirrors],
        )
        emit({**channel_shape(done.channel), "findings": findings, "mirrors": mirrors})
    else:
        follow_up(done.mirrors)
    if require_mirrors and not all_well(done.mirrors):
        raise typer.Exit(1)


@contextmanager
def _way_out() -> Iterator[None]:
    try:
        yield
    except ValidationFailed:
        raise
    except (SourceError, InvalidConfig) as error:
        # Not a verdict: the rules could not be read.
        way_out = "or move it without them: --unchecked --reason TEXT, which the history shows"
        fix = f"{error.fix}; {way_out}" if error.fix else way_out
        raise type(error)(error.what, where=error.where, fix=fix) from error


def rollback(
    application: ApplicationName,
    *,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="SNAPSHOT", help="Where to; by default the snapshot before the present one."),
    ] = None,
    environment: Environment = None,
    tenant: Tenant = None,
    name: ChannelName = None,
    reason: Reason = "",
    require_mirrors: RequireMirrors = False,
    as_json: AsJson = False,
) -> None:
    """
    Send new runs back to an earlier snapshot.

    The present one is quarantined: no new run gets it. Runs that have started keep what they have.
    """
    target = SnapshotId.parse(to) if to else None
    with opened(environment, tenant, name) as core:
        scope = channel_of(core, application).scope
        shown = _quiet if as_json else _print_rollback
        done = core.roll_back(scope, Request(actor(), reason), to=target, before_mirrors=shown)
    if as_json:
        emit(_rollback_shape(done))
    else:
        follow_up(done.mirrors)
    if require_mirrors and not all_well(done.mirrors):
        raise typer.Exit(1)


def _rollback_shape(done: RollbackOutcome) -> Shape:
    return {
        "channel": channel_shape(done.channel),
        "left": str(done.left),
        "finished_earlier": done.finishes,
        "runs": done.runs,
        "runs_exact": done.exact,
        "mirrors": [mirror_shape(each) for each in done.mirrors],
    }


@quarantine.command("list")
def list_barred(*, environment: Environment = None, as_json: AsJson = False) -> None:
    """List the snapshots that no new run gets."""
    with opened(environment) as core:
        chosen = core.settings.environment
        barred = sorted(core.ledger.barred(chosen))
    if as_json:
        emit({"environment": chosen, "snapshots": [str(snapshot) for snapshot in barred]})
        return
    say(*(str(snapshot) for snapshot in barred))
    if not barred:
        note(f"No snapshot of {chosen} is quarantined.")


@quarantine.command("bar")
def bar(snapshot: SnapshotName, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """Bar a snapshot from new runs; runs that have it keep it."""
    _set_barred(snapshot, reason, barred=True, as_json=as_json)


@quarantine.command("lift")
def lift(snapshot: SnapshotName, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """Let new runs have a snapshot again."""
    _set_barred(snapshot, reason, barred=False, as_json=as_json)


def _set_barred(snapshot: str, reason: str, *, barred: bool, as_json: bool) -> None:
    target = SnapshotId.parse(snapshot)
    with opened() as core:
        found = core.store.find(target).id
        change = core.ledger.bar if barred else core.ledger.lift
        change(found, actor=actor(), reason=reason)
    if as_json:
        emit({"snapshot": str(found), "quarantined": barred})
    else:
        say(f"{found} is quarantined: no new run gets it." if barred else f"New runs may have {found} again.")


def _print_channel(found: Channel) -> None:
    heading(f"{found.name} of {found.scope}")
    fields([("snapshot", found.snapshot), ("revision", found.revision), ("moved", moment(found.moved_at))])


def _quiet(_: object) -> None:
    pass


def _print_promotion(done: PromoteOutcome) -> None:
    _print_channel(done.channel)
    alike([finding_shape(each) for each in done.findings], stderr=False)


def _print_rollback(done: RollbackOutcome) -> None:
    after = done.channel
    if done.finishes:
        say(f"An earlier rollback of {after.scope} is finished now.", style="green")
    else:
        say(f"{after.name} of {after.scope} is back, at revision {after.revision}.", style="green")
    columns(("", "", ""), [("from", str(done.left), "quarantined"), ("to", str(done.to), "")], indent=2)
    runs = f"{done.runs}" if done.exact else f"{done.runs} or more"
    note(f"Pins of {done.left}: {runs}. Runs that have started keep it.")
    say(f"  runpin pins --snapshot {done.left}")
