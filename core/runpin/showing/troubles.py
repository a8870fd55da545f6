"""What is wrong now: what a person should be told without having asked."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from runpin.rolling_back import finishes_another, reason_of
from runpin.showing.catalogue import channels_of, went_back
from runpin.showing.facts import Problem, ProblemsFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runpin.mirrors import MirrorState
    from runpin.model import Channel
    from runpin.showing.backends import Backends
    from runpin.showing.looking import Look

LATELY = timedelta(hours=1)
"""How long a rollback is told."""

_MOST = 20
_SEVERITIES = ("error", "warning", "info")


def show_problems(look: Look, of: Backends, mirrors: Sequence[MirrorState]) -> ProblemsFacts:
    """Return what is wrong, the worst first; *mirrors* is what the last look at them found."""
    channels = channels_of(look, of)
    found = [*_barred(look, of, channels), *_rolled_back(look, of, channels), *_mirrors(mirrors)]
    # Last, because until then it was not asked.
    everything = sorted([*look.problems, *found], key=lambda each: _SEVERITIES.index(each.severity))
    return ProblemsFacts(tuple(everything[:_MOST]), of.clock.now())


def _barred(look: Look, of: Backends, channels: Sequence[Channel]) -> Iterator[Problem]:
    # Asked even if there is no channel: whether the ledger answers is told, too.
    look.ledger(lambda: of.ledger.barred(of.environment))
    for channel in channels:
        if look.is_barred(channel.snapshot):
            name = channel.scope.application
            yield Problem(
                "quarantined",
                "error",
                f"channel {channel.name} of {channel.scope} points at a snapshot that is barred from new pins",
                where=str(channel.snapshot),
                fix=f"move it: `runpin rollback {name} --environment {of.environment}`",
                application=name,
                snapshot=channel.snapshot,
                since=channel.moved_at,
            )


def _rolled_back(look: Look, of: Backends, channels: Sequence[Channel]) -> Iterator[Problem]:
    for channel in channels:
        if of.clock.now() - channel.moved_at > LATELY:
            continue
        move = look.move_to(channel)
        if move is not None and went_back(move):
            came = "" if finishes_another(move) else f"from {move.previous} "
            yield Problem(
                "rolled_back",
                "info",
                f"channel {channel.name} of {channel.scope} was rolled back by {move.actor}: {reason_of(move)}",
                where=f"{came}to {channel.snapshot}",
                application=channel.scope.application,
                snapshot=channel.snapshot,
                since=channel.moved_at,
            )


def _mirrors(states: Sequence[MirrorState]) -> Iterator[Problem]:
    for state in states:
        if not state.standing.is_well:
            yield Problem(
                "mirror",
                "warning",
                f"a mirror of channel {state.channel.name} of {state.channel.scope} is {state.standing}: {state.why}",
                where=state.where,
                fix="`runpin mirror bring` brings it to where the channel stands",
                application=state.channel.scope.application,
                snapshot=state.snapshot,
            )
