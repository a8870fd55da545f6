"""Make the table of what followed from a channel's moves."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa  # noqa: TID253 - only alembic imports this
from alembic import op  # noqa: TID253 - only alembic imports this

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "runpin_reaction",
        _given("reaction_key", sa.String(64)),
        _given("revision", sa.Integer()),
        *(_given(name, sa.Text()) for name in ("engine", "deployment", "name")),
        _given("application", sa.String(24)),
        _given("environment", sa.String(14)),
        _given("tenant", sa.String(40)),
        _given("channel", sa.Text()),
        _given("sequence", sa.Integer()),
        _given("digest", sa.String(64)),
        sa.Column("since_sequence", sa.Integer()),
        sa.Column("since_short", sa.String(12)),
        _given("at", sa.String(32)),
        sa.Column("outcome", sa.Text()),
        sa.PrimaryKeyConstraint("reaction_key", "revision"),
        sqlite_with_rowid=False,
    )


def _given(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)
