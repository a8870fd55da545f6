"""The part of the wired core that reads the config repository, and judges by the rules in it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from runpin.errors import SettingsError, SourceError
from runpin.model import Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from runpin.auditing import Use
    from runpin.checking import Check, Rules
    from runpin.judging import Judgement
    from runpin.model import SnapshotId
    from runpin.ports import Clock, Source
    from runpin.reading import PinnedRun
    from runpin.resolving import Resolver
    from runpin.sandbox import Sandbox
    from runpin.settings import Settings


class Governing:
    """What `Runpin` knows of its config repository."""

    settings: Settings
    clock: Clock

    @property
    def resolver(self) -> Resolver:
        """From channels to documents."""
        raise NotImplementedError

    @cached_property
    def sandbox(self) -> Sandbox:
        """The child process that reads what people wrote."""
        from runpin.sandbox import Sandbox

        return Sandbox(self.clock)

    @cached_property
    def check(self) -> Check:
        """Compiles and checks a commit, in the sandbox."""
        from runpin.checking import check_in

        return check_in(self.sandbox)

    def rules(self, repository: str | None = None, ref: str | None = None) -> Rules:
        """
        Return what judges published Snapshots: the rules of a commit, read in the sandbox.

        Args:
            repository: a path or URL; the setting, or the current folder, by default.
            ref: whose rules; those of the newest commit of the branch by default.

        Raises:
            SourceError: the repository cannot be read, which is no permission.
        """
        from runpin.checking import Rules, check_snapshots_in, declared_in

        try:
            source = self.source(repository)
            commit = source.resolve(self.settings.branch if ref is None else ref)
        except SourceError as error:
            what = f"the rules that judge what is published cannot be read: {error.what}"
            raise type(error)(what, where=error.where, fix=error.fix) from error
        return Rules(source, commit, check_snapshots_in(self.sandbox), declared_in(self.sandbox))

    def judge_run(
        self, run: PinnedRun, applications: Collection[str] = (), *, repository: str | None = None
    ) -> Judgement:
        """
        Judge the Snapshots that *run* is pinned to by the rules of today; pins that are missing are decided.

        Args:
            run: the run.
            applications: whose Snapshots; those of the settings by default.
            repository: see `rules`.

        Raises:
            SettingsError: nobody says which applications, or where the config repository is.
            SourceError: the rules cannot be read.
            StoreError, and what `PinnedRun.pin` raises.
        """
        from runpin.auditing import use_of

        uses = [use_of(run.pin(name)) for name in applications or self.settings.applications]
        return self._judge(uses, repository)

    def judge_snapshots(self, snapshots: Iterable[SnapshotId], *, repository: str | None = None) -> Judgement:
        """
        Judge published Snapshots, that a run used, by the rules of today.

        Args:
            snapshots: their names.
            repository: see `rules`.

        Raises:
            See `judge_run`.
        """
        from runpin.auditing import Use

        tenant, channel = self.settings.tenant, self.settings.channel
        scopes = ((each, Scope(each.application, each.environment, tenant)) for each in snapshots)
        return self._judge([Use(scope, each, channel) for each, scope in scopes], repository)

    def judge_commit(
        self,
        ref: str,
        environments: Iterable[str] = (),
        *,
        applications: Collection[str] = (),
        repository: str | None = None,
    ) -> Judgement:
        """
        Judge what a commit says, as `runpin validate` does.

        Args:
            ref: branch, tag or full sha.
            environments: the ones to judge; all of the manifest by default.
            applications: likewise.
            repository: see `rules`.

        Raises:
            NotFound: an application or environment is not declared.
            SettingsError: nobody says where the config repository is.
            SourceError: the repository cannot be read.
        """
        from runpin.judging import judge_commit

        source = self.source(self._named(repository))
        return judge_commit(self.check, source, source.resolve(ref), environments, applications)

    def source(
        self, repository: str | None = None, branch: str | None = None, *, accept_rewrite: bool = False
    ) -> Source:
        """
        Return the config repository: a Git repository, local or remote.

        Args:
            repository: a path or URL; the setting, or the current folder, by default.
            branch: the branch to read; the setting by default.
            accept_rewrite: read the branch even if it does not come after the commit used last.
        """
        from runpin.sources.git import GitSource

        chosen = repository or (
            self.settings.repository.get_secret_value() if self.settings.repository is not None else "."
        )
        return GitSource(
            chosen,
            branch=branch or self.settings.branch,
            mirrors=self.settings.mirrors_folder,
            accept_rewrite=accept_rewrite,
            allowed_signers=self.settings.allowed_signers,
        )

    def _judge(self, uses: Sequence[Use], repository: str | None) -> Judgement:
        from runpin.judging import judge_uses

        return judge_uses(self.rules(self._named(repository)), uses, self.resolver)

    def _named(self, repository: str | None) -> str | None:
        # The folder that an engine's process happens to be in is no config repository.
        if repository or self.settings.repository is not None:
            return repository
        raise SettingsError(
            "the rules are in the config repository, and nobody says where that is",
            where="repository",
            fix="set RUNPIN_REPOSITORY to its URL, or name it where the question is asked",
        )
