"""
The roles of a PostgreSQL deployment: who reads, who pins, who publishes, who owns the tables.

The grants are written in `roles.sql`, which a database administrator reads and runs; nothing here runs it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

from runpin.errors import SettingsError

ROLES = Path(__file__).with_name("roles.sql")

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_ROLE = re.compile(r"\brunpin_(?=(?:owner|reader|runner|publisher)\b)")
_SCHEMA = re.compile(r"\bpublic\b")


class Role(StrEnum):
    """What a user of the database is there for."""

    READER = "reader"
    RUNNER = "runner"
    PUBLISHER = "publisher"
    OWNER = "owner"


def roles_sql(prefix: str = "runpin", schema: str = "public") -> str:
    """
    Return the statements that make the roles and grant each what it needs.

    Args:
        prefix: begins the names of the roles, which are those of a whole server: one for each deployment on it.
        schema: holds the tables.

    Raises:
        SettingsError: one of them is no plain name.
    """
    for where, name in (("prefix", prefix), ("schema", schema)):
        if not _NAME.fullmatch(name) or name.startswith("pg_"):
            fix = "choose up to 40 small letters, digits and underscores, not beginning with pg_ or a digit"
            raise SettingsError(f"{name!r} cannot begin a role's name or name a schema", where=where, fix=fix)
    return _SCHEMA.sub(schema, _ROLE.sub(f"{prefix}_", ROLES.read_text(encoding="utf-8")))


def needed_for(table: str) -> Role:
    """Return the role that may write to *table*."""
    return _WRITERS.get(table, Role.PUBLISHER)


_WRITERS = {
    "runpin_pin": Role.RUNNER,
    "runpin_put": Role.RUNNER,
    "runpin_reaction": Role.RUNNER,
    "runpin_schema_version": Role.OWNER,
}
