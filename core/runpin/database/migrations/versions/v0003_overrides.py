"""Make the table of what operators want of single runs."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa  # noqa: TID253 - only alembic imports this
from alembic import op  # noqa: TID253 - only alembic imports this

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "runpin_override",
        _given("pin_key", sa.String(64)),
        _given("number", sa.Integer()),
        *(_given(name, sa.Text()) for name in ("engine", "deployment", "job", "run_id", "incarnation")),
        _given("application", sa.String(24)),
        _given("environment", sa.String(14)),
        _given("tenant", sa.String(40)),
        _given("sequence", sa.Integer()),
        _given("digest", sa.String(64)),
        _given("since_sequence", sa.Integer()),
        _given("since_digest", sa.String(64)),
        _given("since_named", sa.Boolean()),
        _given("kind", sa.String(16)),
        _given("partial", sa.Boolean()),
        _given("actor", sa.Text()),
        _given("reason", sa.Text()),
        _given("at", sa.String(32)),
        sa.Column("outcome", sa.Text()),
        sa.PrimaryKeyConstraint("pin_key", "number"),
        sqlite_with_rowid=False,
    )


def _given(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)
