"""
From a commit to published snapshots: plan first, then carry the plan out.

The plan reads, compiles, validates and asks the gates; it writes nothing, so a dry run is the plan itself.
Publishing writes objects first, the manifest after them, the channel last. A publisher that is killed anywhere leaves
nothing that a reader can see by half, and running the same command again completes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from runpin.canonical import snapshot_of
from runpin.cases import EnforcementPoint
from runpin.checking import Circumstances
from runpin.checking import check as check_here
from runpin.errors import HistoryRewritten, SnapshotQuarantined, StoreCorrupt, UnknownSnapshot
from runpin.failpoints import failpoint
from runpin.living import Live, nothing_to_compare
from runpin.model import STABLE, Channel, Commit, Document, Scope, Snapshot, SnapshotId
from runpin.ports import ChannelStore, History, SnapshotStore
from runpin.rolling_back import forward

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from runpin.cases import Present
    from runpin.checking import Check
    from runpin.errors import RunpinError
    from runpin.living import Lately
    from runpin.model import Digest, Finding
    from runpin.ports import Source


class Publishable(SnapshotStore, ChannelStore, History, Protocol):
    """A store that can be published to: snapshots, channels and their history in one place."""


@dataclass(frozen=True, slots=True)
class ScopePlan:
    """
    What publishing would do for one scope.

    `present` is where the channel stands now, None before the first publication.
    `added`, `changed` and `removed` are names of documents, compared with what is live.
    """

    scope: Scope
    snapshot: Snapshot
    documents: Mapping[str, Document]
    present: Channel | None
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def moves(self) -> bool:
        """Whether the channel would move."""
        return self.present is None or self.present.digest != self.snapshot.digest


@dataclass(frozen=True, slots=True)
class Plan:
    """What publishing *commit* to *channel* of *environment* would do; nothing has been written."""

    commit: Commit
    environment: str
    channel: str
    scopes: tuple[ScopePlan, ...]
    findings: tuple[Finding, ...] = field(default=())
    """What was found that does not deny."""

    @property
    def moves(self) -> bool:
        """Whether any channel would move."""
        return any(scope.moves for scope in self.scopes)


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did for one scope."""

    scope: Scope
    snapshot: SnapshotId
    channel: Channel
    moved: bool


def plan(  # noqa: PLR0913 - by keyword, one thing each
    source: Source,
    commit: Commit,
    environment: str,
    store: Publishable,
    *,
    applications: Iterable[str] = (),
    channel: str = STABLE,
    check: Check = check_here,
    lately: Lately | None = None,
    strategy: Mapping[str, Any] | None = None,
    accept_rewrite: bool = False,
) -> Plan:
    """
    Work out what publishing *commit* to *environment* would do.

    Args:
        source: the config repository.
        commit: the state to publish, as `source.resolve` returned it.
        environment: the deployment target.
        store: where it would be published.
        applications: the ones to publish; all of the manifest by default.
        channel: the channel that would move.
        check: who compiles and checks; a child process in everything but tests.
        lately: counts the runs that may still be reading a Snapshot, for the gates that ask.
        strategy: the rollout that was asked for, as JSON values, for policies.
        accept_rewrite: publish even if *commit* does not descend from the last published one.

    Raises:
        InvalidConfig: including ValidationFailed, with every finding.
        HistoryRewritten: *commit* does not descend from the commit that was published last.
        StoreCorrupt: the store lost what the channel holds, and *commit* says something else than that.
        NotFound, SourceError, StoreError
    """
    # What the gates see is what the channel is moved from.
    live = Live(store, channel, lately)
    lost: dict[Scope, RunpinError] = {}
    circumstances = Circumstances(EnforcementPoint.PUBLISH, channel, strategy, _unless_lost(live, lost))
    checked = check(source, commit, [environment], applications=applications, circumstances=circumstances)[environment]
    scopes = checked.must_pass()
    if not accept_rewrite:
        for scope in scopes:
            _must_descend(source, commit, scope, store)
    plans = tuple(_plan_scope(scope, documents, store, live, lost.get(scope)) for scope, documents in scopes.items())
    return Plan(commit, environment, channel, plans, checked.findings)


