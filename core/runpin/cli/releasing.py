"""`runpin publish`: from a commit to what new runs get."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.mirrored import RequireMirrors, all_well, follow_up, mirror_shape
from runpin.cli.options import (
    AsJson,
    ChannelName,
    Environment,
    Reason,
    Ref,
    Repository,
    actor,
    address_of,
    opened,
)
from runpin.cli.printing import alike, columns, emit, heading, note, say, tracker
from runpin.cli.shapes import (
    Shape,
    channel_shape,
    commit_shape,
    commit_text,
    finding_shape,
    scope_shape,
    text_or_none,
)
from runpin.released import PublishOutcome, Request

if TYPE_CHECKING:
    from runpin.assembly import Runpin
    from runpin.publishing import Plan, ScopePlan


def publish(  # noqa: PLR0913 - one parameter for each option
    *,
    environment: Environment = None,
    applications: Annotated[
        list[str] | None,
        typer.Option("--application", "-a", metavar="NAME", help="Only this one; can be repeated. All by default."),
    ] = None,
    ref: Ref = None,
    repository: Repository = None,
    channel: ChannelName = None,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.")] = False,
    accept_rewrite: Annotated[
        bool,
        typer.Option("--accept-rewrite", help="Publish a commit that does not come after the last published one."),
    ] = False,
    require_mirrors: RequireMirrors = False,
    as_json: AsJson = False,
) -> None:
    """
    Publish a commit to new runs.

    Runs that have started keep what they have.
    Without --ref it is the newest commit of the branch: RUNPIN_BRANCH, else main.
    """
    with opened(environment, channel=channel) as core:
        plan = core.plan_publishing(
            ref or None,
            repository=address_of(core, repository),
            applications=applications or (),
            accept_rewrite=accept_rewrite,
        )
        if not as_json:
            _print_plan(plan)
        done = PublishOutcome(plan, ()) if dry_run else _carry_out(core, plan, reason, shown=not as_json)
        if dry_run and not as_json:
            _print_dry_run(plan)
    if as_json:
        emit(_shape(done, dry_run=dry_run))
    else:
        follow_up(done.mirrors)
    if require_mirrors and not all_well(done.mirrors):
        raise typer.Exit(1)


def _carry_out(core: Runpin, plan: Plan, reason: str, *, shown: bool) -> PublishOutcome:
    request = Request(actor(), reason)
    if not shown:
        return core.publish(plan, request)
    bar, step = tracker("publishing", len(plan.scopes))
    with ExitStack() as showing:
        showing.enter_context(bar)

        def told(done: PublishOutcome) -> None:
            showing.close()
            _print_result(done)

        return core.publish(plan, request, on_progress=lambda _: step(), before_mirrors=told)


def _shape(done: PublishOutcome, *, dry_run: bool) -> Shape:
    plan = done.plan
    return {
        "dry_run": dry_run,
        "commit": commit_shape(plan.commit),
        "environment": plan.environment,
        "channel": plan.channel,
        "moves": plan.moves,
        "plan": [
            {
                **scope_shape(scope.scope),
                "digest": scope.snapshot.digest,
                "present": text_or_none(scope.present.snapshot if scope.present else None),
                "moves": scope.moves,
                "added": list(scope.added),
                "changed": list(scope.changed),
                "removed": list(scope.removed),
            }
            for scope in plan.scopes
        ],
        "findings": [finding_shape(each) for each in plan.findings],
        "published": [
            {"snapshot": str(each.snapshot), "moved": each.moved, "channel": channel_shape(each.channel)}
            for each in done.published
        ],
        "mirrors": [mirror_shape(each) for each in done.mirrors],
    }


def _print_plan(plan: Plan) -> None:
    heading(commit_text(plan.commit))
    rows = [(str(scope.scope), _changes(scope), _present(scope), _target(scope)) for scope in plan.scopes]
    columns(("scope", "documents", f"{plan.channel} now", "then"), rows, indent=2)
    alike([finding_shape(each) for each in plan.findings], stderr=False)


def _changes(scope: ScopePlan) -> str:
    signs = (("+", scope.added), ("~", scope.changed), ("-", scope.removed))
    return " ".join(f"{sign}{name}" for sign, names in signs for name in names) or "no change"


def _present(scope: ScopePlan) -> str:
    return str(scope.present.snapshot) if scope.present else "nothing"


def _target(scope: ScopePlan) -> str:
    # The sequence is given when the snapshot is stored; until then only its hash is known.
    return f"…{scope.snapshot.digest[:12]}" if scope.moves else "stays"


def _print_dry_run(plan: Plan) -> None:
    note("Dry run: nothing was written." if plan.moves else "Dry run: nothing was written, and nothing would move.")


def _print_result(done: PublishOutcome) -> None:
    plan, moved = done.plan, [each for each in done.published if each.moved]
    if not moved:
        say(f"Nothing moves: {plan.channel} of {plan.environment} holds this content already.")
        return
    say(f"Published to {plan.channel} of {plan.environment}:", style="green")
    columns(("", ""), [(str(each.snapshot), f"revision {each.channel.revision}") for each in moved], indent=2)
    first = moved[0].scope
    note("New runs get it; runs that have started keep what they have. To see it, and to go back:")
    say(
        f"  runpin show {moved[0].snapshot}",
        f"  runpin rollback {first.application} --environment {first.environment}"
        + (f" --tenant {first.tenant}" if first.tenant else ""),
    )
