"""The same commands on PostgreSQL: a team's store answers like the embedded one."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import CommandLine

pytestmark = pytest.mark.postgres


@pytest.fixture
def cli(tmp_path: Path, empty_postgres_url: str) -> CommandLine:
    """A command line with the sample repository and a database without tables."""
    made = CommandLine(tmp_path, {"RUNPIN_STORE": empty_postgres_url})
    made.start()
    return made


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
    after = cli.ok("doctor", "-e", "prod", "-r", cli.config, "--json")
    checks = {each["name"]: each for each in after.json["checks"]}

    assert 1 == before.code
    assert "runpin store upgrade" in before.out
    assert "PostgreSQL " in checks["store"]["detail"]
    assert not (cli.home / "runpin.db").exists()
