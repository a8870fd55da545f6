"""The roles that ship for PostgreSQL: each may do what it needs, and every other verb is refused by the server."""

# ruff: noqa: S608 - the names of tables in statements are our own

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg  # noqa: TID253 - these tests ask the server itself
import pytest

from command_line import CommandLine
from postgres_server import PostgresServer
from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.database.roles import ROLES, Role, needed_for, roles_sql
from runpin.database.schema import VERSION_TABLE, metadata
from runpin.errors import SettingsError, StoreError, StoreOutdated, StoreUnavailable
from runpin.ledgers.reactions import SqlReactions
from runpin.ledgers.sql import SqlLedger
from runpin.model import Pin, PinPage, RunKey, Scope, SnapshotId
from runpin.stores.sql import SqlStore
from runpin.stores.sql_replica import SqlReplica
from runpin.testing import store_contract
from runpin.testing.contracts import LedgerContract, ReactionsContract, ReplicaContract, StoreContract
from runpin.testing.ledger_contract import SCOPE, pin_of, snapshot_id
from runpin.testing.reactions_contract import reaction_to

pytestmark = pytest.mark.postgres

Right = tuple[str, str, str]
"""A role, a table and a verb; an update names its column."""

TABLES = (*sorted(metadata.tables), VERSION_TABLE)
PUBLISHED = (
    *("object", "snapshot", "publication", "channel", "channel_move", "quarantine", "quarantine_event"),
    "override",
)
GRANTED: frozenset[Right] = frozenset(
    {(role, table, "SELECT") for role in ("reader", "runner", "publisher") for table in TABLES}
    | {("runner", f"runpin_{name}", "INSERT") for name in ("pin", "reaction")}
    | {("runner", f"runpin_{name}", "UPDATE outcome") for name in ("reaction", "override")}
    | {("publisher", f"runpin_{name}", "INSERT") for name in PUBLISHED}
    | {("publisher", "runpin_channel", f"UPDATE {name}") for name in ("revision", "sequence", "digest", "moved_at")}
    | {("publisher", "runpin_object", "UPDATE body"), ("publisher", "runpin_quarantine", "DELETE")}
    | {("publisher", "runpin_override", "UPDATE outcome")}
)

ELSEWHERE = {
    "use a sequence": "SELECT nextval('runpin_publication_id_seq'), nextval('runpin_quarantine_event_id_seq')",
    "set a sequence": "SELECT setval('runpin_publication_id_seq', 1)",
    "make a table": "CREATE TABLE more (id int)",
    "make a function": "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "replace the function": "ALTER ROUTINE runpin_put RENAME TO more",
    "become the owner": "SET ROLE {prefix}_owner",
    "put a trigger": "CREATE TRIGGER more BEFORE UPDATE ON runpin_pin EXECUTE FUNCTION tsvector_update_trigger()",
    "lock pins": "LOCK TABLE runpin_pin IN ACCESS EXCLUSIVE MODE",
}


