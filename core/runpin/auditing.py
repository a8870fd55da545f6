"""
What is in use, judged by the rules of today: Snapshots that channels point at, and those that a run is pinned to.

A rule that became stricter says nothing about what was published before it. An audit does, and so does a run that
asks at its start. Nothing is changed by either.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from runpin.cases import ERROR, EnforcementPoint
from runpin.checking import Checked, Circumstances, Held
from runpin.compiling.declared import check_known
from runpin.errors import StoreCorrupt, UnknownApplication, UnknownEnvironment, UnknownSnapshot, UnknownTenant
from runpin.living import Documents, Readable, documents_in
from runpin.model import Finding, Scope
from runpin.ports import History

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from runpin.checking import Rules
    from runpin.living import Lately
    from runpin.model import Channel, Commit, Digest, Pin, Snapshot, SnapshotId
    from runpin.resolving import Resolver

_MOVES_SEARCHED = 100


@dataclass(frozen=True, slots=True)
class Use:
    """
    One way in which a Snapshot is in use: a channel points at it, or runs are pinned to it.

    Attributes:
        scope: what it is for.
        snapshot: its name.
        channel: the channel that points at it, or that the runs came by.
        digest: its full digest, where that is known.
        pinned: how many runs were pinned to it lately, where the channel has left it; None if it has not.
    """

    scope: Scope
    snapshot: SnapshotId
    channel: str
    digest: Digest | None = None
    pinned: int | None = None


def use_of(pin: Pin) -> Use:
    """Return how the run of *pin* uses its Snapshot."""
    return Use(pin.scope, pin.snapshot, pin.channel, pin.digest)


@dataclass(frozen=True, slots=True)
class Audited:
    """What the rules say about a Snapshot in one of its uses."""

    use: Use
    checked: Checked

    @property
    def acceptable(self) -> bool:
        """Whether nothing denies it."""
        return not self.checked.problems and all(found.severity != ERROR for found in self.checked.findings)

    @property
    def found(self) -> int:
        """How much there is to say."""
        return len(self.checked.problems) + len(self.checked.findings)


@dataclass(frozen=True, slots=True)
class Audit:
    """
    What the rules of a commit say about what is in use.

    Attributes:
        commit: whose rules they are.
        audited: each use, in the order of scope and channel.
    """

    commit: Commit
    audited: tuple[Audited, ...]

    @property
    def by_snapshot(self) -> Mapping[str, Checked]:
        """What was found in each Snapshot, whatever it is used for; by the text form of its id."""
        found: dict[str, list[Checked]] = defaultdict(list)
        for each in self.audited:
            found[str(each.use.snapshot)].append(each.checked)
        return {name: _together(several) for name, several in found.items()}


class Auditable(Readable, History, Protocol):
    """A store that knows what its channels hold now, and what they held before."""


def audit(
    rules: Rules,
    store: Auditable,
    environment: str,
    *,
    tenant: str | None = None,
    channel: str | None = None,
    applications: Collection[str] = (),
    lately: Lately | None = None,
) -> Audit:
    """
    Judge the Snapshots that channels point at now, and those that runs still have from them.

    Args:
        rules: whose rules; those of today's branch, as a rule.
        store: where the channels are.
        environment: whose channels.
        tenant: whose channels; those of no tenant and of each that the manifest declares, by default.
        channel: only those of this name.
        applications: only theirs.
        lately: counts runs; Snapshots that a channel has left, and that runs were pinned to lately, are judged then
            too, as far as they are among its latest hundred moves.

    Raises:
        NotFound: an environment, tenant or application is neither live nor declared; a typing error is no good news.
        InvalidConfig: the repository cannot be used at this commit, or the check failed.
        SourceError, StoreUnavailable
    """
    tenants = (None, *rules.declares.tenants) if tenant is None else (tenant,)
    channels = [each for one in tenants for each in store.channels(environment, one)]
    _must_be_known(rules, environment, tenant, applications, channels)
    uses = [
        use
        for each in sorted(channels, key=_place)
        if channel in (None, each.name) and (not applications or each.scope.application in applications)
        for use in (Use(each.scope, each.snapshot, each.name), *_left(each, store, lately))
    ]
    return _judged(rules, EnforcementPoint.AUDIT, uses, lambda use: store.find(use.snapshot), documents_in(store))


def _must_be_known(
    rules: Rules, environment: str, tenant: str | None, applications: Collection[str], channels: Sequence[Channel]
) -> None:
    unknown = set(applications) - {channel.scope.application for channel in channels}
    if channels and not unknown:
        return
    declares = rules.declares
    if not channels:
        check_known("environment", environment, declares.environments, UnknownEnvironment)
        if tenant is not None:
            check_known("tenant", tenant, declares.tenants, UnknownTenant)
    for name in sorted(unknown):
        check_known("application", name, declares.applications, UnknownApplication)


def _left(channel: Channel, store: Auditable, lately: Lately | None) -> Iterator[Use]:
    """Yield the Snapshots that *channel* has left and that runs still have, the latest first."""
    if lately is None:
        return
    moves = store.moves(channel.scope, channel.name, _MOVES_SEARCHED)
    left = dict.fromkeys(move.previous for move in moves if move.previous not in (None, channel.snapshot))
    for snapshot in left:
        if snapshot is not None and (runs := lately(snapshot)[0]):
            yield Use(channel.scope, snapshot, channel.name, pinned=runs)


def audit_uses(rules: Rules, uses: Iterable[Use], resolver: Resolver) -> Audit:
    """
    Judge the Snapshots that a run uses, before it works with them or afterwards.

    Args:
        rules: whose rules; those of today's branch, as a rule.
        uses: the run's.
        resolver: reads their documents, from this host's disk where they are there.

    Raises:
        InvalidConfig: the repository cannot be used at this commit, or the check failed.
        SourceError, StoreUnavailable
    """

    def find(use: Use) -> Snapshot:
        return resolver.snapshot(use.digest or resolver.find(use.snapshot), use.snapshot.sequence)

    return _judged(rules, EnforcementPoint.RUN_START, list(dict.fromkeys(uses)), find, Documents(resolver.body))


def _judged(
    rules: Rules,
    point: EnforcementPoint,
    uses: Sequence[Use],
    find: Callable[[Use], Snapshot],
    documents: Documents,
) -> Audit:
    found: dict[Use, Held | Checked] = {use: _found(use, find, documents) for use in uses}
    held = [each for each in found.values() if isinstance(each, Held)]
    verdicts = iter(rules.judge(held, Circumstances(point)))
    audited = (Audited(use, next(verdicts) if isinstance(each, Held) else each) for use, each in found.items())
    return Audit(rules.commit, tuple(audited))


def _found(use: Use, find: Callable[[Use], Snapshot], documents: Documents) -> Held | Checked:
    try:
        snapshot = find(use)
    except (UnknownSnapshot, StoreCorrupt):
        what = f"the store lost {use.snapshot}, or holds it damaged, so it cannot be judged"
        fix = "publish the same commit again, which stores it anew"
        return Checked({}, (Finding("", "", "store/lost", what, fix=fix),))
    return documents.hold(snapshot, use.channel)


def _together(several: Sequence[Checked]) -> Checked:
    """Return what was found in any of *several* uses of one Snapshot, each thing once."""
    findings = dict.fromkeys(finding for each in several for finding in each.findings)
    problems = {str(problem): problem for each in several for problem in each.problems}
    return Checked(several[0].scopes, tuple(findings), tuple(problems.values()))


def _place(channel: Channel) -> tuple[str, str, str]:
    return channel.scope.application, channel.scope.tenant or "", channel.name
