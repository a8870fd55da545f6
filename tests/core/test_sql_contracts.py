"""Store and ledger keep their contracts on SQLite and on PostgreSQL, by the same code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.ledgers.sql import SqlLedger
from runpin.stores.sql import SqlStore
from runpin.testing.contracts import LedgerContract, StoreContract


def opened(url: str) -> Iterator[Database]:
    """Yield the database at *url*, and close it."""
    with Database.open(url, clock=SystemClock()) as database:
        yield database


class OnSqlite:
    """Brings a new file."""

    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        """Return a database without any table yet."""
        yield from opened(f"sqlite:///{tmp_path}/runpin.db")


@pytest.mark.postgres
class OnPostgres:
    """Brings a new database of the session's server."""

    @pytest.fixture
    def database(self, postgres_url: str) -> Iterator[Database]:
        """Return a database with tables."""
        yield from opened(postgres_url)


class SqlLedgerContract(LedgerContract):
    """The ledger, whatever the database."""

    @pytest.fixture
    def ledger(self, database: Database) -> SqlLedger:
        """Return an empty one."""
        return SqlLedger(database)


class SqlStoreContract(StoreContract):
    """The store, whatever the database."""

    @pytest.fixture
    def quarantine(self, database: Database) -> SqlLedger:
        """Return the ledger beside the store."""
        return SqlLedger(database)

    @pytest.fixture
    def store(self, database: Database) -> SqlStore:
        """Return an empty one."""
        return SqlStore(database)


class TestSqliteLedger(OnSqlite, SqlLedgerContract):
    """The embedded default."""


class TestSqliteStore(OnSqlite, SqlStoreContract):
    """The embedded default."""


class TestPostgresLedger(OnPostgres, SqlLedgerContract):
    """For a team."""


class TestPostgresStore(OnPostgres, SqlStoreContract):
    """For a team."""
