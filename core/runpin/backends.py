"""
What a store's URL leads to: one table, from the scheme to the adapters behind it.

Each adapter is imported when it is first asked for, because each brings a library of its own.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from runpin.ports import ChannelStore, History, PinLedger, Quarantine, RunSearch, SnapshotStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpin.database.engine import Database
    from runpin.etcd.cluster import Cluster
    from runpin.ports import Clock, Reactions


class Store(SnapshotStore, ChannelStore, History, Protocol):
    """Snapshots, channels and their history, in one place."""


class Ledger(PinLedger, Quarantine, RunSearch, Protocol):
    """Pins, how they are found, and the quarantine that fences them, in one place."""


class Backend(Protocol):
    """A server, or a file, that holds everything; nothing is contacted before the first question."""

    @property
    def store(self) -> Store:
        """Snapshots, channels and their history."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Pins and the quarantine."""
        ...

    @property
    def reactions(self) -> Reactions:
        """The record of what followed from a channel's moves."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...


class SqlBackend:
    """A SQL database: SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @cached_property
    def store(self) -> Store:
        """Snapshots, channels and their history."""
        from runpin.stores.sql import SqlStore

        return SqlStore(self.database)

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

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self.database.close()


class EtcdBackend:
    """An etcd cluster, and the keys below one prefix of it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @cached_property
    def store(self) -> Store:
        """Snapshots, channels and their history."""
        from runpin.stores.etcd import EtcdStore

        return EtcdStore(self.cluster)

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

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self.cluster.close()


def _sql(url: str, clock: Clock, upgrade: bool) -> SqlBackend:  # noqa: FBT001 - one shape for all openers
    from runpin.database.engine import Database

    return SqlBackend(Database.open(url, clock=clock, upgrade=upgrade))


def _etcd(url: str, clock: Clock, _upgrade: bool) -> EtcdBackend:  # noqa: FBT001 - one shape for all openers
    from runpin.etcd.cluster import Cluster

    return EtcdBackend(Cluster.open(url, clock=clock))


def _sql_address(url: str) -> str:
    from runpin.database.address import parse

    return parse(url).where


def _etcd_address(url: str) -> str:
    from runpin.etcd.address import parse

    return parse(url).where


_OPENERS: dict[str, Callable[[str, Clock, bool], Backend]] = {"etcd": _etcd, "etcds": _etcd}
_ADDRESSES: dict[str, Callable[[str], str]] = {"etcd": _etcd_address, "etcds": _etcd_address}


def scheme_of(url: str) -> str:
    """Return the scheme that a store's URL begins with, in lower case; empty if it has none."""
    scheme, colon, _ = url.partition(":")
    return scheme.lower() if colon else ""


def open_backend(url: str, clock: Clock, *, upgrade: bool) -> Backend:
    """
    Return what *url* leads to.

    Args:
        url: a store's URL; schemes that are not of another adapter are left to SQLAlchemy.
        clock: stamps the records and measures deadlines.
        upgrade: make or update the tables on first use, where there are tables.

    Raises:
        SettingsError: the URL cannot be used, or a library is missing.
    """
    return _OPENERS.get(scheme_of(url), _sql)(url, clock, upgrade)


def shown_address(url: str) -> str:
    """
    Return a store's URL as it may be printed, without what it keeps secret.

    Raises:
        SettingsError: the URL cannot be used.
    """
    return _ADDRESSES.get(scheme_of(url), _sql_address)(url)
