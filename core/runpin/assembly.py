"""The one place that picks adapters: settings in, a wired core out."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Self

from runpin.ancestry import ALONE
from runpin.clock import SystemClock
from runpin.model import Behavior
from runpin.pinning import Pinner
from runpin.reading import PinnedRun
from runpin.resolving import Resolver
from runpin.watching import ChannelWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpin.ancestry import Ancestry
    from runpin.checking import Check
    from runpin.database.engine import Database
    from runpin.ledgers.sql import SqlLedger
    from runpin.model import Pin, RunKey
    from runpin.ports import Clock, Source
    from runpin.proposing import Proposal
    from runpin.reacting import Reactor
    from runpin.sandbox import Sandbox
    from runpin.settings import Settings
    from runpin.stores.disk import DiskCache
    from runpin.stores.sql import SqlStore


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
    def database(self) -> Database:
        """The database that holds snapshots, channels and pins."""
        from runpin.database.engine import Database

        url = self.settings.store_url.get_secret_value()
        return Database.open(url, clock=self.clock, upgrade=self.settings.store_upgrade)

    @cached_property
    def store(self) -> SqlStore:
        """Snapshots, channels and their history."""
        from runpin.stores.sql import SqlStore

        return SqlStore(self.database)

    @cached_property
    def ledger(self) -> SqlLedger:
        """Pins and the quarantine."""
        from runpin.ledgers.sql import SqlLedger

        return SqlLedger(self.database)

    @cached_property
    def cache(self) -> DiskCache:
        """What this host remembers."""
        from runpin.stores.disk import DiskCache

        return DiskCache(self.settings.cache_folder, clock=self.clock)

    @cached_property
    def resolver(self) -> Resolver:
        """From channels to documents."""
        return Resolver(self.store, self.store, self.cache, self.clock)

    @cached_property
    def pinner(self) -> Pinner:
        """The pin protocol."""
        return Pinner(self.ledger, self.ledger, self.resolver, self.cache, self.clock)

    @cached_property
    def reactor(self) -> Reactor:
        """What follows from a channel's moves, each once."""
        from runpin.ledgers.reactions import SqlReactions
        from runpin.reacting import Reactor

        return Reactor(SqlReactions(self.database), self.resolver, self.ledger, self.clock)

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

    def close(self) -> None:
        """End the background thread, the child process and the connections of this process."""
        if "watch" in self.__dict__:
            self.watch.stop()
        if "sandbox" in self.__dict__:
            self.sandbox.close()
        if "database" in self.__dict__:
            self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@cache
def default() -> Runpin:
    """Return this process's core, wired from the environment and the settings file on the first call."""
    return Runpin.open()
