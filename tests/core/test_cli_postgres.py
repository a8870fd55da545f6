"""The same commands on PostgreSQL: a team's store answers like the embedded one."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import CommandLine
from postgres_server import PostgresServer

pytestmark = pytest.mark.postgres


@pytest.fixture
def cli(tmp_path: Path, empty_postgres_url: str) -> CommandLine:
    """A command line with the sample repository and a database without tables."""
    made = CommandLine(tmp_path, {"RUNPIN_STORE": empty_postgres_url})
    made.start()
    return made


def checks(cli: CommandLine) -> dict[str, dict[str, str]]:
    """Return what `doctor` says, by name."""
    found = cli.ok("doctor", "-e", "prod", "-r", cli.config, "--json").json["checks"]
    return {each["name"]: each for each in found}


def test_from_publishing_to_going_back(cli: CommandLine) -> None:
    """Publish twice, pin, go back, and find the run again."""
    cli.publish()
    first = cli.present()
    cli.batches(3000)
    cli.publish()
    pin = cli.pin("run-1")
    answer = cli.ok("rollback", "payments", "-e", "prod", "--json").json
    found = cli.ok("pins", "--run", "run-1", "--json").json["pins"]

    assert (first, str(pin.snapshot), 1) == (answer["channel"]["snapshot"], answer["left"], answer["runs"])
    assert [str(pin.snapshot)] == [each["snapshot"] for each in found]


def test_doctor_names_the_server(cli: CommandLine) -> None:
    """Without tables it points to the upgrade; with them it tells the server's version, and never the password."""
    before = cli.run("doctor", "-e", "prod", "-r", cli.config, "--json")
    cli.ok("store", "upgrade")
    after = checks(cli)

    assert 1 == before.code
    assert "runpin store upgrade" in before.out
    assert "PostgreSQL " in after["store"]["detail"]
    assert not (cli.home / "runpin.db").exists()


def test_doctor_warns_of_a_server_that_forgets(cli: CommandLine, postgres_server: PostgresServer) -> None:
    """The test's own server runs without fsync; a database may lose commits by itself."""
    cli.ok("store", "upgrade")
    name = cli.variables["RUNPIN_STORE"].rpartition("/")[2]
    before = checks(cli)["durability"]
    postgres_server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    after = checks(cli)["durability"]

    assert ("warn", "warn") == (before["status"], after["status"])
    assert "fsync is off" in before["detail"]
    assert "fsync and synchronous_commit are off" in after["detail"]


def test_doctor_warns_of_rights_that_nobody_needs(cli: CommandLine, postgres_server: PostgresServer) -> None:
    """Who is not to make tables need not own them; who has the role of a runner is well."""
    cli.ok("store", "upgrade")
    owner = checks(cli)
    cli.variables["RUNPIN_STORE_UPGRADE"] = "false"
    too_many = checks(cli)["rights"]
    url = cli.variables["RUNPIN_STORE"]
    name = url.rpartition("/")[2]
    postgres_server.execute(cli.ok("store", "roles", "--prefix", f"of_{name}").out, name)
    postgres_server.execute(f"CREATE ROLE task_of_{name} LOGIN IN ROLE of_{name}_runner")
    cli.variables["RUNPIN_STORE"] = url.replace("runpin@", f"task_of_{name}@")
    runner = checks(cli)

    assert "rights" not in owner
    assert ("warn", True) == (too_many["status"], "runpin store roles" in too_many["fix"])
    assert "rights" not in runner
    assert "PostgreSQL " in runner["store"]["detail"]
