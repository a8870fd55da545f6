"""The same commands on etcd: a team's cluster answers like the embedded store, and a pinned run reads from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import CommandLine
from etcd_server import EtcdServer
from runpin.model import RunKey

pytestmark = pytest.mark.etcd


@pytest.fixture
def cli(tmp_path: Path, etcd_url: str) -> CommandLine:
    """A command line with the sample repository and an etcd prefix without a key."""
    made = CommandLine(tmp_path, {"RUNPIN_STORE": etcd_url})
    made.start()
    return made


def test_from_init_to_going_back(tmp_path: Path, etcd_url: str) -> None:
    """Make a repository, publish twice, pin, go back, and find the run again; nothing lies in an embedded store."""
    cli = CommandLine(tmp_path, {"RUNPIN_STORE": etcd_url})
    cli.ok("init", cli.config)
    cli.publish()
    first = cli.present()
    cli.batches(3000)
    cli.publish()
    pin = cli.pin("run-1")
    answer = cli.ok("rollback", "payments", "-e", "prod", "--json").json
    found = cli.ok("pins", "--run", "run-1", "--json").json["pins"]
    listed = cli.ok("pins", "--snapshot", str(pin.snapshot), "--json").json["pins"]

    assert (first, str(pin.snapshot), 1) == (answer["channel"]["snapshot"], answer["left"], answer["runs"])
    assert [str(pin.snapshot)] == [each["snapshot"] for each in found]
    assert (first, found, {pin.snapshot}) == (cli.present(), listed, set(cli.barred()))
    assert not (cli.home / "runpin.db").exists()


def test_a_pinned_run_keeps_its_snapshot(cli: CommandLine) -> None:
    """It reads the same document before and after another publication, on a host that knows nothing yet too."""
    cli.batches(1000)
    cli.publish()
    key = RunKey("airflow", "default", "payments_daily", "run-1")
    with cli.core() as core:
        before = core.run(key).get_config("payments/etl")
    cli.batches(3000)
    cli.publish()
    cli.home = cli.folder / "another-host"
    with cli.core() as core:
        after = core.run(key).get_config("payments/etl")
        fresh = core.run(RunKey("airflow", "default", "payments_daily", "run-2")).get_config("payments/etl")

    assert (1000, 1000, 3000) == (before["batch_size"], after["batch_size"], fresh["batch_size"])


def test_doctor_names_the_members(cli: CommandLine) -> None:
    """It says which etcd answers, and warns of releases that can damage their data."""
    cli.publish()
    checks = {each["name"]: each for each in cli.ok("doctor", "-e", "prod", "-r", cli.config, "--json").json["checks"]}

    assert "etcd 3." in checks["store"]["detail"]
    assert ("warn" if "3.5.1" in checks["store"]["detail"] else "ok") == checks["store"]["status"]
    assert "ok" == checks["channels"]["status"]


def test_an_upgrade_has_nothing_to_do(cli: CommandLine) -> None:
    """A script that upgrades every store need not know which it is."""
    assert cli.ok("store", "upgrade", "--json").json["schema_version"] is None
    assert "no tables" in cli.ok("store", "upgrade").out


def test_no_password_is_printed(tmp_path: Path, etcd_server: EtcdServer) -> None:
    """Neither by doctor, which shows the address without it, nor in an error."""
    url = etcd_server.url("secretive", login="ada:hunter%402@")
    cli = CommandLine(tmp_path, {"RUNPIN_STORE": url})
    cli.start()
    shown = cli.run("doctor", "--settings", "-r", cli.config, "--json")
    failed = cli.run("channel", "show", "payments", "-e", "prod")

    assert f"{etcd_server.url('secretive')}" in shown.out
    assert (1, 5) == (shown.code, failed.code)
    assert "hunter" not in shown.out + shown.err + failed.out + failed.err
    assert "does not let this user in" in failed.err
