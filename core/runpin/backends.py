"""
What a store's URL leads to: one table, from the scheme to the adapters behind it.

Each adapter is imported when it is first asked for, because each brings a library of its own.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from runpin.azure_backend import AzureBackend
from runpin.capabilities import Capabilities
from runpin.errors import SettingsError
from runpin.mirrors import Replica
from runpin.ports import ChannelStore, History, PinLedger, Quarantine, RunSearch, SnapshotStore, Tenancy

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpin.changes import Watcher
    from runpin.database.engine import Database
    from runpin.etcd.cluster import Cluster
    from runpin.mirrors import Mirror
    from runpin.ports import Clock, Overrides, Reactions


class Store(SnapshotStore, ChannelStore, History, Tenancy, Protocol):
    """Snapshots, channels and their history, in one place."""


class Follower(SnapshotStore, ChannelStore, History, Tenancy, Replica, Protocol):
    """The same, and it can be brought to where another store stands."""


class Ledger(PinLedger, Quarantine, RunSearch, Protocol):
    """Pins, how they are found, and the quarantine that fences them, in one place."""


class Backend(Protocol):
    """A server, or a file, that holds everything; nothing is contacted before the first question."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def store(self) -> Store:
        """Snapshots, channels and their history."""
        ...

    @property
    def replica(self) -> Follower:
        """The same store as what follows another one."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Pins and the quarantine."""
        ...

    @property
    def reactions(self) -> Reactions:
        """The record of what followed from a channel's moves."""
        ...

    @property
    def overrides(self) -> Overrides:
        """What operators want of single runs."""
        ...

    def watcher(self, environment: str, tenant: str | None) -> Watcher | None:
        """Return what tells of changes there, None where it has to be asked at an interval."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...


class SqlBackend:
    """A SQL database: SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @property
    def capabilities(self) -> Capabilities:
        """All of them; only a server pushes, and only a file is local."""
        return Capabilities(pins=True, pushes=not self.database.is_file, fresh=True, local=self.database.is_file)

    @cached_property
    def store(self) -> Store:
        """Snapshots, channels and their history."""
        from runpin.stores.sql import SqlStore

        return SqlStore(self.database)

    @cached_property
    def replica(self) -> Follower:
        """The same store as what follows another one."""
        from runpin.stores.sql_replica import SqlReplica

        return SqlReplica(self.database)

    @cached_property
    def ledger(self) -> Ledger:
        """Pins and the quarantine."""
        from runpin.ledgers.sql import SqlLedger

        return SqlLedger(self.database)

    @cached_property
    def reactions(self) -> Reactions:
        """The record of what followed from a channel's moves."""
        from runpin.ledgers.reactions import SqlReactions

        return SqlReactions(self.database)

    @cached_property
    def overrides(self) -> Overrides:
        """What operators want of single runs."""
        from runpin.ledgers.overrides import SqlOverrides

        return SqlOverrides(self.database)

    def watcher(self, environment: str, tenant: str | None) -> Watcher | None:
        """Return what listens to PostgreSQL; SQLite pushes nothing."""
        if self.database.is_file:
            return None
        from runpin.database.notifying import PostgresWatcher

        return PostgresWatcher(self.database, environment, tenant)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self.database.close()


class EtcdBackend:
    """An etcd cluster, and the keys below one prefix of it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @property
    def capabilities(self) -> Capabilities:
        """All of them, but that it is no file."""
        return Capabilities(pins=True, pushes=True, fresh=True, local=False)

    @cached_property
    def store(self) -> Store:
        """Snapshots, channels and their history."""
        from runpin.stores.etcd import EtcdStore

        return EtcdStore(self.cluster)

    @cached_property
    def replica(self) -> Follower:
        """The same store as what follows another one."""
        from runpin.stores.etcd_replica import EtcdReplica

        return EtcdReplica(self.cluster)

    @cached_property
    def ledger(self) -> Ledger:
        """Pins and the quarantine."""
        from runpin.ledgers.etcd import EtcdLedger

        return EtcdLedger(self.cluster)

    @cached_property
    def reactions(self) -> Reactions:
        """The record of what followed from a channel's moves."""
        from runpin.ledgers.etcd_reactions import EtcdReactions

        return EtcdReactions(self.cluster)

    @cached_property
    def overrides(self) -> Overrides:
        """What operators want of single runs."""
        from runpin.ledgers.etcd_overrides import EtcdOverrides

        return EtcdOverrides(self.cluster)

    def watcher(self, environment: str, tenant: str | None) -> Watcher | None:
        """Return what watches the cluster."""
        from runpin.etcd.changes import EtcdWatcher

        return EtcdWatcher(self.cluster, environment, tenant)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self.cluster.close()


def _sql(url: str, clock: Clock, upgrade: bool) -> SqlBackend:  # noqa: FBT001 - one shape for all openers
    from runpin.database.engine import Database

    return SqlBackend(Database.open(url, clock=clock, upgrade=upgrade))


