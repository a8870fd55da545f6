"""The tables are made and updated once, whoever comes first, beside whatever else is in the database."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa  # noqa: TID253 - these tests look at the tables
from alembic import command  # noqa: TID253 - these tests look at the migrations
from alembic.autogenerate import compare_metadata  # noqa: TID253 - these tests look at the migrations
from alembic.config import Config  # noqa: TID253 - these tests look at the migrations
from alembic.runtime.migration import MigrationContext  # noqa: TID253 - these tests look at the migrations
from alembic.script import ScriptDirectory  # noqa: TID253 - these tests look at the migrations

from pin_workers import nursery, open_database
from runpin.clock import SystemClock
from runpin.database import upgrading
from runpin.database.engine import Database
from runpin.database.schema import SCHEMA_VERSION, VERSION_TABLE, metadata
from runpin.database.upgrading import MIGRATIONS
from runpin.errors import StoreError, StoreOutdated
from runpin.ledgers.reactions import SqlReactions
from runpin.ledgers.sql import SqlLedger
from runpin.stores.sql import SqlStore
from runpin.testing import store_contract
from runpin.testing.ledger_contract import SCOPE, pin_of, run_key, snapshot_id
from runpin.testing.reactions_contract import KEY, reaction_to


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runpin.db"
    return str(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Return that database, which makes its tables on first use."""
    with opened(url) as database:
        yield database


def opened(url: str, *, upgrade: bool = True) -> Database:
    """Return the database at *url*."""
    return Database.open(url, clock=SystemClock(), upgrade=upgrade)


def tables(database: Database) -> set[str]:
    """Return the names of all tables."""
    return database.read(lambda core: set(sa.inspect(core).get_table_names()))


def set_version(database: Database, version: str) -> None:
    """Make the tables look like those of another release."""
    update = sa.text(f"UPDATE {VERSION_TABLE} SET version_num = :version")  # noqa: S608 - a constant of ours
    database.write(lambda core: core.execute(update, {"version": version}))


def migrated(url: str, revision: str) -> None:
    """Make the tables as an older release left them."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as core, core.begin():
        config.attributes["connection"] = core
        command.upgrade(config, revision)
    engine.dispose()


def used_by_the_first_release(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill tables of version 0001 by the statements of a release that knows no other."""
    migrated(url, "0001")
    with monkeypatch.context() as older:
        older.setattr(upgrading, "SCHEMA_VERSION", "0001")
        with opened(url, upgrade=False) as database:
            ledger, store = SqlLedger(database), SqlStore(database)
            ledger.put_if_absent(pin_of(1))
            store_contract.move(store, store_contract.publish(store, 1), 0)
            ledger.bar(snapshot_id(7), actor="ada", reason="broken")


def census(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every table of the first version."""
    names = sorted(name for name in metadata.tables if name not in {"runpin_reaction", "runpin_override"})
    return database.read(
        lambda core: {name: [tuple(row) for row in core.execute(sa.select(metadata.tables[name]))] for name in names}
    )


def test_the_newest_migration_is_the_version_that_is_asked_for() -> None:
    """The quick check compares with a constant, which has to be the head of one line of migrations."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_VERSION]


def test_the_migrations_make_what_the_statements_use(database: Database) -> None:
    """Tables, columns, types, keys and indexes are those of the schema."""

    def differences(core: sa.Connection) -> list[object]:
        context = MigrationContext.configure(core, opts={"compare_type": True})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "autogenerate skipping metadata-specified expression-based index")
            warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index")
            return list(compare_metadata(context, metadata))

    def expressions(core: sa.Connection) -> set[str | None]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index")
            return {index["name"] for index in sa.inspect(core).get_indexes("runpin_pin")}

    found = [each for each in database.read(differences) if VERSION_TABLE not in str(each)]

    assert found == []
    assert "runpin_pin_of_snapshot" in database.read(expressions)


