"""The one place that picks adapters: settings in, a wired core out."""

from __future__ import annotations

from datetime import timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Self

from runpin.ancestry import ALONE
from runpin.circuit import Circuit
from runpin.clock import SystemClock
from runpin.counting import PinnedLately
from runpin.errors import SettingsError, SourceError
from runpin.model import Behavior, Scope, digest_of
from runpin.pinning import Pinner
from runpin.reading import PinnedRun
from runpin.resolving import Resolver
from runpin.watching import ChannelWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from runpin.ancestry import Ancestry
    from runpin.auditing import Use
    from runpin.backends import Backend, Ledger, Store
    from runpin.checking import Check, Rules
    from runpin.database.engine import Database
    from runpin.followers import Mirrored
    from runpin.judging import Judgement
    from runpin.mirrors import Mirror, MirrorState
    from runpin.model import Channel, Pin, RunKey, SnapshotId
    from runpin.ports import Clock, SnapshotStore, Source
    from runpin.proposing import Proposal
    from runpin.reacting import Reactor
    from runpin.sandbox import Sandbox
    from runpin.settings import Settings
    from runpin.stores.disk import DiskCache
    from runpin.stores.turns import HostTurns


class Runpin:
    """
    The wired core: one per process and settings.

    Nothing is opened before it is used, so that a process whose backends are away still reads from its local cache.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()

    @classmethod
    def open(cls, **given: Any) -> Self:
        """
        Wire the core from the settings; *given* ones win over the environment and the file.

        Raises:
            SettingsError
        """
        from runpin.settings import load_settings

        return cls(load_settings(**given))

    @cached_property
    def backend(self) -> Backend:
        """What holds snapshots, channels and pins: a database, etcd, or Azure's store beside one of them."""
        from runpin.backends import open_backend

        secrets = (self.settings.store_url, self.settings.ledger, self.settings.store_connection_string)
        url, ledger, text = (None if secret is None else secret.get_secret_value() for secret in secrets)
        upgrade = self.settings.store_upgrade
        return open_backend(str(url), self.clock, upgrade=upgrade, ledger=ledger, connection_string=text)

    @cached_property
    def mirrored(self) -> tuple[Mirrored, ...]:
        """
        The stores and services that follow the store, with what lies behind them.

        Raises:
            SettingsError: one cannot be used.
        """
        from runpin.followers import open_mirrors

        settings = self.settings
        return open_mirrors(
            [each.get_secret_value() for each in settings.mirrors],
            self.clock,
            store=settings.store_url.get_secret_value(),
            backend=self.backend,
            upgrade=settings.store_upgrade,
            connection_strings=[each.get_secret_value() for each in settings.mirror_connection_strings],
        )

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """
        What brings other stores, and the own readers of this one, to where channels stand.

        Raises:
            SettingsError: one cannot be used.
        """
        from runpin.backends import native_of

        return (*native_of(self.backend), *(each.mirror for each in self.mirrored))

    def bring_mirrors(self, channels: Sequence[Channel]) -> list[MirrorState]:
        """
        Bring every mirror to where *channels* stand, all at a time, and return how each stands; none of them fails.

        Raises:
            SettingsError: one cannot be used.
        """
        from runpin.mirroring import bring_all

        return bring_all(self.mirrors, channels, self.clock)

    def look_at_mirrors(self, channels: Sequence[Channel]) -> list[MirrorState]:
        """Return how every mirror stands to *channels*; nothing is copied, otherwise as `bring_mirrors`."""
        from runpin.mirroring import look_all

        return look_all(self.mirrors, channels, self.clock)

    @property
    def database(self) -> Database:
        """
        The database, where the store is one.

        Raises:
            SettingsError: it is not.
        """
        from runpin.backends import SqlBackend

        if isinstance(self.backend, SqlBackend):
            return self.backend.database
        raise SettingsError("the store is no SQL database", where="store_url")

    @property
    def store(self) -> Store:
        """Snapshots, channels and their history."""
        return self.backend.store

    @property
    def ledger(self) -> Ledger:
        """Pins and the quarantine."""
        return self.backend.ledger

    @cached_property
    def cache(self) -> DiskCache:
        """What this host remembers."""
        from runpin.stores.disk import DiskCache

        return DiskCache(self.settings.cache_folder, clock=self.clock)

    @cached_property
    def store_circuit(self) -> Circuit:
        """Whether the store answers, as this process has found."""
        local = self.backend.capabilities.local
        return Circuit(self.clock, "the store", hurry=self.settings.hurry, local=local)

    @cached_property
    def ledger_circuit(self) -> Circuit:
        """Whether the ledger answers, as this process has found."""
        from runpin.backends import ledger_of

        holder = ledger_of(self.backend)
        if holder is self.backend:
            return self.store_circuit
        return Circuit(self.clock, "the ledger", hurry=self.settings.hurry, local=holder.capabilities.local)

    @cached_property
    def turns(self) -> HostTurns | None:
        """How the processes of this host ask the store one after the other; None where it is a file."""
        if self.backend.capabilities.local:
            return None
        from runpin.stores.turns import HostTurns

        realm = digest_of(self.settings.store_url.get_secret_value().encode())
        return HostTurns(self.settings.cache_folder, realm, clock=self.clock)

    @cached_property
    def readable(self) -> SnapshotStore:
        """Where snapshots are read: in the store, and when it cannot answer, in those that follow it."""
        if not self.settings.mirrors:
            return self.store
        from runpin.stores.several import SeveralStores

        return SeveralStores(self.store, self._copies, self.clock)

    def _copies(self) -> Sequence[SnapshotStore]:
        return [each.copy for each in self.mirrored if each.copy is not None]

    @cached_property
    def resolver(self) -> Resolver:
        """From channels to documents."""
        return Resolver(
            self.readable,
            self.store,
            self.cache,
            self.clock,
            circuit=self.store_circuit,
            turns=self.turns,
            bake=timedelta(seconds=self.settings.bake),
        )

    @cached_property
    def pinner(self) -> Pinner:
        """The pin protocol."""
        return Pinner(self.ledger, self.ledger, self.resolver, self.cache, self.clock, circuit=self.ledger_circuit)

    @cached_property
    def reactor(self) -> Reactor:
        """What follows from a channel's moves, each once."""
        from runpin.reacting import Reactor

        return Reactor(self.backend.reactions, self.resolver, self.ledger, self.clock)

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

    @cached_property
    def lately(self) -> PinnedLately:
        """Counts the runs that may still be reading a Snapshot."""
        return PinnedLately(self.ledger, self.clock, timedelta(hours=self.settings.reader_hours))

    @cached_property
    def watch(self) -> ChannelWatch:
        """The in-memory view of the channels, for threads that must not wait."""
        return ChannelWatch(
            self.store,
            self.ledger,
            self.resolver,
            self.clock,
            environment=self.settings.environment,
            tenant=self.settings.tenant,
            interval=self.settings.refresh_interval,
            max_age=self.settings.proposal_max_age,
        )

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

    def run(
        self,
        key: RunKey,
        proposal: Proposal | None = None,
        behavior: Behavior = Behavior.PINNED,
        ancestry: Ancestry = ALONE,
        on_pin: Callable[[Pin], None] | None = None,
    ) -> PinnedRun:
        """Return the run *key* with the configuration it keeps; nothing is decided before its first read."""
        return PinnedRun(
            key,
            pinner=self.pinner,
            resolver=self.resolver,
            environment=self.settings.environment,
            tenant=self.settings.tenant,
            proposal=proposal,
            behavior=behavior,
            channel=self.settings.channel,
            ancestry=ancestry,
            on_pin=on_pin,
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

    def close(self) -> None:
        """End the background thread, the child process and the connections of this process."""
        if "watch" in self.__dict__:
            self.watch.stop()
        if "sandbox" in self.__dict__:
            self.sandbox.close()
        if "mirrored" in self.__dict__:
            for each in self.mirrored:
                each.close()
        if "backend" in self.__dict__:
            self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@cache
def default() -> Runpin:
    """Return this process's core, wired from the environment and the settings file on the first call."""
    return Runpin.open()
