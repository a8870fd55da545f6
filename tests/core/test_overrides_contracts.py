"""Records of Overrides keep their contract in memory, on SQLite, on PostgreSQL and in etcd; broken ones are caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.errors import Conflict, NotFound, UnknownSnapshot
from runpin.etcd.cluster import Cluster
from runpin.ledgers.etcd_overrides import EtcdOverrides
from runpin.ledgers.overrides import SqlOverrides
from runpin.model import RunKey, Scope
from runpin.overrides import Override
from runpin.ports import Overrides
from runpin.testing import MemoryOverrides
from runpin.testing.contracts import OverridesContract
from runpin.testing.ledger_contract import SCOPE, digest_number, snapshot_id
from runpin.testing.overrides_contract import override


class TestMemoryOverrides(OverridesContract):
    """The double."""

    @pytest.fixture
    def overrides(self) -> MemoryOverrides:
        """Return an empty one."""
        return MemoryOverrides()


class Reopened(OverridesContract):
    """A record that other processes can open: a subclass gives `opened`."""

    @pytest.fixture
    def overrides(self, opened: Callable[[], Overrides]) -> Overrides:
        """Return an empty one."""
        return opened()

    @pytest.fixture
    def reopened(self, overrides: Overrides, opened: Callable[[], Overrides]) -> Callable[[], Overrides]:
        """Return what another process would open."""
        del overrides
        return opened


class SqlOverridesContract(Reopened):
    """The record in a database, whatever the database."""

    @pytest.fixture
    def opened(self, url: str) -> Iterator[Callable[[], Overrides]]:
        """Return what opens the same database once more."""
        with ExitStack() as open_ones:
            yield lambda: SqlOverrides(open_ones.enter_context(Database.open(url, clock=SystemClock())))


class TestSqliteOverrides(SqlOverridesContract):
    """The embedded default."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        """Return a new file."""
        return f"sqlite:///{tmp_path}/runpin.db"


@pytest.mark.postgres
class TestPostgresOverrides(SqlOverridesContract):
    """For a team."""

    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        """Return a new database of the session's server."""
        return postgres_url


@pytest.mark.etcd
class TestEtcdOverrides(Reopened):
    """For who has a cluster."""

    @pytest.fixture
    def opened(self, etcd_url: str) -> Iterator[Callable[[], Overrides]]:
        """Return what opens the same cluster once more."""
        with ExitStack() as open_ones:
            yield lambda: EtcdOverrides(open_ones.enter_context(Cluster.open(etcd_url, clock=SystemClock())))


class Overwriting(MemoryOverrides):
    """A seeded bug: the last of one number wins."""

    def record(self, override: Override) -> Override:
        """Write it, whatever is there."""
        held = self._recorded.setdefault((override.run, override.scope), [])
        held[override.number - 1 :] = [replace(override, outcome=None)]
        return override


class Crowded(MemoryOverrides):
    """A seeded bug: one that waited goes on waiting beside the next."""

    def record(self, override: Override) -> Override:
        """Leave the older one alone."""
        held = self._recorded.setdefault((override.run, override.scope), [])
        before = list(held)
        recorded = super().record(override)
        held[: len(before)] = before
        return recorded


class Reopening(MemoryOverrides):
    """A seeded bug: the last outcome stays."""

    def end(self, override: Override, outcome: str) -> Override:
        """Write it, whatever is there."""
        super().end(override, outcome)
        held = self._recorded[override.run, override.scope]
        held[override.number - 1] = replace(held[override.number - 1], outcome=outcome)
        return held[override.number - 1]


class Blind(MemoryOverrides):
    """A seeded bug: runs are told apart by their ids."""

    def newest(self, run: RunKey, scope: Scope) -> Override | None:
        """Look under the id alone."""
        return super().newest(RunKey("", "", "", run.run_id), scope)

    def record(self, override: Override) -> Override:
        """Write under the id alone."""
        return super().record(replace(override, run=RunKey("", "", "", override.run.run_id)))

    def end(self, override: Override, outcome: str) -> Override:
        """Write under the id alone."""
        return super().end(replace(override, run=RunKey("", "", "", override.run.run_id)), outcome)


CATCHES: dict[type[MemoryOverrides], Callable[[OverridesContract, Overrides], None]] = {
    Overwriting: OverridesContract.test_another_wish_of_the_same_number_is_refused,
    Crowded: OverridesContract.test_a_newer_wish_replaces_the_one_that_waits,
    Reopening: lambda contract, given: contract.test_the_first_outcome_stays(given, "taken"),
    Blind: OverridesContract.test_runs_and_scopes_are_told_apart,
}


@pytest.mark.parametrize("broken", CATCHES)
def test_a_broken_record_is_caught(broken: type[MemoryOverrides]) -> None:
    """By the test that is there for it."""
    with pytest.raises((AssertionError, Conflict, NotFound, pytest.fail.Exception)):
        CATCHES[broken](OverridesContract(), broken())


def test_an_override_that_contradicts_itself_is_refused() -> None:
    """Its snapshots are of its scope, and the digests are theirs."""
    with pytest.raises(UnknownSnapshot, match="disagree"):
        replace(override(), digest=digest_number(9))
    with pytest.raises(UnknownSnapshot, match="disagree"):
        replace(override(), since_digest=digest_number(9))
    with pytest.raises(UnknownSnapshot, match="not a snapshot of payments"):
        replace(override(), since=snapshot_id(1, Scope("billing", "prod")))
    assert override().scope == SCOPE
