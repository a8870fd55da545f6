"""
Where the database is, read from a URL without ever showing what the URL holds.

A malformed URL may carry its password in any part, so no error here repeats a piece of it or keeps its cause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url  # noqa: TID253 - this adapter is imported lazily
from sqlalchemy.exc import ArgumentError  # noqa: TID253 - this adapter is imported lazily

from runpin.errors import SettingsError

_POSTGRESQL = frozenset({"postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"})
_HOST = re.compile(r"[A-Za-z0-9_.:%-]*")
_EXAMPLES = "write sqlite:////absolute/path/runpin.db or postgresql://user:password@host:5432/database"


@dataclass(frozen=True, slots=True)
class Address:
    """
    A database's address.

    `file` is the absolute path for SQLite and None for PostgreSQL.
    The text form, also `where`, names host and database and nothing else.
    """

    url: URL
    file: Path | None

    @property
    def where(self) -> str:
        """What an error may say about the address."""
        if self.file is not None:
            return str(self.file)
        hosts = self.url.query.get("host", ())
        several = (hosts,) if isinstance(hosts, str) else hosts
        host = ",".join(several) or self.url.host or "localhost"
        port = f":{self.url.port}" if self.url.port else ""
        return f"postgresql://{host}{port}/{self.url.database or ''}"

    def __str__(self) -> str:
        return self.where

    def __repr__(self) -> str:
        return f"Address({self.where})"


def parse(url: str) -> Address:
    """
    Read the address of a database.

    Raises:
        SettingsError: it is malformed, or not of SQLite or PostgreSQL.
    """
    parsed = _split(url)
    if parsed is None:
        raise _unusable("the URL of the database is malformed")
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        return _sqlite(parsed)
    if parsed.drivername in _POSTGRESQL:
        return Address(parsed.set(drivername="postgresql+psycopg"), None)
    raise _unusable("the URL of the database names neither SQLite nor PostgreSQL")


def _split(url: str) -> URL | None:
    # Raising in here would tie the cause, which quotes the URL, to our error.
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    # An '@' that was not escaped leaves the tail of the password in front of the host.
    return parsed if _HOST.fullmatch(parsed.host or "") else None


def _sqlite(url: URL) -> Address:
    if url.host or url.query or url.username:
        raise _unusable("the URL of an SQLite database holds a path and nothing else")
    if not url.database or url.database == ":memory:":
        raise _unusable("an SQLite database that is shared between processes needs a file")
    file = Path(url.database).expanduser().absolute()
    return Address(URL.create("sqlite+pysqlite", database=str(file)), file)


def _unusable(what: str) -> SettingsError:
    return SettingsError(what, where="store_url", fix=_EXAMPLES)