def _etcd(url: str, clock: Clock, _upgrade: bool) -> EtcdBackend:  # noqa: FBT001 - one shape for all openers
    from runpin.etcd.cluster import Cluster

    return EtcdBackend(Cluster.open(url, clock=clock))


def _azure(url: str, clock: Clock, connection_string: str | None, beside: Backend) -> AzureBackend:
    from runpin.azure_appconfig.endpoint import Endpoint

    return AzureBackend(Endpoint.open(url, clock=clock, connection_string=connection_string), beside)


def _sql_address(url: str) -> str:
    from runpin.database.address import parse

    return parse(url).where


def _etcd_address(url: str) -> str:
    from runpin.etcd.address import parse

    return parse(url).where


def _azure_address(url: str) -> str:
    from runpin.azure_appconfig.address import parse

    return parse(url).where


def _aws_address(url: str) -> str:
    from runpin.aws_appconfig.address import parse

    return parse(url).where


_OPENERS: dict[str, Callable[[str, Clock, bool], Backend]] = {"etcd": _etcd, "etcds": _etcd}
_ADDRESSES: dict[str, Callable[[str], str]] = {
    "etcd": _etcd_address,
    "etcds": _etcd_address,
    "azure-appconfig": _azure_address,
    "aws-appconfig": _aws_address,
}

STORES_ONLY = frozenset({"azure-appconfig"})
"""The schemes of backends that cannot be a ledger: no transaction spans two of their keys, and reads may be old."""


MIRRORS_ONLY = frozenset({"aws-appconfig"})
"""The schemes that are no store: what lies there follows a store, and nobody pins by it."""


def scheme_of(url: str) -> str:
    """Return the scheme that a store's URL begins with, in lower case; empty if it has none."""
    scheme, colon, _ = url.partition(":")
    return scheme.lower() if colon else ""


def open_backend(
    url: str, clock: Clock, *, upgrade: bool, ledger: str | None = None, connection_string: str | None = None
) -> Backend:
    """
    Return what *url* leads to.

    Args:
        url: a store's URL; schemes that are not of another adapter are left to SQLAlchemy.
        clock: stamps the records and measures deadlines.
        upgrade: make or update the tables on first use, where there are tables.
        ledger: the URL of the ledger, needed where the store cannot be one and refused where it is.
        connection_string: what lets us into an Azure store whose URL says so.

    Raises:
        SettingsError: the URL cannot be used, or a library is missing.
    """
    if {scheme_of(url), scheme_of(ledger or "")} & MIRRORS_ONLY:
        fix = "add its URL to RUNPIN_MIRRORS, and RUNPIN_STORE to what holds the channels"
        raise SettingsError("AWS AppConfig is a mirror, neither store nor ledger", where="store", fix=fix)
    if scheme_of(url) not in STORES_ONLY:
        if ledger is not None:
            fix = "unset RUNPIN_LEDGER"
            raise SettingsError("this store is its own ledger, and takes no other beside it", where="ledger", fix=fix)
        return _OPENERS.get(scheme_of(url), _sql)(url, clock, upgrade)
    if ledger is None or scheme_of(ledger) in STORES_ONLY:
        fix = "set RUNPIN_LEDGER to a PostgreSQL or etcd URL, the same on all hosts, or to SQLite if there is one host"
        raise SettingsError("Azure App Configuration cannot hold pins", where="ledger", fix=fix)
    beside = _OPENERS.get(scheme_of(ledger), _sql)(ledger, clock, upgrade)
    return open_beside(url, clock, beside, upgrade=upgrade, connection_string=connection_string)


def open_beside(
    url: str, clock: Clock, beside: Backend, *, upgrade: bool, connection_string: str | None = None
) -> Backend:
    """
    Return the store that *url* leads to, where *beside* has the pins if the store can have none.

    Raises:
        SettingsError: the URL cannot be used, or a library is missing.
    """
    if scheme_of(url) in STORES_ONLY:
        return _azure(url, clock, connection_string, beside)
    return _OPENERS.get(scheme_of(url), _sql)(url, clock, upgrade)


def ledger_of(backend: Backend) -> Backend:
    """Return the backend that holds the ledger: the given one, or the one beside it."""
    return backend.beside if isinstance(backend, AzureBackend) else backend


def native_of(backend: Backend) -> tuple[Mirror, ...]:
    """Return what brings the own readers of a service to where channels stand; nothing where nobody asked for it."""
    native = backend.native if isinstance(backend, AzureBackend) else None
    return () if native is None else (native,)


def shown_address(url: str) -> str:
    """
    Return a store's URL as it may be printed, without what it keeps secret.

    Raises:
        SettingsError: the URL cannot be used.
    """
    return _ADDRESSES.get(scheme_of(url), _sql_address)(url)
