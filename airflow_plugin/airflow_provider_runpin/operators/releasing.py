"""Operators that move channels: publish a commit, promote a Snapshot, roll back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_runpin.operators.moving import MovingOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from runpin.assembly import Runpin
    from runpin.model import Finding, Scope
    from runpin.released import PromoteOutcome, PublishOutcome, RollbackOutcome


class PublishConfigOperator(MovingOperator):
    """
    Publishes a commit of the config repository to new runs, as `runpin publish` does.

    The rules judge it first. Runs that have started keep what they have. The worker needs git, and has to reach the
    config repository and the store, with the right to publish. See `MovingOperator` for tries and clears; a newer
    commit than the one that an earlier try has published is published.

    Args:
        ref: branch, tag or full sha; the newest commit of the branch by default.
        repository: address of the config repository; RUNPIN_REPOSITORY by default, which is the place for an address
            with credentials: Airflow shows this one among the rendered fields.
        applications: names of the applications to publish; all of the manifest by default.
        environment: the deployment target; RUNPIN_ENVIRONMENT by default.
        channel: the channel to move; RUNPIN_CHANNEL by default.
        accept_rewrite: publish even a commit that does not come after the one that was published last.
        reason: for the history; the task and the commit's message by default.
        require_mirrors: fail, to be tried again, if a mirror does not follow; what was decided stays decided.
        runpin_conn_id: a connection of type `runpin`; the `RUNPIN_*` settings by default.

    Returns:
        The commit, and for each application its Snapshot, the channel's revision and whether it moved, as XCom.
    """

    template_fields: Sequence[str] = ("ref", "repository", "applications", "environment", "channel", "reason")

    def __init__(
        self,
        *,
        ref: str | None = None,
        repository: str | None = None,
        applications: Sequence[str] = (),
        accept_rewrite: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.repository = repository
        self.applications = applications
        self.accept_rewrite = accept_rewrite

    def move(self, core: Runpin, context: Context) -> dict[str, Any]:
        """Publish, and return what happened."""
        plan = core.plan_publishing(
            self.ref,
            repository=self.repository,
            environment=self.environment,
            channel=self.channel,
            applications=self.applications,
            accept_rewrite=self.accept_rewrite,
        )
        self.log_findings(plan.findings)
        request = self.request(context, core, plan.commit.message.partition("\n")[0])
        done = core.publish(plan, request, before_mirrors=self._tell)
        return {
            "commit": plan.commit.sha,
            "environment": plan.environment,
            "channel": plan.channel,
            "published": {
                _short(each.scope): {
                    "snapshot": str(each.snapshot),
                    "revision": each.channel.revision,
                    "moved": each.moved,
                }
                for each in done.published
            },
            "findings": _counted(plan.findings),
            "mirrors": self.mirrors_of(done),
        }

    def _tell(self, done: PublishOutcome) -> None:
        self.log.info("Commit %s, %s", done.plan.commit.sha[:12], done.plan.commit.message.partition("\n")[0])
        for each in done.published:
            how = "moved" if each.moved else "stays, it holds this content already:"
            self.log.info(
                "%s of %s %s %s, revision %s", each.channel.name, each.scope, how, each.snapshot, each.channel.revision
            )


class PromoteConfigOperator(MovingOperator):
    """
    Points a channel at a published Snapshot that the rules of today accept, as `runpin channel move` does.

    A channel that stands there already is a success. The worker needs git, and has to reach the config repository and
    the store, with the right to publish. See `MovingOperator` for tries and clears.

    Args:
        application: whose channel.
        snapshot: id of the Snapshot.
        ref: whose rules judge; those of the newest commit of the branch by default.
        repository: address of the config repository; RUNPIN_REPOSITORY by default.
        environment: the deployment target; RUNPIN_ENVIRONMENT by default.
        tenant: the tenant; RUNPIN_TENANT by default.
        channel: the channel to move; RUNPIN_CHANNEL by default.
        reason: for the history; the task by default.
        require_mirrors: fail, to be tried again, if a mirror does not follow; what was decided stays decided.
        runpin_conn_id: a connection of type `runpin`; the `RUNPIN_*` settings by default.

    Returns:
        Where the channel stands, and whether this run moved it, as XCom.
    """

    template_fields: Sequence[str] = (
        *("application", "snapshot", "ref", "repository", "environment", "tenant", "channel"),
        "reason",
    )

    def __init__(
        self,
        *,
        application: str,
        snapshot: str,
        ref: str | None = None,
        repository: str | None = None,
        tenant: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.application = application
        self.snapshot = snapshot
        self.ref = ref
        self.repository = repository
        self.tenant = tenant

    def move(self, core: Runpin, context: Context) -> dict[str, Any]:
        """Promote, and return what happened."""
        from runpin.model import SnapshotId

        done = core.promote(
            core.scope_of(self.application, self.environment, self.tenant),
            SnapshotId.parse(self.snapshot),
            self.request(context, core),
            channel=self.channel,
            repository=self.repository,
            ref=self.ref,
            before_mirrors=self._tell,
        )
        return {
            "scope": str(done.channel.scope),
            "channel": done.channel.name,
            "snapshot": str(done.channel.snapshot),
            "revision": done.channel.revision,
            "moved": done.moved,
            "findings": _counted(done.findings),
            "mirrors": self.mirrors_of(done),
        }

    def _tell(self, done: PromoteOutcome) -> None:
        self.log_findings(done.findings)
        how = "was moved before, by this task, to" if done.earlier else "moved to" if done.moved else "stands at"
        found = done.channel
        self.log.info("%s of %s %s %s, revision %s", found.name, found.scope, how, found.snapshot, found.revision)


class RollbackConfigOperator(MovingOperator):
    """
    Sends new runs back to an earlier Snapshot and quarantines the present one, as `runpin rollback` does.

    Runs that have started keep what they have. No rule is asked, so the config repository may be away. See
    `MovingOperator` for tries and clears: one DAG run goes back once, and finishes what an earlier try began.

    Args:
        application: whose channel.
        to: id of the Snapshot to go to; by default the one before the present one that is not barred.
        environment: the deployment target; RUNPIN_ENVIRONMENT by default.
        tenant: the tenant; RUNPIN_TENANT by default.
        channel: the channel to move; RUNPIN_CHANNEL by default.
        reason: for the history; the task by default.
        require_mirrors: fail, to be tried again, if a mirror does not follow; what was decided stays decided.
        runpin_conn_id: a connection of type `runpin`; the `RUNPIN_*` settings by default.

    Returns:
        What was left for what, the channel's revision, and how many runs have a pin of what was left, as XCom.
    """

    template_fields: Sequence[str] = ("application", "to", "environment", "tenant", "channel", "reason")

    def __init__(self, *, application: str, to: str | None = None, tenant: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.application = application
        self.to = to
        self.tenant = tenant

    def move(self, core: Runpin, context: Context) -> dict[str, Any]:
        """Go back, and return what happened."""
        from runpin.model import SnapshotId

        done = core.roll_back(
            core.scope_of(self.application, self.environment, self.tenant),
            self.request(context, core),
            to=None if self.to is None else SnapshotId.parse(self.to),
            channel=self.channel,
            before_mirrors=self._tell,
        )
        return {
            "scope": str(done.channel.scope),
            "channel": done.channel.name,
            "left": str(done.left),
            "to": str(done.to),
            "revision": done.channel.revision,
            "runs": done.runs,
            "runs_exact": done.exact,
            "mirrors": self.mirrors_of(done),
        }

    def _tell(self, done: RollbackOutcome) -> None:
        how = "went back before, by this task," if done.earlier else "goes back"
        found, more = done.channel, "" if done.exact else " or more"
        self.log.info("%s of %s %s to %s, revision %s", found.name, found.scope, how, done.to, found.revision)
        self.log.info("%s is quarantined. %s%s pins of it stay.", done.left, done.runs, more)


def _counted(findings: Sequence[Finding]) -> Mapping[str, int]:
    severities = ("error", "warning", "note")
    return {f"{name}s": sum(finding.severity == name for finding in findings) for name in severities}


def _short(scope: Scope) -> str:
    return scope.application if scope.tenant is None else f"{scope.application}.{scope.tenant}"
