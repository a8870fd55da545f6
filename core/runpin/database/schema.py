"""
The tables, as every statement of the store and the ledger sees them.

They are made by the migrations, never from here; a test compares the two.
Text and integers only, so that a row means the same to SQLite, PostgreSQL and a bare driver.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily

SCHEMA_VERSION = "0003"
"""The newest migration; versions are compared as text."""

VERSION_TABLE = "runpin_schema_version"

metadata = sa.MetaData()

_UNSAFE = re.compile("[\\\\\x00\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")


def stored_text(text: str) -> str:
    r"""Return *text* as any database takes it: NUL, lone surrogates and `\` become `\uXXXX`."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) if _UNSAFE.search(text) else text


def told_text(text: str) -> str:
    """Return the text that `stored_text` was given."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "\\" in text else text


def stored_moment(moment: datetime) -> str:
    """Return *moment*, which is aware, as UTC text that sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class AnyText(sa.TypeDecorator[str]):
    """Text that came from people, engines or commits and may hold any character."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: sa.Dialect) -> str | None:
        """Escape what a database would refuse."""
        return None if value is None else stored_text(value)

    def process_result_value(self, value: str | None, _dialect: sa.Dialect) -> str | None:
        """Undo the escaping."""
        return None if value is None else told_text(value)


class Moment(sa.TypeDecorator[datetime]):
    """An aware moment, kept as ISO 8601 text in UTC with microseconds."""

    impl = sa.String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: sa.Dialect) -> str | None:
        """Write the moment in UTC."""
        return None if value is None else stored_moment(value)

    def process_result_value(self, value: str | None, _dialect: sa.Dialect) -> datetime | None:
        """Read an aware moment."""
        return None if value is None else datetime.fromisoformat(value)


def _scope() -> list[sa.Column[Any]]:
    return [
        sa.Column("application", sa.String(24), nullable=False),
        sa.Column("environment", sa.String(14), nullable=False),
        sa.Column("tenant", sa.String(40), nullable=False),
    ]


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True)


def _snapshot_key() -> sa.ForeignKeyConstraint:
    columns = ["application", "environment", "sequence"]
    return sa.ForeignKeyConstraint(columns, [f"runpin_snapshot.{column}" for column in columns])


objects = sa.Table(
    "runpin_object",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

snapshots = sa.Table(
    "runpin_snapshot",
    metadata,
    *_scope(),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), sa.ForeignKey("runpin_object.digest"), nullable=False),
    sa.PrimaryKeyConstraint("application", "environment", "sequence"),
    sa.UniqueConstraint("application", "environment", "tenant", "digest", name="runpin_snapshot_once"),
)

publications = sa.Table(
    "runpin_publication",
    metadata,
    _id(),
    *_scope(),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("sha", AnyText, nullable=False),
    sa.Column("repository", AnyText, nullable=False),
    sa.Column("ref", AnyText, nullable=False),
    sa.Column("author", AnyText, nullable=False),
    sa.Column("message", AnyText, nullable=False),
    sa.Column("committed_at", Moment, nullable=False),
    sa.Column("reproducible", sa.Boolean, nullable=False),
    sa.Column("actor", AnyText, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("operation", sa.String(32), nullable=False, unique=True),
    _snapshot_key(),
    sa.Index("runpin_publication_of", "application", "environment", "tenant", "id"),
)

channels = sa.Table(
    "runpin_channel",
    metadata,
    *_scope(),
    sa.Column("name", sa.String(40), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("moved_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("environment", "tenant", "application", "name"),
    _snapshot_key(),
    sqlite_with_rowid=False,
)

moves = sa.Table(
    "runpin_channel_move",
    metadata,
    *_scope(),
    sa.Column("name", sa.String(40), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("previous_sequence", sa.Integer),
    sa.Column("previous_digest", sa.String(64)),
    sa.Column("actor", AnyText, nullable=False),
    sa.Column("reason", AnyText, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("operation", sa.String(32), nullable=False, unique=True),
    sa.PrimaryKeyConstraint("environment", "tenant", "application", "name", "revision"),
)

pins = sa.Table(
    "runpin_pin",
    metadata,
    sa.Column("pin_key", sa.String(64), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("engine", sa.Text, nullable=False),
    sa.Column("deployment", sa.Text, nullable=False),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("incarnation", sa.Text, nullable=False),
    *_scope(),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer),
    sa.Column("asked", sa.String(16), nullable=False),
    sa.Column("confirmed", sa.Boolean, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("pin_key", "epoch"),
    sa.Index("runpin_pin_of_snapshot", "application", "environment", "sequence", "at", "pin_key", "epoch"),
    sqlite_with_rowid=False,
)
# An index entry of PostgreSQL holds at most about 2,700 bytes, and a run id may be longer than that.
sa.Index("runpin_pin_of_run", sa.func.substr(pins.c.run_id, 1, 200), sa.func.substr(pins.c.job, 1, 200))

quarantine = sa.Table(
    "runpin_quarantine",
    metadata,
    sa.Column("application", sa.String(24), nullable=False),
    sa.Column("environment", sa.String(14), nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("short", sa.String(12), nullable=False),
    sa.Column("actor", AnyText, nullable=False),
    sa.Column("reason", AnyText, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("environment", "application", "sequence", "short"),
    sqlite_with_rowid=False,
)

quarantine_events = sa.Table(
    "runpin_quarantine_event",
    metadata,
    _id(),
    sa.Column("application", sa.String(24), nullable=False),
    sa.Column("environment", sa.String(14), nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("short", sa.String(12), nullable=False),
    sa.Column("event", sa.String(8), nullable=False),
    sa.Column("actor", AnyText, nullable=False),
    sa.Column("reason", AnyText, nullable=False),
    sa.Column("at", Moment, nullable=False),
)

reactions = sa.Table(
    "runpin_reaction",
    metadata,
    sa.Column("reaction_key", sa.String(64), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("engine", AnyText, nullable=False),
    sa.Column("deployment", AnyText, nullable=False),
    sa.Column("name", AnyText, nullable=False),
    *_scope(),
    sa.Column("channel", AnyText, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("since_sequence", sa.Integer),
    sa.Column("since_short", sa.String(12)),
    sa.Column("at", Moment, nullable=False),
    sa.Column("outcome", AnyText),
    sa.PrimaryKeyConstraint("reaction_key", "revision"),
    sqlite_with_rowid=False,
)

overrides = sa.Table(
    "runpin_override",
    metadata,
    sa.Column("pin_key", sa.String(64), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    *(sa.Column(name, AnyText, nullable=False) for name in ("engine", "deployment", "job", "run_id", "incarnation")),
    *_scope(),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("since_sequence", sa.Integer, nullable=False),
    sa.Column("since_digest", sa.String(64), nullable=False),
    sa.Column("since_named", sa.Boolean, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("partial", sa.Boolean, nullable=False),
    sa.Column("actor", AnyText, nullable=False),
    sa.Column("reason", AnyText, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("outcome", AnyText),
    sa.PrimaryKeyConstraint("pin_key", "number"),
    sqlite_with_rowid=False,
)