def publish(
    plan: Plan,
    store: Publishable,
    *,
    actor: str,
    reason: str,
    on_progress: Callable[[ScopePlan], None] = lambda _: None,
) -> tuple[Published, ...]:
    """
    Carry *plan* out; safe to repeat after a crash at any step.

    Args:
        plan: what `plan` returned.
        store: the store it was planned against.
        actor: who publishes, for the history.
        reason: why, for the history.
        on_progress: called after each scope.

    Raises:
        RevisionConflict: a channel moved since the plan was made. Scopes before it are published; plan again.
        SnapshotQuarantined: the content of scopes is barred. Every other scope is published.
        StoreError
    """
    done: list[Published] = []
    barred: list[SnapshotQuarantined] = []
    for scope in plan.scopes:
        try:
            done.append(_publish_scope(scope, plan, store, actor, reason))
        except SnapshotQuarantined as error:
            # What was rolled back in one application must not hold up a change to another.
            barred.append(error)
        on_progress(scope)
    if barred:
        raise _all_of(barred)
    return tuple(done)


def _all_of(barred: Sequence[SnapshotQuarantined]) -> SnapshotQuarantined:
    """Return one error that says what each of *barred* says."""
    whats, places, fixes = ([getattr(each, part) for each in barred] for part in ("what", "where", "fix"))
    return SnapshotQuarantined(
        "; ".join(whats), where="; ".join(filter(None, places)), fix="; ".join(filter(None, fixes))
    )


def _plan_scope(
    scope: Scope, documents: Sequence[Document], store: Publishable, live: Live, lost: RunpinError | None
) -> ScopePlan:
    named = {document.name: document for document in documents}
    snapshot = snapshot_of(scope, {name: document.digest for name, document in named.items()})
    present = live.channel(scope)
    before, after = _before(live, snapshot, store, lost), snapshot.documents
    return ScopePlan(
        scope=scope,
        snapshot=snapshot,
        documents=named,
        present=present,
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(sorted(name for name in after.keys() & before.keys() if after[name] != before[name])),
        removed=tuple(sorted(before.keys() - after.keys())),
    )


def _unless_lost(live: Live, lost: dict[Scope, RunpinError]) -> Callable[[Scope], Present | None]:
    """Return a look at *live* that writes down in *lost* of which scopes the store lost what the channel holds."""

    def look(scope: Scope) -> Present | None:
        try:
            return live(scope)
        except (UnknownSnapshot, StoreCorrupt) as error:
            # Publishing the same content again mends it, so that must not stop here; anything else will, see `_before`.
            lost[scope] = error
            return None

    return look


def _before(live: Live, snapshot: Snapshot, store: Publishable, lost: RunpinError | None) -> Mapping[str, Digest]:
    """Return the documents of what is live, which the store need not have if it is *snapshot* itself."""
    compared, present = live.compared(snapshot.scope), live.channel(snapshot.scope)
    if lost is not None and compared is not None and compared.digest != snapshot.digest:
        raise nothing_to_compare(compared.snapshot, lost) from lost
    if present is None:
        return {}
    return snapshot.documents if present.digest == snapshot.digest else store.find(present.snapshot).documents


def _must_descend(source: Source, commit: Commit, scope: Scope, store: Publishable) -> None:
    latest = next(iter(store.publications(scope, 1)), None)
    if latest is None or not (commit.reproducible and latest.commit.reproducible):
        return
    if latest.commit.sha == commit.sha or source.descends(commit, latest.commit.sha):
        return
    raise HistoryRewritten(
        f"commit {commit.sha[:12]} does not descend from {latest.commit.sha[:12]}, "
        f"which was published last for {scope} as {latest.snapshot}",
        where=f"{commit.repository} {commit.ref}",
        fix="publish a commit that comes after it; to go back use `runpin rollback`, "
        "to accept a rewritten branch add --accept-rewrite",
    )


def _publish_scope(scope: ScopePlan, plan: Plan, store: Publishable, actor: str, reason: str) -> Published:
    # What the live snapshot lists is stored already, unless nothing moves: then all of it is stored again,
    # which is how a damaged object is mended.
    _store(scope, store, {*scope.added, *scope.changed} if scope.moves else scope.documents.keys())
    failpoint("after_objects")
    try:
        snapshot = store.commit(scope.snapshot, plan.commit, actor)
    except StoreCorrupt:
        _store(scope, store, scope.documents.keys())
        snapshot = store.commit(scope.snapshot, plan.commit, actor)
    failpoint("after_snapshot")
    if scope.present is not None and not scope.moves:
        return Published(scope.scope, snapshot.id, scope.present, moved=False)
    expected = scope.present.revision if scope.present else 0
    channel = store.move(
        scope.scope, plan.channel, snapshot.id, expected_revision=expected, actor=actor, reason=forward(reason)
    )
    failpoint("after_channel")
    return Published(scope.scope, snapshot.id, channel, moved=True)


def _store(scope: ScopePlan, store: Publishable, names: Collection[str]) -> None:
    objects = {scope.documents[name].digest: scope.documents[name].body for name in names}
    store.put_objects({**objects, scope.snapshot.digest: scope.snapshot.manifest})