def test_the_first_releases_data_are_there_after_the_upgrade(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens by itself on first use; no row is changed, and reactions can be recorded."""
    used_by_the_first_release(url, monkeypatch)
    with opened(url) as database:
        reactions = SqlReactions(database)

        assert reactions.newest(KEY) is None
        assert reaction_to(5) == reactions.begin(reaction_to(5))
        assert pin_of(1) == SqlLedger(database).get(run_key(), SCOPE)
        assert frozenset({snapshot_id(7)}) == SqlLedger(database).barred("prod")
        assert SqlStore(database).channel(SCOPE, "stable").revision == 1
        assert database.read(lambda core: core.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))) == "0003"  # noqa: S608 - a constant of ours


def test_a_process_of_the_first_release_goes_on_beside_newer_ones(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps its tables as it knew them; one that starts after the upgrade is told to be upgraded."""
    used_by_the_first_release(url, monkeypatch)
    with monkeypatch.context() as older, opened(url) as running, opened(url) as late:
        older.setattr(upgrading, "SCHEMA_VERSION", "0001")
        before = census(running)
        migrated(url, "head")

        assert before == census(running)
        assert pin_of(2, run_key("2")) == SqlLedger(running).put_if_absent(pin_of(2, run_key("2")))
        with pytest.raises(StoreOutdated, match="version 0003, this release knows 0001") as caught:
            late.ready()
    assert caught.value.fix == "upgrade runpin on this host"


def test_processes_that_upgrade_at_once_find_the_data(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of them meet the tables of the first release in the same moment, and none fails."""
    used_by_the_first_release(url, monkeypatch)
    with nursery() as home:
        crew = [home.begin(open_database, url) for _ in range(4)]
        codes = [home.wait(each) for each in crew]

    assert codes == [0] * 4
    with opened(url, upgrade=False) as database:
        assert pin_of(1) == SqlLedger(database).get(run_key(), SCOPE)
        assert SqlReactions(database).newest(KEY) is None


def test_processes_that_come_at_once_find_tables(url: str) -> None:
    """Eight of them open an empty database in the same moment, and none fails."""
    with nursery() as home:
        crew = [home.begin(open_database, url) for _ in range(8)]
        codes = [home.wait(each) for each in crew]

    assert codes == [0] * 8
    with opened(url, upgrade=False) as database:
        assert VERSION_TABLE in tables(database)


def test_an_engines_own_migrations_are_left_alone(url: str) -> None:
    """Airflow keeps its version in `alembic_version`; ours is elsewhere, so both can share a database."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as core:
        core.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        core.exec_driver_sql("INSERT INTO alembic_version VALUES ('29ce7909c52b')")
    engine.dispose()
    with opened(url) as database:
        database.ready()

        assert (
            database.read(lambda core: core.exec_driver_sql("SELECT * FROM alembic_version").scalar()) == "29ce7909c52b"
        )
        assert {name for name in tables(database) if not name.startswith("runpin_")} == {"alembic_version"}


def test_a_newer_database_is_refused(url: str, database: Database) -> None:
    """A process of this release that starts after the upgrade says what to do; one that runs already goes on."""
    ledger = SqlLedger(database)
    ledger.put_if_absent(pin_of(1))
    set_version(database, "9999")
    with opened(url) as late, pytest.raises(StoreOutdated, match="9999") as caught:
        SqlLedger(late).put_if_absent(pin_of(2, run_key("other")))

    assert caught.value.fix == "upgrade runpin on this host"
    assert pin_of(3, run_key("third")) == ledger.put_if_absent(pin_of(3, run_key("third")))


def test_an_older_database_is_refused_where_upgrades_are_off(url: str) -> None:
    """Nothing is made, and the message names the command that would."""
    with opened(url, upgrade=False) as database, pytest.raises(StoreOutdated) as caught:
        database.ready()

    assert caught.value.fix == "run `runpin store upgrade`"
    with opened(url) as database:
        database.ready()
        set_version(database, "0000")
    with opened(url, upgrade=False) as database, pytest.raises(StoreOutdated):
        database.ready()


def test_a_failed_upgrade_leaves_nothing(url: str) -> None:
    """All of it is one transaction."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as core:
        core.exec_driver_sql("CREATE TABLE runpin_quarantine (in_the_way INTEGER)")
    with opened(url) as database, pytest.raises(StoreError, match="refused a statement"):
        database.ready()
    with engine.connect() as core:
        left = sa.inspect(core).get_table_names()
    engine.dispose()

    assert left == ["runpin_quarantine"]


def test_lost_tables_are_reported(database: Database) -> None:
    """As what they are: not an empty ledger, and not a bug."""
    database.write(lambda core: core.exec_driver_sql("DROP TABLE runpin_pin"))

    with pytest.raises(StoreOutdated, match="lacks a table"):
        SqlLedger(database).get(run_key(), pin_of().scope)


def test_logging_is_left_alone(url: str) -> None:
    """An upgrade inside of an engine does not touch its loggers."""
    mine = logging.getLogger("an.engine")
    before = (logging.root.handlers[:], logging.root.level, mine.disabled)
    with opened(url) as database:
        database.ready()

    assert before == (logging.root.handlers, logging.root.level, mine.disabled)


def test_alembic_is_loaded_for_an_upgrade_only(tmp_path: Path) -> None:
    """A process that finds the tables up to date does not pay for it."""
    url = f"sqlite:///{tmp_path}/runpin.db"
    script = (
        "import sys\n"
        "from runpin.clock import SystemClock\n"
        "from runpin.database.engine import Database\n"
        f"with Database.open('{url}', clock=SystemClock()) as database: database.ready()\n"
        "print('alembic' in sys.modules, 'psycopg' in sys.modules)\n"
    )
    said = [subprocess.check_output([sys.executable, "-c", script], text=True, timeout=60).strip() for _ in range(2)]

    assert said == ["True False", "False False"]
