"""What the SQL ledger does beyond the contract: looking runs up by hand, and hiding nothing about the schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.database.schema import stored_text, told_text
from runpin.ledgers.pin_rows import pin_key
from runpin.ledgers.sql import SqlLedger
from runpin.model import RunKey, Scope
from runpin.testing.ledger_contract import AT, SCOPE, following, pin_of, run_key


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return a new database."""
    postgres = request.param == "postgres"
    url = str(request.getfixturevalue("postgres_url")) if postgres else f"sqlite:///{tmp_path}/runpin.db"
    with Database.open(url, clock=SystemClock()) as database:
        yield database


@pytest.mark.parametrize("run_id", ["manual__1", "x" * 5000, "nul\0"])
def test_runs_are_looked_up_by_job_and_run_id(database: Database, run_id: str) -> None:
    """Of every deployment, application and epoch, oldest first; near misses are other runs."""
    ledger = SqlLedger(database)
    first = pin_of(1, run_key(run_id))
    second = replace(following(first, 2), at=AT + timedelta(seconds=1))
    elsewhere = replace(pin_of(3, replace(run_key(run_id), deployment="eu")), at=AT + timedelta(seconds=2))
    billing = replace(pin_of(4, run_key(run_id), Scope("billing", "prod")), at=AT + timedelta(seconds=3))
    for pin in (first, elsewhere, billing, pin_of(5, run_key(run_id + "2")), pin_of(6, run_key(run_id[:200]))):
        if pin.run.run_id != run_id or pin in (first, elsewhere, billing):
            ledger.put_if_absent(pin)
    ledger.advance(second)

    assert ledger.pins_of_run(run_id, "etl") == (first, second, elsewhere, billing)
    assert ledger.pins_of_run(run_id) == (first, second, elsewhere, billing)
    assert ledger.pins_of_run(run_id, "et") == ()


def test_a_person_can_read_the_table(database: Database) -> None:
    """Plain columns, moments in UTC, no tenant as an empty text."""
    SqlLedger(database).put_if_absent(pin_of(1))
    query = "SELECT engine, job, run_id, application, tenant, sequence, channel, revision, asked, at FROM runpin_pin"
    row = database.read(lambda core: core.exec_driver_sql(query).one())

    assert tuple(row) == (
        *("airflow", "etl", "manual__2026-02-03T04:05:06+00:00", "payments", ""),
        *(1, "stable", 7, "channel", "2026-02-03T04:05:06.000789+00:00"),
    )


def test_the_key_of_a_register_is_frozen() -> None:
    """Runs keep their pins across releases, so this hash never changes."""
    keys = [
        pin_key(RunKey("airflow", "main", "etl", "r1"), scope) for scope in (SCOPE, Scope("payments", "prod", "acme"))
    ]

    assert [key[:16] for key in keys] == ["cfa0049450c4e5d0", "67a1d546d39c66b3"]


@given(st.text(st.characters(codec=None, categories=None)), st.text())
def test_any_text_survives_being_stored(text: str, other: str) -> None:
    """Escaping can be undone, keeps different texts apart, and leaves what no database would take."""
    stored = stored_text(text)

    assert text == told_text(stored)
    assert (text == other) == (stored == stored_text(other))
    assert "\0" not in stored
    stored.encode()
