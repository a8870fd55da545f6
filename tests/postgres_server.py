"""
A private PostgreSQL server on a free port of the loopback interface, and a fresh database for each test.

The server belongs to the test session: started when the first test asks, stopped by its process id at the end.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import psycopg  # noqa: TID253 - tests of PostgreSQL need it at once
import pytest

from demo.processes import dismiss, guard, is_running, wait_until
from runpin.clock import SystemClock
from runpin.database.engine import Database
from system_packages import installed

_START = 60.0
_STOP = 10.0
_TEMPLATE = "runpin_template"
_MARK = "RUNPIN_TEST_POSTGRES"


class PostgresServer:
    """
    One server in its own folder; it may be killed and started again, and ends with the process that started it.

    It begins empty, or as a standby of *primary*, whose log it follows.

    Attributes:
        port: where it listens. It stays ours until `close`, so that nobody takes it while the server is away.
    """

    def __init__(self, programs: Path, folder: Path, primary: PostgresServer | None = None) -> None:
        self._programs = programs
        self._folder = folder
        self._account = _account()
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)
        self._claim = _claimed_port()
        self.port = int(self._claim.getsockname()[1])
        self._guard = guard(folder, _MARK)
        if self._account:
            os.chown(folder, *self._account)
        if primary is None:
            self._run("initdb", "-U", "runpin", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        else:
            copied = ("--host=127.0.0.1", f"--port={primary.port}", "--username=runpin", "--checkpoint=fast")
            self._run("pg_basebackup", *copied, "--no-sync", "--write-recovery-conf")

    def start(self, **settings: str | int) -> None:
        """Start and wait until it accepts connections; *settings* are those of postgresql.conf."""
        given = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        given |= {"shared_buffers": "16MB", "max_connections": 60, "log_min_messages": "fatal", **settings}
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._folder / "data", *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity(),
            )
        self._wait_until_ready()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends it in order, SIGQUIT drops every connection at once, as a crash does."""
        if self._process is None:
            return
        self._process.send_signal(how)
        # It waits up to a minute for its children that turn new clients away, which it never tells to end.
        try:
            self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Kill it with every process of it, even while they stand still."""
        if self._process is None:
            return
        children = self._freeze()
        for child in children:
            os.kill(child, signal.SIGKILL)
        # The next start is refused while one of them holds the memory that they share.
        wait_until(lambda: not any(is_running(child) for child in children), _STOP)
        self._process.kill()
        self._process.wait(_STOP)
        self._process = None

    def close(self) -> None:
        """Kill it, for what a shutdown in order would still write is thrown away, and give its port away."""
        self.kill()
        dismiss(self._guard)
        self._claim.close()

    def revive(self) -> None:
        """Make sure that it answers, whatever was done to it."""
        if not self._answers():
            self.kill()
            self.start()

    @contextmanager
    def back_afterwards(self) -> Iterator[None]:
        """Let it be stopped or killed meanwhile; it answers again at the end in any case."""
        try:
            yield
        finally:
            self.revive()

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Let it drop all connections and take no new one."""
        with self.back_afterwards():
            self.stop(signal.SIGQUIT)
            yield

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let it keep its connections, take new ones, and say nothing; it may be killed meanwhile."""
        try:
            self._freeze()
            yield
        finally:
            self._thaw()

    def url(self, database: str) -> str:
        """Return the address of one of its databases."""
        return f"postgresql://runpin@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template0") -> str:
        """Make a new database, as a copy of *template*, and return its name, whatever the test before has left."""
        self.revive()
        name = f"test_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def execute(self, sql: str, database: str = "postgres") -> None:
        """Run one statement as the superuser."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(sql.encode())

    def promote(self) -> None:
        """Make a primary of this standby, and wait until it is one."""
        self.execute("SELECT pg_promote()")

    def make_template(self) -> None:
        """Make the database that fresh ones with tables are copied from."""
        self.execute(f"CREATE DATABASE {_TEMPLATE}")
        with Database.open(self.url(_TEMPLATE), clock=SystemClock()) as database:
            database.ready()

    def _answers(self) -> bool:
        self._thaw()
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=10).close()
        except psycopg.OperationalError:
            return False
        return True

    def _freeze(self) -> list[int]:
        """Stop the server, then its children, which can be neither born nor collected by then; return those."""
        if self._process is None or self._process.poll() is not None:
            return []
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        children = _children(self._process.pid)
        for child in children:
            os.kill(child, signal.SIGSTOP)
        return children

    def _thaw(self) -> None:
        """Let all of it go on, the server last: until then no child that ended is collected."""
        if self._process is None or self._process.poll() is not None:
            return
        for child in _children(self._process.pid):
            with suppress(ProcessLookupError):  # of a server that was not stopped
                os.kill(child, signal.SIGCONT)
        self._process.send_signal(signal.SIGCONT)

    def _run(self, program: str, *arguments: str) -> None:
        command: list[str | Path] = [self._programs / program, "-D", self._folder / "data", *arguments]
        done = subprocess.run(command, capture_output=True, check=False, **self._identity())
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode()}")

    def _identity(self) -> dict[str, Any]:
        place = {"cwd": self._folder, "env": {**os.environ, _MARK: str(self._folder)}}
        if self._account is None:
            return place
        user, group = self._account
        return {"user": user, "group": group, "extra_groups": [], **place}

    def _wait_until_ready(self) -> None:
        deadline = monotonic() + _START
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                ended = self._process is None or self._process.poll() is not None
                if ended or monotonic() > deadline:
                    raise RuntimeError((self._folder / "log").read_text()[-2000:]) from None
                Event().wait(0.02)
            else:
                return


def _account() -> tuple[int, int] | None:
    if os.geteuid() != 0:
        return None
    # PostgreSQL refuses to run as root.
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _children(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    return [int(each) for each in listed.split()]


def _claimed_port() -> socket.socket:
    """Return a socket that keeps a port from being given to anybody, but for a server that asks for just this one."""
    claim = socket.socket()
    claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    claim.bind(("127.0.0.1", 0))
    return claim


def _programs() -> Path | None:
    found = shutil.which("initdb")
    # Beside a link there may be none of the other programs.
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


def _installed_programs() -> Path:
    programs = installed("postgresql", _programs)
    if programs is None:
        pytest.skip("NOT TESTED: PostgreSQL is not installed (initdb and postgres are neither on PATH nor in /usr/lib)")
    return programs


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """Return the folder of PostgreSQL's programs, or skip loudly."""
    return _installed_programs()


@pytest.fixture(scope="session")
def postgres_server(postgres_programs: Path) -> Iterator[PostgresServer]:
    """Return the session's server, which each test finds running."""
    # pytest's own temporary folders are closed to the account that the server runs as.
    with server_of_its_own(postgres_programs) as server:
        server.start()
        server.make_template()
        yield server


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Return the address of a new database without tables."""
    with _new_database(postgres_server, "template0") as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Return the address of a new database with runpin's tables."""
    with _new_database(postgres_server, _TEMPLATE) as url:
        yield url


@contextmanager
def server_of_its_own(programs: Path, primary: PostgresServer | None = None) -> Iterator[PostgresServer]:
    """Give a server that is not started yet, empty or a standby of *primary*, and take it away at the end."""
    folder = Path(tempfile.mkdtemp(prefix="runpin-postgres-"))
    try:
        server = PostgresServer(programs, folder, primary)
        try:
            yield server
        finally:
            server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _new_database(server: PostgresServer, template: str) -> Iterator[str]:
    name = server.create_database(template)
    yield server.url(name)
    # A test that failed may have left the server stopped; its own error is the one to see.
    with suppress(psycopg.Error):
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
