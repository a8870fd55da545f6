"""
The part of the wired core that moves channels: publish a commit, promote a Snapshot, roll back.

The order of steps is the same for the command line and the engines: mirrors that cannot be used are refused before
anything is written, the store that decides is written, and the mirrors are brought last. No mirror is looked at before
a rollback: nothing may hold up what takes a fault out of use.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from runpin.counting import count_pins
from runpin.errors import SnapshotQuarantined, UnknownChannel, UnknownEnvironment
from runpin.governing import Governing
from runpin.model import Scope, check_name
from runpin.released import PromoteOutcome, PublishOutcome, RollbackOutcome, carried_out

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from runpin.backends import Ledger, Store
    from runpin.counting import PinnedLately
    from runpin.mirrors import Mirror, MirrorState
    from runpin.model import Channel, SnapshotId
    from runpin.promoting import Promoted, Promotion
    from runpin.publishing import Plan, Published, ScopePlan
    from runpin.released import Request
    from runpin.rolling_back import Return


class Releasing(Governing):
    """How `Runpin` moves channels."""

    @property
    def store(self) -> Store:
        """Snapshots, channels and their history."""
        raise NotImplementedError

    @property
    def ledger(self) -> Ledger:
        """Pins and the quarantine."""
        raise NotImplementedError

    @property
    def lately(self) -> PinnedLately:
        """Counts the runs that may still be reading a Snapshot."""
        raise NotImplementedError

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """What brings other stores to where channels stand."""
        raise NotImplementedError

    def bring_mirrors(self, channels: Sequence[Channel]) -> list[MirrorState]:
        """Bring every mirror to where *channels* stand, and return how each stands."""
        raise NotImplementedError

    def scope_of(self, application: str, environment: str | None = None, tenant: str | None = None) -> Scope:
        """
        Return whose channel is meant; environment and tenant are those of the settings by default.

        Raises:
            UnknownApplication, UnknownEnvironment, UnknownTenant: it cannot be such a name.
        """
        settings = self.settings
        return Scope(
            application,
            settings.environment if environment is None else environment,
            settings.tenant if tenant is None else tenant,
        )

    def plan_publishing(
        self,
        ref: str | None = None,
        *,
        repository: str | None = None,
        environment: str | None = None,
        channel: str | None = None,
        applications: Collection[str] = (),
        accept_rewrite: bool = False,
    ) -> Plan:
        """
        Work out what publishing a commit would do; nothing is written.

        Args:
            ref: branch, tag or full sha; the newest commit of the branch by default.
            repository: a path or URL; the setting by default.
            environment: the deployment target; the setting by default.
            channel: the channel that would move; the setting by default.
            applications: the ones to publish; all of the manifest by default.
            accept_rewrite: publish even a commit that does not come after the one that was published last.

        Raises:
            SettingsError: a mirror cannot be used, or nobody says where the config repository is.
            InvalidConfig, HistoryRewritten, StoreCorrupt, NotFound, SourceError, StoreError: see `publishing.plan`.
        """
        from runpin.publishing import plan

        _ = self.mirrors
        source = self.source(self._named(repository), accept_rewrite=accept_rewrite)
        target = self.settings.environment if environment is None else environment
        return plan(
            source,
            source.resolve(self.settings.branch if ref is None else ref),
            check_name("environment", target, UnknownEnvironment),
            self.store,
            applications=applications,
            channel=self._channel_named(channel),
            check=self.check,
            lately=self.lately,
            accept_rewrite=accept_rewrite,
        )

    def publish(
        self,
        plan: Plan,
        request: Request,
        *,
        on_progress: Callable[[ScopePlan], None] = lambda _: None,
        before_mirrors: Callable[[PublishOutcome], None] = lambda _: None,
    ) -> PublishOutcome:
        """
        Carry *plan* out, and bring the mirrors; safe to repeat after a crash at any step.

        Args:
            plan: what `plan_publishing` returned.
            request: who publishes, and why; the commit's message by default.
            on_progress: called after each scope.
            before_mirrors: told what happened before the mirrors are brought, which may take a while.

        Raises:
            RevisionConflict: a channel moved since the plan was made. Scopes before it are published; plan again.
            SnapshotQuarantined: the content of scopes is barred. Every other scope is published, and the mirrors know.
            StoreError
        """
        from runpin.publishing import publish

        reason = replace(request, reason=request.reason or plan.commit.message).recorded
        earlier = self._published_already(plan, request)
        left = tuple(each for each in plan.scopes if each.scope not in earlier)
        try:
            done = publish(
                replace(plan, scopes=left), self.store, actor=request.actor, reason=reason, on_progress=on_progress
            )
        except SnapshotQuarantined:
            self.bring_mirrors(list(_standing(self.store, plan)))
            raise
        by_scope = {**earlier, **{each.scope: each for each in done}}
        outcome = PublishOutcome(plan, tuple(by_scope[each.scope] for each in plan.scopes))
        before_mirrors(outcome)
        return replace(outcome, mirrors=tuple(self.bring_mirrors([each.channel for each in outcome.published])))

    def promote(  # noqa: PLR0913 - by keyword, one thing each
        self,
        scope: Scope,
        snapshot: SnapshotId,
        request: Request,
        *,
        channel: str | None = None,
        expected_revision: int | None = None,
        repository: str | None = None,
        ref: str | None = None,
        unchecked: bool = False,
        before_mirrors: Callable[[PromoteOutcome], None] = lambda _: None,
    ) -> PromoteOutcome:
        """
        Point a channel at a published Snapshot that the rules of today accept, and bring the mirrors.

        Args:
            scope: whose channel.
            snapshot: where it shall point.
            request: who asks, and why.
            channel: its name; the setting by default.
            expected_revision: where it has to stand, 0: it does not exist yet. By default it may stand anywhere, and
                is not moved if it stands at *snapshot* already.
            repository: see `rules`.
            ref: likewise.
            unchecked: ask no rule, which the history tells.
            before_mirrors: told what happened before the mirrors are brought, which may take a while.

        Raises:
            SettingsError: a mirror cannot be used. Nothing was moved, here and below.
            SnapshotQuarantined: *snapshot* is barred.
            ValidationFailed, InvalidConfig, Conflict, StoreCorrupt, UnknownSnapshot, SourceError, StoreError: see
                `promoting.promote` and `promoting.promote_unchecked`.
        """
        from runpin.promoting import Promotion

        _ = self.mirrors
        name = self._channel_named(channel)
        outcome = self._there_already(scope, name, snapshot, request, anywhere=expected_revision is None)
        if outcome is None:
            expected = self._revision(scope, name) if expected_revision is None else expected_revision
            asked = Promotion(scope, name, snapshot, expected, request.actor, request.recorded)
            done = self._promoted(asked, repository, ref, unchecked=unchecked)
            outcome = PromoteOutcome(done.channel, moved=True, findings=done.findings)
        before_mirrors(outcome)
        return replace(outcome, mirrors=tuple(self.bring_mirrors([outcome.channel])))

    def roll_back(
        self,
        scope: Scope,
        request: Request,
        *,
        to: SnapshotId | None = None,
        channel: str | None = None,
        before_mirrors: Callable[[RollbackOutcome], None] = lambda _: None,
    ) -> RollbackOutcome:
        """
        Send new runs back to an earlier Snapshot, bar the present one, and bring the mirrors.

        Args:
            scope: whose channel.
            request: who asks, and why.
            to: where to; by default the one that the channel pointed at last that is another one and not barred.
            channel: its name; the setting by default.
            before_mirrors: told what happened before the mirrors are brought, which may take a while.

        Raises:
            SettingsError: a mirror cannot be used; the rollback is done nevertheless.
            UnknownChannel, UnknownSnapshot, Conflict, StoreError: see `rolling_back`.
        """
        from runpin.rolling_back import carry_out, plan_return

        name = self._channel_named(channel)
        outcome = self._back_already(scope, name, request)
        if outcome is None:
            plan = plan_return(self.store, self.ledger, scope, name, to)
            who, why, again = request.actor, request.recorded, bool(request.once)
            after = carry_out(plan, self.store, self.ledger, actor=who, reason=why, tell=again)
            outcome = self._returned(plan, after)
        before_mirrors(outcome)
        return replace(outcome, mirrors=tuple(self.bring_mirrors([outcome.channel])))

    def _channel_named(self, channel: str | None) -> str:
        return self.settings.channel if channel is None else check_name("channel", channel, UnknownChannel)

    def _published_already(self, plan: Plan, request: Request) -> dict[Scope, Published]:
        """Return what *request* has published before: were that done again, it would undo what came after it."""
        from runpin.publishing import Published

        found = {}
        for each in plan.scopes:
            made, _ = carried_out(self.store, each.scope, plan.channel, request) if each.moves else ((), ())
            if made and made[0].channel.digest == each.snapshot.digest:
                found[each.scope] = Published(each.scope, made[0].channel.snapshot, made[0].channel, moved=True)
        return found

    def _there_already(
        self, scope: Scope, name: str, snapshot: SnapshotId, request: Request, *, anywhere: bool
    ) -> PromoteOutcome | None:
        made, _ = carried_out(self.store, scope, name, request)
        if made:
            return PromoteOutcome(made[0].channel, moved=True, earlier=True)
        if not anywhere:
            return None
        with suppress(UnknownChannel):
            present = self.store.channel(scope, name)
            # One that stands at a barred Snapshot gives it to nobody, and moving it there again says so.
            if present.snapshot == snapshot and snapshot not in self.ledger.barred(scope.environment):
                return PromoteOutcome(present, moved=False)
        return None

    def _revision(self, scope: Scope, name: str) -> int:
        try:
            return self.store.channel(scope, name).revision
        except UnknownChannel:
            return 0

    def _promoted(self, asked: Promotion, repository: str | None, ref: str | None, *, unchecked: bool) -> Promoted:
        from runpin.promoting import Promoted, promote, promote_unchecked

        if unchecked:
            return Promoted(promote_unchecked(asked, self.store), ())
        return promote(asked, self.store, self.rules(self._named(repository), ref), self.lately)

    def _back_already(self, scope: Scope, name: str, request: Request) -> RollbackOutcome | None:
        from runpin.rolling_back import done_before

        made, later = carried_out(self.store, scope, name, request)
        if (done := done_before(made)) is None:
            return None
        left, barred = done.left, self.ledger.barred(scope.environment)
        if left not in barred and left not in (move.channel.snapshot for move in later):
            # It was stopped between its two steps, and nobody has sent new runs there since.
            self.ledger.bar(left, actor=request.actor, reason=request.recorded)
        return self._returned(done, done.present, earlier=True)

    def _returned(self, plan: Return, after: Channel, *, earlier: bool = False) -> RollbackOutcome:
        runs, exact = count_pins(self.ledger, plan.left)
        return RollbackOutcome(after, plan.left, plan.to, plan.finishes, runs, exact, earlier)


def _standing(store: Store, plan: Plan) -> Iterator[Channel]:
    for each in plan.scopes:
        with suppress(UnknownChannel):
            yield store.channel(each.scope, plan.channel)