@dataclass(frozen=True, slots=True)
class Team:
    """A database with the roles of one deployment, and a login for each of them."""

    url: str
    prefix: str

    def login(self, role: str) -> str:
        """Return the address for a user with that role alone."""
        return self.url.replace("runpin@", f"{self.prefix}_{role}_login@")

    def execute(self, sql: str) -> None:
        """Run statements as the superuser."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.encode())


@pytest.fixture
def team(postgres_url: str) -> Team:
    """Return a database with tables, and the shipped roles of a prefix of its own."""
    made = Team(postgres_url, f"of_{postgres_url.rpartition('/')[2]}")
    made.execute(roles_sql(made.prefix))
    for role in Role:
        made.execute(f"CREATE ROLE {made.prefix}_{role}_login LOGIN IN ROLE {made.prefix}_{role}")
    return made


@pytest.fixture
def opened(team: Team) -> Iterator[Callable[[str], Database]]:
    """Return what opens the database as a user with a role, as a process does that may upgrade the tables."""
    with ExitStack() as open_ones:
        yield lambda role: open_ones.enter_context(Database.open(team.login(role), clock=SystemClock()))


class Divided:
    """The ledger of two users: a runner that decides pins, and a publisher that bars snapshots."""

    def __init__(self, runner: SqlLedger, publisher: SqlLedger) -> None:
        self._runner = runner
        self._publisher = publisher

    def put_if_absent(self, pin: Pin) -> Pin:
        """Decide as the runner."""
        return self._runner.put_if_absent(pin)

    def get(self, run: RunKey, scope: Scope) -> Pin | None:
        """Read as the runner."""
        return self._runner.get(run, scope)

    def advance(self, pin: Pin) -> Pin:
        """Switch as the runner."""
        return self._runner.advance(pin)

    def runs_of(self, snapshot: SnapshotId, *, after: str | None = None, limit: int = 100) -> PinPage:
        """List as the publisher, who counts the runs before a rollback."""
        return self._publisher.runs_of(snapshot, after=after, limit=limit)

    def bar(self, snapshot: SnapshotId, *, actor: str, reason: str) -> None:
        """Bar as the publisher."""
        self._publisher.bar(snapshot, actor=actor, reason=reason)

    def lift(self, snapshot: SnapshotId, *, actor: str, reason: str) -> None:
        """Let in as the publisher."""
        self._publisher.lift(snapshot, actor=actor, reason=reason)

    def barred(self, environment: str) -> frozenset[SnapshotId]:
        """Read as the runner."""
        return self._runner.barred(environment)


class TestLedgerOfRoles(LedgerContract):
    """Pins under the runner's rights, the quarantine under the publisher's."""

    @pytest.fixture
    def ledger(self, opened: Callable[[str], Database]) -> Divided:
        """Return an empty one."""
        return Divided(SqlLedger(opened("runner")), SqlLedger(opened("publisher")))


class TestStoreOfPublisher(StoreContract):
    """Everything of the store under the publisher's rights."""

    @pytest.fixture
    def quarantine(self, opened: Callable[[str], Database]) -> SqlLedger:
        """Return the ledger beside the store."""
        return SqlLedger(opened("publisher"))

    @pytest.fixture
    def store(self, opened: Callable[[str], Database]) -> SqlStore:
        """Return an empty one."""
        return SqlStore(opened("publisher"))


class TestReplicaOfPublisher(ReplicaContract):
    """A database that follows another store needs no more than a publisher's rights."""

    @pytest.fixture
    def replica(self, opened: Callable[[str], Database]) -> SqlReplica:
        """Return an empty one."""
        return SqlReplica(opened("publisher"))


class TestReactionsOfRunner(ReactionsContract):
    """Reactions under the runner's rights."""

    @pytest.fixture
    def reactions(self, opened: Callable[[str], Database]) -> SqlReactions:
        """Return an empty record."""
        return SqlReactions(opened("runner"))


def columns(table: str) -> list[str]:
    """Return the columns of a table."""
    return ["version_num"] if table == VERSION_TABLE else [column.name for column in metadata.tables[table].columns]


def attempts(table: str) -> dict[str, str]:
    """Return a statement for each verb; none of them finds a row, so that rights alone decide."""
    return {
        "SELECT": f"SELECT * FROM {table} WHERE false",
        "INSERT": f"INSERT INTO {table} SELECT * FROM {table} WHERE false",
        **{f"UPDATE {each}": f"UPDATE {table} SET {each} = {each} WHERE false" for each in columns(table)},
        "DELETE": f"DELETE FROM {table} WHERE false",
        "TRUNCATE": f"TRUNCATE {table}",
        "DROP": f"DROP TABLE {table} CASCADE",
        "ALTER": f"ALTER TABLE {table} ADD COLUMN more int",
    }


def may(connection: psycopg.Connection[tuple[object, ...]], sql: str) -> bool:
    """Try one statement and undo it; tell whether the rights were enough, whatever else it met."""
    try:
        connection.execute(sql.encode())
    except psycopg.Error as error:
        return not isinstance(error, psycopg.errors.InsufficientPrivilege)
    finally:
        connection.rollback()
    return True


def rights(team: Team) -> set[Right]:
    """Return what each role may do, found by trying every verb on every table as a user with that role alone."""
    found: set[Right] = set()
    for role in ("reader", "runner", "publisher"):
        with psycopg.connect(team.login(role)) as connection:
            found |= {
                (role, table, verb) for table in TABLES for verb, sql in attempts(table).items() if may(connection, sql)
            }
    return found


