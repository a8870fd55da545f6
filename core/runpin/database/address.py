"""
Where the database is, read from a URL without ever showing what the URL holds.

A malformed URL may carry its password in any part, so no error here repeats a piece of it or keeps its cause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from sqlalchemy.engine import URL, make_url  # noqa: TID253 - this adapter is imported lazily
from sqlalchemy.exc import ArgumentError  # noqa: TID253 - this adapter is imported lazily

from runpin.errors import SettingsError

_POSTGRESQL = frozenset({"postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"})
_HOST = re.compile(r"[A-Za-z0-9_.:%-]*")
_SEVERAL = re.compile(
    r"(?P<login>[\w+]+://(?:[^:/@]*(?::[^@]*)?@)?)(?P<hosts>[^/?@]*,[^/?@]*)(?:$|/|(?=\?))(?P<rest>.*)", re.DOTALL
)
_NODE = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|/[^,:]*|[A-Za-z0-9_.%-]*)(?::(?P<port>[0-9]{1,5}))?")
_EXAMPLES = "write sqlite:////absolute/path/runpin.db or postgresql://user:password@host:5432/database"


@dataclass(frozen=True, slots=True)
class Address:
    """
    A database's address.

    `file` is the absolute path for SQLite and None for PostgreSQL.
    The text form, also `where`, names hosts and database and nothing else.
    """

    url: URL
    file: Path | None

    @property
    def where(self) -> str:
        """What an error may say about the address."""
        if self.file is not None:
            return str(self.file)
        return f"postgresql://{','.join(self.nodes)}/{self.url.database or ''}"

    @property
    def nodes(self) -> tuple[str, ...]:
        """The servers, of which one is the primary, in the order in which they are tried."""
        hosts, ports = (_listed(self.url.query.get(name, ())) for name in ("host", "port"))
        if not hosts:
            hosts, ports = [self.url.host or "localhost"], [str(self.url.port or "")]
        return tuple(
            f"{_bracketed(host)}:{port}" if port else _bracketed(host) for host, port in zip_longest(hosts, ports)
        )

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
        return Address(_with_nodes(parsed.set(drivername="postgresql+psycopg")), None)
    raise _unusable("the URL of the database names neither SQLite nor PostgreSQL")


def _split(url: str) -> URL | None:
    # Raising in here would tie the cause, which quotes the URL, to our error.
    several = _SEVERAL.fullmatch(url)
    try:
        parsed = make_url(url if several is None else f"{several['login']}/{several['rest']}")
    except (ArgumentError, ValueError):
        return None
    if several is not None:
        return parsed.update_query_dict({"host": several["hosts"]})
    # An '@' that was not escaped leaves the tail of the password in front of the host.
    return parsed if _HOST.fullmatch(parsed.host or "") else None


def _with_nodes(url: URL) -> URL:
    """Return *url* with its hosts and ports as libpq lists them, if it has more than one or names them in its query."""
    tokens, ports = (_listed(url.query.get(name, ())) for name in ("host", "port"))
    if not tokens:
        return url
    nodes = [_NODE.fullmatch(token) for token in tokens]
    fitting = len(ports) in {0, 1, len(nodes)} and all(port.isdecimal() for port in ports if port)
    if None in nodes or not fitting:
        raise _unusable("the URL of the database lists hosts and ports that do not fit together")
    hosts = [node["host"].strip("[]") for node in nodes if node is not None]
    given = [node["port"] or "" for node in nodes if node is not None]
    ports = ports * len(nodes) if len(ports) == 1 else ports or given
    listed = {"host": ",".join(hosts)}
    if len(hosts) > 1 or any(ports):
        listed["port"] = ",".join(port or "5432" for port in ports)
    return url.difference_update_query(["host", "port"]).update_query_dict(listed)


def _listed(given: str | Sequence[str]) -> list[str]:
    return given.split(",") if isinstance(given, str) else [part for each in given for part in each.split(",")]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _sqlite(url: URL) -> Address:
    if url.host or url.query or url.username:
        raise _unusable("the URL of an SQLite database holds a path and nothing else")
    if not url.database or url.database == ":memory:":
        raise _unusable("an SQLite database that is shared between processes needs a file")
    file = Path(url.database).expanduser().absolute()
    return Address(URL.create("sqlite+pysqlite", database=str(file)), file)


def _unusable(what: str) -> SettingsError:
    return SettingsError(what, where="store_url", fix=_EXAMPLES)
