"""Make the first tables: objects, snapshots, channels, pins, quarantine, and the history of each."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa  # noqa: TID253 - only alembic imports this
from alembic import op  # noqa: TID253 - only alembic imports this

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Decides a pin in one round trip. Who is not the first to ask writes nothing and takes no lock. Each statement sees
# what was committed before it, the one after the lock most of all, so the isolation matters. The answer is nothing
# if the pin was written, a row of nulls if the snapshot is barred, and else the pin that is recorded.
_PUT = """
CREATE FUNCTION runpin_put(
    given_pin_key text, given_epoch integer, given_engine text, given_deployment text, given_job text,
    given_run_id text, given_incarnation text, given_application text, given_environment text, given_tenant text,
    given_sequence integer, given_digest text, given_channel text, given_revision integer, given_asked text,
    given_confirmed boolean, given_at text, given_short text, fence bigint
) RETURNS TABLE (
    epoch integer, sequence integer, digest text, channel text, revision integer, asked text, confirmed boolean, at text
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE 'runpin_put needs the isolation level read committed';
    END IF;
    RETURN QUERY
        SELECT epoch, sequence, digest::text, channel, revision, asked::text, confirmed, at::text
        FROM runpin_pin WHERE pin_key = given_pin_key ORDER BY epoch DESC LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(fence);
    INSERT INTO runpin_pin (
        pin_key, epoch, engine, deployment, job, run_id, incarnation, application, environment, tenant, sequence,
        digest, channel, revision, asked, confirmed, at
    )
    SELECT
        given_pin_key, given_epoch, given_engine, given_deployment, given_job, given_run_id, given_incarnation,
        given_application, given_environment, given_tenant, given_sequence, given_digest, given_channel,
        given_revision, given_asked, given_confirmed, given_at
    WHERE NOT EXISTS (
        SELECT 1 FROM runpin_quarantine
        WHERE application = given_application AND environment = given_environment
            AND sequence = given_sequence AND short = given_short
    )
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT epoch, sequence, digest::text, channel, revision, asked::text, confirmed, at::text
        FROM runpin_pin WHERE pin_key = given_pin_key ORDER BY epoch DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN NEXT;
    END IF;
END
$$
"""

_DIGEST = sa.String(64)
_MOMENT = sa.String(32)


def upgrade() -> None:
    """Make the tables."""
    op.create_table("runpin_object", sa.Column("digest", _DIGEST, primary_key=True), _given("body", sa.LargeBinary()))
    _snapshots()
    _channels()
    _pins()
    _quarantine()
    if op.get_context().dialect.name == "postgresql":
        op.execute(_PUT)


def _snapshots() -> None:
    op.create_table(
        "runpin_snapshot",
        *_scope(),
        _given("sequence", sa.Integer()),
        sa.Column("digest", _DIGEST, sa.ForeignKey("runpin_object.digest"), nullable=False),
        sa.PrimaryKeyConstraint("application", "environment", "sequence"),
        sa.UniqueConstraint("application", "environment", "tenant", "digest", name="runpin_snapshot_once"),
    )
    op.create_table(
        "runpin_publication",
        _id(),
        *_scope(),
        _given("sequence", sa.Integer()),
        _given("digest", _DIGEST),
        *(_given(name, sa.Text()) for name in ("sha", "repository", "ref", "author", "message")),
        _given("committed_at", _MOMENT),
        _given("reproducible", sa.Boolean()),
        _given("actor", sa.Text()),
        _given("at", _MOMENT),
        sa.Column("operation", sa.String(32), nullable=False, unique=True),
        _snapshot_key(),
    )
    op.create_index("runpin_publication_of", "runpin_publication", ["application", "environment", "tenant", "id"])


def _channels() -> None:
    op.create_table(
        "runpin_channel",
        *_pointer(),
        _given("moved_at", _MOMENT),
        sa.PrimaryKeyConstraint("environment", "tenant", "application", "name"),
        _snapshot_key(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "runpin_channel_move",
        *_pointer(),
        sa.Column("previous_sequence", sa.Integer()),
        sa.Column("previous_digest", _DIGEST),
        _given("actor", sa.Text()),
        _given("reason", sa.Text()),
        _given("at", _MOMENT),
        sa.Column("operation", sa.String(32), nullable=False, unique=True),
        sa.PrimaryKeyConstraint("environment", "tenant", "application", "name", "revision"),
    )


def _pins() -> None:
    op.create_table(
        "runpin_pin",
        _given("pin_key", _DIGEST),
        _given("epoch", sa.Integer()),
        *(_given(name, sa.Text()) for name in ("engine", "deployment", "job", "run_id", "incarnation")),
        *_scope(),
        _given("sequence", sa.Integer()),
        _given("digest", _DIGEST),
        _given("channel", sa.Text()),
        sa.Column("revision", sa.Integer()),
        _given("asked", sa.String(16)),
        _given("confirmed", sa.Boolean()),
        _given("at", _MOMENT),
        sa.PrimaryKeyConstraint("pin_key", "epoch"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "runpin_pin_of_snapshot",
        "runpin_pin",
        ["application", "environment", "sequence", "at", "pin_key", "epoch"],
    )
    op.create_index(
        "runpin_pin_of_run", "runpin_pin", [sa.text("substr(run_id, 1, 200)"), sa.text("substr(job, 1, 200)")]
    )


def _quarantine() -> None:
    op.create_table(
        "runpin_quarantine",
        *_barred(),
        sa.PrimaryKeyConstraint("environment", "application", "sequence", "short"),
        sqlite_with_rowid=False,
    )
    op.create_table("runpin_quarantine_event", _id(), *_barred(), _given("event", sa.String(8)))


def _given(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True)


def _scope() -> list[sa.Column[Any]]:
    return [
        _given("application", sa.String(24)),
        _given("environment", sa.String(14)),
        _given("tenant", sa.String(40)),
    ]


def _pointer() -> list[sa.Column[Any]]:
    return [
        *_scope(),
        _given("name", sa.String(40)),
        _given("revision", sa.Integer()),
        _given("sequence", sa.Integer()),
        _given("digest", _DIGEST),
    ]


def _barred() -> list[sa.Column[Any]]:
    return [
        _given("application", sa.String(24)),
        _given("environment", sa.String(14)),
        _given("sequence", sa.Integer()),
        _given("short", sa.String(12)),
        _given("actor", sa.Text()),
        _given("reason", sa.Text()),
        _given("at", _MOMENT),
    ]


def _snapshot_key() -> sa.ForeignKeyConstraint:
    columns = ["application", "environment", "sequence"]
    return sa.ForeignKeyConstraint(columns, [f"runpin_snapshot.{column}" for column in columns])