def test_each_role_may_do_what_it_needs_and_nothing_else(team: Team) -> None:
    """Every verb on every table is tried; the server refuses all those that are not in the table above."""
    assert rights(team) == GRANTED


def test_nobody_below_the_owner_rewrites_what_is_written_once() -> None:
    """Pins, moves, publications and snapshots: no role but the owner may change or remove one."""
    once = {f"runpin_{name}" for name in ("pin", "channel_move", "publication", "snapshot", "quarantine_event")}

    assert {verb for _, table, verb in GRANTED if table in once} == {"SELECT", "INSERT"}


@pytest.mark.parametrize(
    ("seeded", "right"),
    [
        ("UPDATE (digest) ON runpin_pin TO {}_runner", ("runner", "runpin_pin", "UPDATE digest")),
        ("DELETE ON runpin_channel_move TO {}_publisher", ("publisher", "runpin_channel_move", "DELETE")),
        ("TRUNCATE ON runpin_object TO PUBLIC", ("reader", "runpin_object", "TRUNCATE")),
    ],
)
def test_a_grant_too_many_is_caught_and_taken_back(team: Team, seeded: str, right: Right) -> None:
    """The test above sees it, and running the statements once more mends it."""
    team.execute(f"GRANT {seeded.format(team.prefix)}")

    assert right in rights(team) - GRANTED
    team.execute(roles_sql(team.prefix))
    assert rights(team) == GRANTED


def test_what_is_no_table_is_closed_as_well(team: Team) -> None:
    """Only publishers number their lines, and nobody below the owner makes, replaces or hands out anything."""
    allowed: dict[str, set[str]] = {}
    for role in ("reader", "runner", "publisher"):
        with psycopg.connect(team.login(role)) as connection:
            tried = {name: sql.format(prefix=team.prefix) for name, sql in ELSEWHERE.items()}
            allowed[role] = {name for name, sql in tried.items() if may(connection, sql)}

    assert allowed == {"reader": set(), "runner": set(), "publisher": {"use a sequence"}}


def test_the_owner_may_change_the_tables(team: Team) -> None:
    """Its members migrate; the grants can be given by them as well, after the tables were made."""
    with psycopg.connect(team.login("owner")) as connection:
        missing = {
            (table, verb) for table in TABLES for verb, sql in attempts(table).items() if not may(connection, sql)
        }
        connection.execute(roles_sql(team.prefix).encode())

    assert missing == set()
    assert rights(team) == GRANTED


def test_the_owner_upgrades_and_then_the_statements_cover_the_new_table(
    team: Team, opened: Callable[[str], Database]
) -> None:
    """A table that an upgrade made belongs to the user who ran it, until the statements hand it over."""
    team.execute(f"DROP TABLE runpin_reaction, runpin_override; UPDATE {VERSION_TABLE} SET version_num = '0001'")
    with pytest.raises(StoreOutdated, match="this user may not change them") as caught:
        opened("runner").ready()
    opened("owner").ready()
    with psycopg.connect(team.login("owner"), autocommit=True) as connection:
        connection.execute(roles_sql(team.prefix).encode())

    assert "runpin store upgrade" in str(caught.value.fix)
    assert rights(team) == GRANTED
    assert reaction_to(5) == SqlReactions(opened("runner")).begin(reaction_to(5))


def test_runs_go_on_pinning_while_the_statements_run_again(team: Team, opened: Callable[[str], Database]) -> None:
    """A transaction that holds the tables is not waited for, and what it was granted stays granted."""
    ledger = SqlLedger(opened("runner"))
    ledger.put_if_absent(pin_of(1))
    with psycopg.connect(team.login("runner")) as holder:
        holder.execute(
            "INSERT INTO runpin_pin SELECT pin_key, 1, engine, deployment, job, run_id, incarnation,"
            " application, environment, tenant, sequence, digest, channel, revision, asked, confirmed, at"
            " FROM runpin_pin"
        )
        team.execute(roles_sql(team.prefix))
        holder.commit()

    assert 1 == ledger.put_if_absent(pin_of(1)).epoch
    assert rights(team) == GRANTED


def refused(work: Callable[[], object]) -> StoreError:
    """Return the error that *work* raises."""
    with pytest.raises(StoreUnavailable, match="is not granted") as caught:
        work()
    return caught.value


