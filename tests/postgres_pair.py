"""A PostgreSQL server and a standby that follows it, both of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg  # noqa: TID253 - tests of PostgreSQL need it at once

from demo.processes import wait_until
from postgres_server import PostgresServer, server_of_its_own
from runpin.clock import SystemClock
from runpin.database.engine import Database

NAME = "runpin"
"""The database of both."""

SECONDS = 120.0


class Pair:
    """
    A primary and its standby.

    Attributes:
        url: names both, the primary first.
    """

    def __init__(self, primary: PostgresServer, standby: PostgresServer) -> None:
        self.primary = primary
        self.standby = standby
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        self.url = f"postgresql://runpin@{hosts}/{NAME}"

    def opened(self, url: str = "", patience: float = 5.0) -> Database:
        """Return the database, wherever it is."""
        return Database.open(url or self.url, clock=SystemClock(), patience=patience)

    def fail_over(self) -> None:
        """Kill the primary, and make the standby one."""
        self.primary.kill()
        self.standby.promote()

    def wait_until_streaming(self) -> None:
        """Wait until the standby follows the primary's log."""
        query = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        assert wait_until(lambda: self._asked(query) == 1, SECONDS)

    def wait_until_alike(self) -> None:
        """Wait until the standby has replayed whatever the primary has written."""
        query = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()"
        assert wait_until(lambda: self._asked(query) == 1, SECONDS)

    def _asked(self, query: str) -> object:
        with psycopg.connect(self.primary.url("postgres"), autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        return None if row is None else row[0]


@contextmanager
def pair_of(programs: Path, *, fsync: str = "off", **settings: str) -> Iterator[Pair]:
    """Give a primary with *settings*, whose database has runpin's tables, and a standby that streams from it."""
    with ExitStack() as running:
        primary = running.enter_context(server_of_its_own(programs))
        primary.start()
        primary.execute(f"CREATE DATABASE {NAME}")
        with Database.open(primary.url(NAME), clock=SystemClock()) as database:
            database.ready()
        standby = running.enter_context(server_of_its_own(programs, primary))
        primary.stop()
        primary.start(fsync=fsync, **settings)
        standby.start(fsync=fsync)
        pair = Pair(primary, standby)
        pair.wait_until_streaming()
        yield pair
