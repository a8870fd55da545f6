"""What SQLite and PostgreSQL do differently, as one shape."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa  # noqa: TID253 - this adapter is imported lazily

from runpin.database.failures import Failure
from runpin.database.wire import Driver, Held, Prepared

if TYPE_CHECKING:
    # A process needs one of them, and PostgreSQL's takes 40 ms to import.
    from sqlalchemy.dialects import postgresql, sqlite


class Backend(Protocol):
    """What SQLite and PostgreSQL do differently."""

    errors: tuple[type[Exception], ...]

    def engine(self) -> sa.Engine:
        """Return an engine whose connections commit each statement unless a transaction was begun."""
        ...

    def prepare(self) -> None:
        """Do what has to be done before the first connection of a process."""
        ...

    def begin(self, driver: Driver, lock: Held | None, /) -> None:
        """Begin a transaction that may write, and take *lock*."""
        ...

    def decide(self, driver: Driver, statement: Prepared, values: Mapping[str, Any], lock: Held, /) -> int:
        """Run one statement in a transaction of its own that holds *lock*; return how many rows it wrote."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Wait in line where writers cannot work side by side."""
        ...

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """Return an insert that knows `ON CONFLICT`."""
        ...

    def dialect(self) -> sa.Dialect:
        """Return the dialect to compile for, with placeholders by position."""
        ...

    def failure(self, error: BaseException) -> Failure:
        """Say what the driver's *error* means."""
        ...

    def renew(self) -> None:
        """Start anew in a forked child."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
