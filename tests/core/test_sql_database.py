"""The database behind store and ledger: its address, its file, its connections, and how it fails."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest
import sqlalchemy as sa  # noqa: TID253 - these tests look into the file

from runpin.canonical import canonical
from runpin.clock import SystemClock
from runpin.database.address import parse
from runpin.database.engine import Database
from runpin.database.sqlite import filesystem_of
from runpin.errors import RunpinError, SettingsError, StoreCorrupt, StoreUnavailable
from runpin.ledgers.sql import SqlLedger
from runpin.model import digest_of
from runpin.stores.sql import SqlStore
from runpin.testing.ledger_contract import SCOPE, pin_of, run_key, snapshot_id

SECRET = "hunter2"  # noqa: S105 - nobody's password
UNREACHABLE = f"postgresql://runpin:{SECRET}@127.0.0.1:1/runpin"


def open_at(url: str, patience: float = 5.0, *, filesystem: Callable[[Path], str] = filesystem_of) -> Database:
    """Return the database at *url* under the real clock."""
    return Database.open(url, clock=SystemClock(), patience=patience, filesystem=filesystem)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the SQLite database is going to be."""
    return tmp_path / "runpin.db"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    """Return an SQLite database that waits half a second at most."""
    with open_at(f"sqlite:///{file}", patience=0.5) as database:
        yield database


