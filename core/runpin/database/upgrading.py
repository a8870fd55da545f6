"""
Brings the tables up to date, once, however many processes find them old at the same moment.

Migrations add and never take away: what an older release wrote and reads stays where it is, so that its running
processes go on while newer ones start.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily
from sqlalchemy.exc import DBAPIError  # noqa: TID253 - this adapter is imported lazily

from runpin.database.backend import Backend
from runpin.database.connections import Lease
from runpin.database.schema import SCHEMA_VERSION, VERSION_TABLE
from runpin.database.wire import Held
from runpin.errors import StoreOutdated

MIGRATIONS = Path(__file__).parent / "migrations"

_VERSION = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - our own constant
_one = Lock()  # alembic keeps its present migration in module variables


def require_schema(lease: Lease, backend: Backend, *, upgrade: bool, where: str) -> None:
    """
    Check that the tables are those of this release, making or updating them if *upgrade* says so.

    Raises:
        StoreOutdated: they are newer, or older and *upgrade* is false.
    """
    if _fits(_installed(lease, backend), where):
        return
    if not upgrade:
        raise StoreOutdated(
            f"the database's tables are older than this release, which needs version {SCHEMA_VERSION}",
            where=where,
            fix="run `runpin store upgrade`",
        )
    with _one, backend.turn():
        lease.core.begin()
        backend.begin(lease.driver, Held.of("schema"))
        if not _fits(_installed_meanwhile(lease), where):
            _migrate_as(lease.core, backend, where)
        lease.driver.commit()
        lease.core.rollback()


def _renew() -> None:
    # A fork may happen while another thread migrates; nobody would release the child's copy of the lock.
    global _one  # noqa: PLW0603 - there is one alembic in a process
    _one = Lock()


os.register_at_fork(after_in_child=_renew)


def _fits(installed: str | None, where: str) -> bool:
    if installed is not None and installed > SCHEMA_VERSION:
        raise StoreOutdated(
            f"the database's tables have version {installed}, this release knows {SCHEMA_VERSION}",
            where=where,
            fix="upgrade runpin on this host",
        )
    return installed == SCHEMA_VERSION


def _installed(lease: Lease, backend: Backend) -> str | None:
    try:
        rows = lease.driver.execute(_VERSION).fetchall()
    except backend.errors as error:
        if isinstance(backend.failure(error).error, StoreOutdated):
            return None
        raise
    return str(rows[0][0]) if rows else None


def _installed_meanwhile(lease: Lease) -> str | None:
    # A statement that fails would end PostgreSQL's transaction, and the lock with it.
    if not sa.inspect(lease.core).has_table(VERSION_TABLE):
        return None
    installed: str | None = lease.core.scalar(sa.text(_VERSION))
    return installed


def _migrate_as(connection: sa.Connection, backend: Backend, where: str) -> None:
    try:
        _migrate(connection)
    except DBAPIError as error:
        if error.orig is None or not backend.failure(error.orig).denied:
            raise
        raise StoreOutdated(
            "the database's tables are older than this release, and this user may not change them",
            where=where,
            fix="run `runpin store upgrade` with a user that has the role owner",
        ) from error


def _migrate(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