def test_who_lacks_a_role_is_told_which(opened: Callable[[str], Database]) -> None:
    """A typed error names the table and the role; nothing was written."""
    runner, publisher, reader = (opened(role) for role in ("runner", "publisher", "reader"))
    publishing = refused(lambda: store_contract.publish(SqlStore(runner), 1))
    barring = refused(lambda: SqlLedger(runner).bar(snapshot_id(1), actor="ada", reason="broken"))
    pinning = refused(lambda: SqlLedger(publisher).put_if_absent(pin_of(1)))
    reading = refused(lambda: SqlReactions(reader).begin(reaction_to(5)))

    assert ["runpin_object", "runpin_quarantine", "runpin_put", "runpin_reaction"] == [
        error.what.rpartition(" ")[2] for error in (publishing, barring, pinning, reading)
    ]
    assert ["publisher", "publisher", "runner", "runner"] == [
        str(error.fix).partition("role ")[2].partition(" ")[0] for error in (publishing, barring, pinning, reading)
    ]
    assert all("runpin store roles" in str(error.fix) for error in (publishing, barring, pinning, reading))
    assert SqlLedger(reader).barred(SCOPE.environment) == frozenset()


def test_who_has_no_role_at_all_is_told(team: Team) -> None:
    """A login that nobody granted anything to."""
    team.execute(f"CREATE ROLE {team.prefix}_nobody_login LOGIN")
    with Database.open(team.login("nobody"), clock=SystemClock()) as database:
        error = refused(database.ready)

    assert "runpin store roles" in str(error.fix)
    assert needed_for(VERSION_TABLE) == Role.OWNER


def test_every_table_has_its_line() -> None:
    """A table that a new release adds cannot be forgotten in the statements."""
    text = ROLES.read_text()

    assert [table for table in TABLES if f"'public.{table}'" not in text] == []
    assert text == roles_sql()


def test_the_names_are_the_deployments_own() -> None:
    """Other roles and another schema, nothing else: the tables are named as ever."""
    sql = roles_sql("staging", "config")

    assert "runpin_runner" not in sql
    assert "public." not in sql
    assert "GRANT INSERT ON config.runpin_pin, config.runpin_reaction TO staging_runner;" in sql


@pytest.mark.parametrize("name", ["", "Team", "a-b", "1st", "pg_team", 'x"; DROP TABLE runpin_pin; --', "a" * 41])
def test_a_name_that_is_no_plain_name_is_refused(name: str) -> None:
    """Nothing that is given ends a statement and begins another one."""
    with pytest.raises(SettingsError):
        roles_sql(name)
    with pytest.raises(SettingsError):
        roles_sql("runpin", name)


def test_psql_runs_what_the_command_prints(
    tmp_path: Path, postgres_server: PostgresServer, postgres_programs: Path, empty_postgres_url: str
) -> None:
    """As an administrator who is no superuser, in a schema that an option of the URL names, twice."""
    name = empty_postgres_url.rpartition("/")[2]
    postgres_server.execute(f"CREATE ROLE admin_of_{name} LOGIN CREATEROLE")
    postgres_server.execute(f"ALTER DATABASE {name} OWNER TO admin_of_{name}")
    admin = empty_postgres_url.replace("runpin@", f"admin_of_{name}@")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA config")
    cli = CommandLine(tmp_path, {"RUNPIN_STORE": f"{admin}?options=-csearch_path%3Dconfig"})
    cli.ok("store", "upgrade")
    sql = cli.ok("store", "roles", "--prefix", f"in_{name}", "--schema", "config").out
    for _ in range(2):
        command = [str(postgres_programs / "psql"), "-X", "-v", "ON_ERROR_STOP=1", "-d", admin]
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False, timeout=60)
        assert (0, "") == (done.returncode, done.stderr)
    postgres_server.execute(f"CREATE ROLE task_of_{name} LOGIN IN ROLE in_{name}_runner")
    task = f"{empty_postgres_url.replace('runpin@', f'task_of_{name}@')}?options=-csearch_path%3Dconfig"
    with Database.open(task, clock=SystemClock()) as database:
        assert pin_of(1) == SqlLedger(database).put_if_absent(pin_of(1))
