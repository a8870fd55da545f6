"""What alembic runs for an upgrade: on the caller's connection and in its transaction, logging left alone."""

from __future__ import annotations

from alembic import context  # noqa: TID253 - only alembic imports this

from runpin.database.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
