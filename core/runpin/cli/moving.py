"""`runpin channel`, `runpin rollback` and `runpin quarantine`: where new runs go."""

from __future__ import annotations

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
    opened,
    rules_of,
)
from runpin.cli.printing import alike, columns, emit, fields, heading, moment, note, say, warn_stale
from runpin.cli.shapes import channel_shape, finding_shape, standing_shape
from runpin.errors import InvalidConfig, SourceError, ValidationFailed
from runpin.model import Scope, SnapshotId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpin.assembly import Runpin
    from runpin.model import Channel, Finding
    from runpin.promoting import Promotion
    from runpin.rolling_back import Return

_PAGE = 1000
_COUNTED = 10_000

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
    from runpin.promoting import Promotion, promote_unchecked

    target = SnapshotId.parse(snapshot)
    with opened(environment, tenant, name) as core:
        core.mirrors  # noqa: B018 - what cannot be used is refused before anything is moved
        scope = Scope(application, core.settings.environment, core.settings.tenant)
        asked = Promotion(scope, core.settings.channel, target, expect_revision, actor(), reason)
        moved, found = (
            (promote_unchecked(asked, core.store), ()) if unchecked else _promoted(core, asked, repository, ref)
        )
        if not as_json:
            _print_channel(moved)
            alike([finding_shape(each) for each in found], stderr=False)
        states = core.bring_mirrors([moved])
    if as_json:
        findings, mirrors = [finding_shape(each) for each in found], [mirror_shape(each) for each in states]
        emit({**channel_shape(moved), "findings": findings, "mirrors": mirrors})
    else:
        follow_up(states)
    if require_mirrors and not all_well(states):
        raise typer.Exit(1)


def _promoted(
    core: Runpin, asked: Promotion, repository: str | None, ref: str | None
) -> tuple[Channel, Sequence[Finding]]:
    from runpin.promoting import promote

    try:
        done = promote(asked, core.store, rules_of(core, repository, ref), core.lately)
    except ValidationFailed:
        raise
    except (SourceError, InvalidConfig) as error:
        # Not a verdict: the rules could not be read.
        way_out = "or move it without them: --unchecked --reason TEXT, which the history shows"
        fix = f"{error.fix}; {way_out}" if error.fix else way_out
        raise type(error)(error.what, where=error.where, fix=fix) from error
    return done.channel, done.findings


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
    from runpin.rolling_back import carry_out, plan_return

    target = SnapshotId.parse(to) if to else None
    with opened(environment, tenant, name) as core:
        scope = channel_of(core, application).scope
        plan = plan_return(core.store, core.ledger, scope, core.settings.channel, target)
        after = carry_out(plan, core.store, core.ledger, actor=actor(), reason=reason)
        runs, exact = _count_runs(core, plan.left)
        if not as_json:
            _print_rollback(plan, after, f"{runs}" if exact else f"{runs} or more")
        # Last: no mirror may hold up what takes a fault out of use.
        states = core.bring_mirrors([after])
    if as_json:
        emit(
            {
                "channel": channel_shape(after),
                "left": str(plan.left),
                "finished_earlier": plan.finishes,
                "runs": runs,
                "runs_exact": exact,
                "mirrors": [mirror_shape(each) for each in states],
            }
        )
    else:
        follow_up(states)
    if require_mirrors and not all_well(states):
        raise typer.Exit(1)


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


def _count_runs(core: Runpin, snapshot: SnapshotId) -> tuple[int, bool]:
    """Return how many runs have a pin of *snapshot*, and whether that is all of them."""
    count, after = 0, None
    while count < _COUNTED:
        page = core.ledger.runs_of(snapshot, after=after, limit=_PAGE)
        count += len(page.pins)
        after = page.next
        if after is None:
            return count, True
    return count, False


def _print_channel(found: Channel) -> None:
    heading(f"{found.name} of {found.scope}")
    fields([("snapshot", found.snapshot), ("revision", found.revision), ("moved", moment(found.moved_at))])


def _print_rollback(plan: Return, after: Channel, runs: str) -> None:
    if plan.finishes:
        say(f"An earlier rollback of {after.scope} is finished now.", style="green")
    else:
        say(f"{after.name} of {after.scope} is back, at revision {after.revision}.", style="green")
    columns(("", "", ""), [("from", str(plan.left), "quarantined"), ("to", str(plan.to), "")], indent=2)
    note(f"Pins of {plan.left}: {runs}. Runs that have started keep it.")
    say(f"  runpin pins --snapshot {plan.left}")
