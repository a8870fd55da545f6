"""`runpin override`: what one run uses from its next rerun or safe point on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.options import AsJson, DeploymentName, Environment, Reason, actor, opened
from runpin.cli.printing import emit, fields, heading, moment, note, say
from runpin.cli.shapes import override_shape
from runpin.errors import NotFound
from runpin.model import SnapshotId
from runpin.overrides import OverrideKind, withdrawing

if TYPE_CHECKING:
    from runpin.model import Pin
    from runpin.overrides import Override
    from runpin.overriding import Overriding


def override(  # noqa: PLR0913 - one parameter for each option
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, as its engine shows it.")],
    *,
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", metavar="SNAPSHOT", help="What it shall use; needs --reason.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="For one rerun; the rerun after it goes back to what the run had.")
    ] = False,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Also if only some tasks run again, which leaves one run with two snapshots."),
    ] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take back what waits.")] = False,
    application: Annotated[
        str | None, typer.Option("--application", "-a", metavar="NAME", help="Whose; needed without --snapshot.")
    ] = None,
    job: Annotated[
        str | None, typer.Option("--job", metavar="NAME", help="DAG or job; needed where several have such a run.")
    ] = None,
    deployment: DeploymentName = None,
    environment: Environment = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """
    Name the snapshot that one run uses from its next rerun or safe point on.

    Nothing changes for tasks that are under way. Without --snapshot and --withdraw, it shows what was named last.
    """
    if (snapshot is None) == (application is None) or (snapshot is not None and withdraw):
        raise typer.BadParameter("name a snapshot, or whose override to show or withdraw", param_hint="--snapshot")
    from runpin.overriding import Wish

    target = None if snapshot is None else SnapshotId.parse(snapshot)
    chosen = target.environment if target is not None and environment is None else environment
    with opened(chosen) as core:
        whose = target.application if target else str(application)
        pin = core.overriding.pin_of(run, whose, core.settings.environment, job=job, deployment=deployment)
        if target is not None:
            kind = OverrideKind.ONCE if once else OverrideKind.PINNED
            found = core.overriding.name_for(Wish(pin, target, kind, actor(), reason, partial))
        else:
            found = _shown(core.overriding, pin, withdraw=withdraw)
    if as_json:
        emit(override_shape(found))
        return
    _print(found)


def _shown(overriding: Overriding, pin: Pin, *, withdraw: bool) -> Override:
    if withdraw:
        return overriding.withdraw(pin.run, pin.scope, actor())
    found = overriding.newest(pin.run, pin.scope)
    if found is None:
        raise NotFound(
            f"nobody named a snapshot of {pin.scope} for this run",
            where=str(pin.run),
            fix=f"it uses {pin.snapshot}; name another one with --snapshot",
        )
    return found


def _print(found: Override) -> None:
    run = found.run
    heading(f"{run.job}, run {run.run_id} ({run.engine}, {run.deployment})")
    fields(
        [
            ("of", found.scope),
            ("shall use", found.snapshot),
            ("had", found.since),
            ("lasts", "for one rerun" if found.kind is OverrideKind.ONCE else "until another one is named"),
            ("named", f"by {found.actor}, {moment(found.at)}"),
            ("reason", found.reason),
            ("state", found.outcome or "waits"),
        ]
    )
    if found.outcome is None:
        note("Tasks that are under way keep what they have. It is taken at the next clear of the run, or its next")
        note("safe point. To take it back:")
        say("  " + withdrawing(run, found.scope))