@pytest.mark.parametrize(
    "url",
    [
        "",
        "runpin.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://host/runpin.db",
        "sqlite:////tmp/runpin.db?mode=ro",
        f"mysql://root:{SECRET}@db/runpin",
        f"postgresql+asyncpg://runpin:{SECRET}@db/runpin",
        f"postgresql://runpin:{SECRET}@db:port/runpin",
        f"postgresql://runpin:p@{SECRET}:x@db/runpin",
        f"postgresql://runpin:p@{SECRET}@db/runpin",
        f"postgresql://runpin:{SECRET}@[::1/runpin",
        f"postgresql://runpin:p@{SECRET},b@db/runpin",
        f"postgresql://runpin:p@{SECRET}@a,b/runpin",
        f"postgresql://runpin:{SECRET}@a:x,b/runpin",
        f"postgresql://runpin:{SECRET}@db/runpin?host=a,b&port=1,2,3",
        f"postgresql://runpin:{SECRET}@db/runpin?host=a,b&port=x",
    ],
)
def test_an_unusable_url_is_refused_without_showing_it(url: str) -> None:
    """Any part of a malformed URL may be the password, so neither the error nor its causes repeat one."""
    with pytest.raises(SettingsError) as caught:
        parse(url)

    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("sqlite:////var/lib/runpin.db", "/var/lib/runpin.db"),
        (f"postgres://runpin:{SECRET}@db:5433/runpin?sslmode=require", "postgresql://db:5433/runpin"),
        (f"postgresql+psycopg2://runpin:{SECRET}@db/runpin", "postgresql://db/runpin"),
        (f"postgresql:///runpin?host=a:1&host=b:2&password={SECRET}", "postgresql://a:1,b:2/runpin"),
        (f"postgresql://runpin:{SECRET}@a:1,b:2/runpin?sslmode=require", "postgresql://a:1,b:2/runpin"),
        (f"postgresql://runpin:{SECRET}@a,b", "postgresql://a:5432,b:5432/"),
        (f"postgresql://runpin:{SECRET}@[::1]:5433,[::2]/runpin", "postgresql://[::1]:5433,[::2]:5432/runpin"),
        (f"postgresql://runpin:{SECRET}@[::1]:5433/runpin", "postgresql://[::1]:5433/runpin"),
        (f"postgresql://runpin:{SECRET}@/runpin?host=a,b&port=1", "postgresql://a:1,b:1/runpin"),
        (f"postgresql:///?host=/run/postgresql&user=runpin&password={SECRET}", "postgresql:///run/postgresql/"),
    ],
)
def test_an_address_says_where_and_never_who(url: str, where: str) -> None:
    """Messages name the host and the database, not the user and the password."""
    address = parse(url)

    assert where == address.where == str(address)
    assert SECRET not in repr(address)


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later change of the working folder does not lead to another database."""
    monkeypatch.chdir(tmp_path)

    assert parse("sqlite:///runpin.db").file == tmp_path / "runpin.db"


def test_opening_contacts_nobody(tmp_path: Path) -> None:
    """A process whose database is away still starts; the first use says so, in time and without the password."""
    Database.open(f"sqlite:///{tmp_path}/none/runpin.db", clock=SystemClock())
    with open_at(UNREACHABLE, patience=0.3) as database, pytest.raises(StoreUnavailable) as caught:
        SqlLedger(database).get(run_key(), SCOPE)

    assert not (tmp_path / "none").exists()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.where == "postgresql://127.0.0.1:1/runpin"


def test_a_missing_driver_is_named() -> None:
    """SQLite needs none, PostgreSQL says which one to install."""
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from runpin.clock import SystemClock\n"
        "from runpin.database.engine import Database\n"
        f"Database.open('{UNREACHABLE}', clock=SystemClock())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)

    assert "SettingsError" in done.stderr.splitlines()[-3]
    assert "pip install 'runpin[postgres]'" in done.stderr.splitlines()[-1]


def test_the_file_is_its_owners(tmp_path: Path) -> None:
    """Folders that are missing and every file are closed to others; folders that exist are left alone."""
    with open_at(f"sqlite:///{tmp_path}/a/b/runpin.db") as database:
        SqlLedger(database).put_if_absent(pin_of())
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}

    assert modes.pop("a") == modes.pop("b") == 0o700
    assert set(modes.values()) == {0o600}
    assert {"runpin.db", "runpin.db-wal", "runpin.db-shm"} <= modes.keys()


def test_every_commit_is_on_disk(database: Database) -> None:
    """The write-ahead log is on and synced at each commit, and foreign keys hold."""

    def pragmas(core: sa.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [core.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    found = database.read(pragmas)

    assert found == ["wal", 2, 1]


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs"])
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    """The write-ahead log needs memory that all its users share, which hosts do not."""
    asked: list[Path] = []

    def filesystem(path: Path) -> str:
        asked.append(path)
        return kind

    url = f"sqlite:///{tmp_path}/a/runpin.db"
    with open_at(url, filesystem=filesystem) as database, pytest.raises(SettingsError, match=kind) as caught:
        database.ready()

    assert "PostgreSQL" in str(caught.value.fix)
    assert asked == [tmp_path]
    assert not (tmp_path / "a").exists()


def test_the_file_system_is_that_of_the_nearest_mount(tmp_path: Path) -> None:
    """A mount inside of another, and one over another, are told apart; a system without the list is trusted."""
    folder = tmp_path / "a b"
    (folder / "inner").mkdir(parents=True)
    mounts = tmp_path / "mountinfo"
    escaped = str(folder).replace(" ", "\\040")
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/root rw\n"
        f"2 1 8:2 / {escaped} rw shared:1 - xfs /dev/b rw\n"
        f"3 2 0:3 / {escaped} rw,relatime shared:2 - nfs4 server:/x rw\n"
        f"4 3 0:4 / {escaped}/inner rw - tmpfs tmpfs rw\n"
    )
    places = (tmp_path, folder, folder / "inner", tmp_path / "a bc")

    assert [filesystem_of(place, mounts) for place in places] == ["ext4", "nfs4", "tmpfs", "ext4"]
    assert filesystem_of(folder, tmp_path / "none") == ""
    assert filesystem_of(tmp_path) not in {"", "nfs4"}


def test_a_folder_that_cannot_be_made_is_a_setting_to_change(tmp_path: Path) -> None:
    """A file in the way of a folder."""
    (tmp_path / "file").touch()
    with open_at(f"sqlite:///{tmp_path}/file/runpin.db") as database, pytest.raises(SettingsError) as caught:
        database.ready()

    assert str(tmp_path / "file" / "runpin.db") == caught.value.where


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_reported(file: Path, database: Database, content: bytes) -> None:
    """Never taken for an empty one."""
    file.write_bytes(content)

    with pytest.raises(StoreCorrupt) as caught:
        SqlLedger(database).get(run_key(), SCOPE)
    assert file.name in str(caught.value.fix)
    assert file.read_bytes() == content


def test_flipped_bytes_never_pass_for_content(file: Path) -> None:
    """Wherever the file is damaged, an object comes back as it was or as an error."""
    bodies = {digest_of(body): body for body in (canonical({"value": "x" * size}) for size in (10, 3000, 20_000))}
    with open_at(f"sqlite:///{file}") as database:
        SqlStore(database).put_objects(bodies)
    intact = file.read_bytes()
    told: list[bool | None] = []
    for place in range(100, len(intact), len(intact) // 60):
        file.write_bytes(intact[:place] + bytes([intact[place] ^ 0x55]) + intact[place + 1 :])
        with open_at(f"sqlite:///{file}") as database:
            for digest, body in bodies.items():
                try:
                    told.append(SqlStore(database).get_object(digest) == body)
                except RunpinError:
                    told.append(None)

    assert set(told) == {True, None}


def test_a_file_that_was_cut_off_is_reported(file: Path) -> None:
    """Whatever of it is left, an object comes back as it was or as an error that is not taken for an outage."""
    body = canonical({"value": "x" * 20_000})
    with open_at(f"sqlite:///{file}") as database:
        SqlStore(database).put_objects({digest_of(body): body})
    intact = file.read_bytes()
    for kept in range(4096, len(intact), 4096 * 3):
        file.write_bytes(intact[:kept])
        with open_at(f"sqlite:///{file}") as database, pytest.raises(StoreCorrupt):
            SqlStore(database).get_object(digest_of(body))


def test_writers_do_without_a_line_where_there_can_be_none(file: Path, database: Database) -> None:
    """Its files are a courtesy: a folder that holds something else by these names is no obstacle."""
    file.with_name("runpin.db-queue").mkdir()

    assert pin_of(1) == SqlLedger(database).put_if_absent(pin_of(1))


def test_a_damaged_object_is_mended_by_publishing_it_again(database: Database) -> None:
    """Its reader is told what to do, and that helps."""
    store, body = SqlStore(database), b'{"limit":1}'
    store.put_objects({digest_of(body): body})
    database.write(lambda core: core.exec_driver_sql("UPDATE runpin_object SET body = x'7b7d'"))
    with pytest.raises(StoreCorrupt, match="do not hash"):
        store.get_object(digest_of(body))
    store.put_objects({digest_of(body): body})

    assert body == store.get_object(digest_of(body))


def test_a_locked_database_is_waited_for_and_then_reported(file: Path, database: Database) -> None:
    """Readers are not disturbed, and once the lock is gone all is as before."""
    ledger = SqlLedger(database)
    ledger.put_if_absent(pin_of(1))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked") as caught:
            ledger.put_if_absent(pin_of(2, run_key("other")))

        assert pin_of(1) == ledger.get(run_key(), SCOPE)
        other.execute("ROLLBACK")
    assert caught.value.retryable
    assert pin_of(2, run_key("other")) == ledger.put_if_absent(pin_of(2, run_key("other")))


def test_the_line_of_writers_ends_in_time(file: Path, database: Database) -> None:
    """A process that was stopped while it was its turn holds nobody up for longer than that."""
    ledger = SqlLedger(database)
    ledger.put_if_absent(pin_of(1))
    with file.with_name("runpin.db-turn").open("rb+") as turn:
        flock(turn, LOCK_EX)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="locked"):
                ledger.put_if_absent(pin_of(2, run_key("other")))
    answers = [ledger.put_if_absent(pin_of(number, run_key(f"r{number}"))).snapshot for number in range(2, 5)]

    assert answers == [snapshot_id(number) for number in range(2, 5)]


def test_more_threads_than_connections_wait_for_one(database: Database) -> None:
    """Thirty threads share the ten connections of a process."""
    ledger = SqlLedger(database)
    with ThreadPoolExecutor(30) as threads:
        answers = list(threads.map(lambda n: ledger.put_if_absent(pin_of(n + 1, run_key(f"r{n % 15}"))), range(90)))

    assert {pin.run.run_id: pin for pin in answers} == {f"r{n}": ledger.get(run_key(f"r{n}"), SCOPE) for n in range(15)}


def test_a_closed_database_opens_again(database: Database) -> None:
    """Closing gives the connections back; it is not an end."""
    ledger = SqlLedger(database)
    ledger.put_if_absent(pin_of(1))
    database.close()

    assert pin_of(1) == ledger.put_if_absent(pin_of(2))
    assert pin_of(2, run_key("other")) == ledger.put_if_absent(pin_of(2, run_key("other")))


def forked(work: Callable[[int], None], children: int) -> list[int]:
    """Fork *children* processes, let each do *work*, and return their exit codes."""
    started = []
    for number in range(children):
        child = os.fork()
        if child == 0:
            try:
                work(number)
            except BaseException:  # noqa: BLE001 - a child that returned would go on with the parent's tests
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        started.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in started]


def pins_on_both_sides_of_a_fork(database: Database) -> None:
    """Check that parent and children pin at the same time, each through connections of its own."""
    ledger = SqlLedger(database)
    ledger.put_if_absent(pin_of(1))

    def work(number: int) -> None:
        for each in range(5):
            pin = pin_of(2, run_key(f"{number}-{each}"))
            if ledger.get(run_key(), SCOPE) != pin_of(1) or ledger.put_if_absent(pin) != pin:
                raise AssertionError(number)

    codes = forked(work, 12)

    assert codes == [0] * 12
    assert len(ledger.runs_of(snapshot_id(2)).pins) == 60
    assert pin_of(1) == ledger.put_if_absent(pin_of(1))


# From Python 3.12 on it warns about every fork of a process with threads; such forks are what is tested here.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_sqlite_survives_a_fork(database: Database) -> None:
    """Engines fork their workers from a process that has used the database."""
    with open_at(f"sqlite:///{database.where}") as patient:
        pins_on_both_sides_of_a_fork(patient)


@pytest.mark.postgres
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_postgres_survives_a_fork(postgres_url: str) -> None:
    """The child neither speaks on the parent's sockets nor closes them."""
    with open_at(postgres_url) as database:
        pins_on_both_sides_of_a_fork(database)


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_turn_does_not_keep_it(database: Database, *, held: bool) -> None:
    """A child that lives on does not hold the parent's place in the line of writers."""
    ledger = SqlLedger(database)
    ledger.put_if_absent(pin_of(1))
    reading, writing = os.pipe()

    def stay(_core: object) -> int:
        child = os.fork()
        if child == 0:
            os.read(reading, 1)
            os._exit(0)
        return child

    child = database.write(stay) if held else database.read(stay)
    again = ledger.put_if_absent(pin_of(2, run_key("other")))
    os.write(writing, b"x")

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pin_of(2, run_key("other")) == again
    for descriptor in (reading, writing):
        os.close(descriptor)
