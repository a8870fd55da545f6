"""The one place that picks adapters: settings in, a wired core out."""

from __future__ import annotations

from datetime import timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Self

from runpin.ancestry import ALONE
from runpin.clock import SystemClock
from runpin.counting import PinnedLately
from runpin.declining import Declined
from runpin.errors import SettingsError
from runpin.model import Behavior
from runpin.observing import switch
from runpin.pinning import Pinner
from runpin.reading import PinnedRun
from runpin.releasing import Releasing
from runpin.rerunning import FIRST
from runpin.resolving import Resolver
from runpin.watching import ChannelWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runpin.ancestry import Ancestry
    from runpin.asking import Asking
    from runpin.backends import Backend, Ledger, Store
    from runpin.breaking_glass import BreakGlass
    from runpin.changes import Watcher
    from runpin.database.engine import Database
    from runpin.followers import Mirrored
    from runpin.mirrors import Mirror, MirrorState
    from runpin.model import Channel, Pin, RunKey
    from runpin.overriding import Overriding
    from runpin.ports import Clock, SnapshotStore
    from runpin.proposing import Proposal
    from runpin.reacting import Reactor
    from runpin.repeating import Repeats
    from runpin.rerunning import Rerun
    from runpin.settings import Settings
    from runpin.stores.disk import DiskCache


class Runpin(Releasing):
    """
    The wired core: one per process and settings.

    Nothing is opened before it is used, so that a process whose backends are away still reads from its local cache.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        switch(on=settings.telemetry)
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
    def asking(self) -> Asking:
        """How this process asks its backends."""
        from runpin.asking import Asking

        return Asking(self.backend, self.settings, self.clock)

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
            circuit=self.asking.store,
            turns=self.asking.turns,
            bake=timedelta(seconds=self.settings.bake),
        )

    @cached_property
    def pinner(self) -> Pinner:
        """The pin protocol."""
        return Pinner(
            self.ledger,
            self.ledger,
            self.resolver,
            self.cache,
            self.clock,
            circuit=self.asking.ledger,
            repeats=lambda: self.repeats,
            history=self.store,
            glass=self.glass,
            declined=Declined(lambda: self.backend.reactions, self.clock),
        )

    @property
    def glass(self) -> BreakGlass | None:
        """What an operator names in a file of this host; None where no file is named."""
        if self.settings.break_glass is None:
            return None
        from runpin.breaking_glass import BreakGlass

        return BreakGlass(self.settings.break_glass, self.resolver, self.clock)

    @cached_property
    def repeats(self) -> Repeats:
        """What cleared runs use."""
        from runpin.repeating import Repeats

        return Repeats(self.ledger, self.backend.reactions, self.backend.overrides, self.clock)

    @cached_property
    def reactor(self) -> Reactor:
        """What follows from a channel's moves, each once."""
        from runpin.reacting import Reactor

        return Reactor(self.backend.reactions, self.resolver, self.ledger, self.clock)

    @cached_property
    def overriding(self) -> Overriding:
        """What operators name for single runs."""
        from runpin.overriding import Overriding

        return Overriding(self.ledger, self.store, self.ledger, self.backend.overrides, self.clock)

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
            open_watcher=self._watcher if self.settings.push else None,
            slow_interval=max(self.settings.refresh_interval, self.settings.push_refresh_interval),
        )

    def _watcher(self) -> Watcher | None:
        return self.backend.watcher(self.settings.environment, self.settings.tenant)

    def run(
        self,
        key: RunKey,
        proposal: Proposal | None = None,
        behavior: Behavior = Behavior.PINNED,
        ancestry: Ancestry = ALONE,
        on_pin: Callable[[Pin], None] | None = None,
        rerun: Rerun = FIRST,
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
            rerun=rerun,
            on_pin=on_pin,
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
