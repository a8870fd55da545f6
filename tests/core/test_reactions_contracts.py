"""Records of reactions keep their contract in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.errors import UnknownSnapshot
from runpin.ledgers.reactions import SqlReactions
from runpin.model import Scope
from runpin.ports import Reactions
from runpin.reactions import Reaction, ReactionKey
from runpin.testing import MemoryReactions
from runpin.testing.contracts import ReactionsContract
from runpin.testing.ledger_contract import AT, digest_number, snapshot_id
from runpin.testing.reactions_contract import KEY


class TestMemoryReactions(ReactionsContract):
    """The double."""

    @pytest.fixture
    def reactions(self) -> MemoryReactions:
        """Return an empty one."""
        return MemoryReactions()


class SqlReactionsContract(ReactionsContract):
    """The record in a database, whatever the database."""

    @pytest.fixture
    def opened(self, url: str) -> Iterator[Callable[[], SqlReactions]]:
        """Return what opens the same database once more."""
        with ExitStack() as open_ones:

            def again() -> SqlReactions:
                return SqlReactions(open_ones.enter_context(Database.open(url, clock=SystemClock())))

            yield again

    @pytest.fixture
    def reactions(self, opened: Callable[[], SqlReactions]) -> SqlReactions:
        """Return an empty one."""
        return opened()

    @pytest.fixture
    def reopened(self, reactions: Reactions, opened: Callable[[], SqlReactions]) -> Callable[[], Reactions]:
        """Return what another process would open."""
        del reactions
        return opened


class TestSqliteReactions(SqlReactionsContract):
    """The embedded default."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        """Return a new file."""
        return f"sqlite:///{tmp_path}/runpin.db"


@pytest.mark.postgres
class TestPostgresReactions(SqlReactionsContract):
    """For a team."""

    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        """Return a new database of the session's server."""
        return postgres_url


def test_a_reaction_that_contradicts_itself_is_refused() -> None:
    """Its snapshots are of its scope, and the digest is that of its snapshot."""
    elsewhere = Scope("billing", "prod")
    with pytest.raises(UnknownSnapshot, match="disagree"):
        Reaction(KEY, 1, snapshot_id(1), digest_number(2), None, AT)
    with pytest.raises(UnknownSnapshot, match="not a snapshot of payments"):
        Reaction(KEY, 1, snapshot_id(1, elsewhere), digest_number(1), None, AT)
    with pytest.raises(UnknownSnapshot, match="not a snapshot of payments"):
        Reaction(KEY, 1, snapshot_id(1), digest_number(1), snapshot_id(1, elsewhere), AT)


def test_labels_fit_and_are_told_apart() -> None:
    """In the strictest tag rule of both engines, for the longest names and revisions there can be."""
    scope = Scope("a" * 24, "e" * 14)
    keys = [
        ReactionKey(engine, deployment, name, place, channel)
        for engine in ("dagster", "dagsterx")
        for deployment in ("", "x", "x" * 500)
        for name in ("job:ä😀", "job:\ud800", "j" * 1000)
        for place in (scope, Scope(scope.application, scope.environment, "t" * 40))
        for channel in ("stable", "c" * 40)
    ]
    labels = {
        Reaction(key, revision, snapshot_id(1, key.scope), digest_number(1), None, AT).label
        for key in keys
        for revision in (1, 12, 999_999_999)
    }

    assert len(keys) * 3 == len(labels)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", label) for label in labels)
    assert 63 == max(map(len, labels))
