"""The command line with its store in Azure App Configuration, at a double, and its ledger elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from azure_double_server import Server, serving
from azure_double_wire import SECRET
from command_line import CommandLine
from runpin.assembly import Runpin
from runpin.azure_backend import AzureBackend
from runpin.backends import open_backend
from runpin.clock import SystemClock
from runpin.errors import SettingsError
from runpin.model import RunKey
from runpin.stores.azure import AzureStore

CANARY = SECRET[:20]
AZURE = "azure-appconfig://name.azconfig.io/runpin"


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve an empty double."""
    with serving() as server:
        yield server


@pytest.fixture
def cli(tmp_path: Path, server: Server) -> CommandLine:
    """Return a command line whose store is the double and whose ledger is a file."""
    cli = CommandLine(tmp_path, settings_for(server, tmp_path))
    cli.start()
    return cli


def settings_for(server: Server, folder: Path) -> dict[str, str]:
    """Return the variables that lead to *server*, with a ledger in *folder*."""
    return {
        "RUNPIN_STORE": server.url,
        "RUNPIN_STORE_CONNECTION_STRING": server.connection_string,
        "RUNPIN_LEDGER": f"sqlite:///{folder / 'ledger.db'}",
    }


def opened(cli: CommandLine) -> Runpin:
    """Open the same home as a library would."""
    given = {name.removeprefix("RUNPIN_").lower(): value for name, value in cli.variables.items() if "COLUMNS" != name}
    given.pop("actor")
    return Runpin.open(environment="prod", **given)


def test_a_run_keeps_what_was_published_when_it_began(cli: CommandLine) -> None:
    """Published, pinned and read through the double; a later publication is for later runs."""
    cli.batches(100)
    first = cli.publish()["published"][0]["snapshot"]
    with opened(cli) as core:
        run = core.run(RunKey("airflow", "default", "etl", "one"))
        read = run.get_config("payments/etl")["batch_size"]
        cli.batches(200)
        cli.publish()
        later = core.run(RunKey("airflow", "default", "etl", "two"))

        assert (100, 100) == (read, run.get_config("payments/etl")["batch_size"])
        assert later.get_config("payments/etl")["batch_size"] == 200
        assert first in cli.ok("pins", "--run", "one").out
    assert not (cli.home / "runpin.db").exists()


def test_a_rollback_bars_and_goes_back(cli: CommandLine) -> None:
    """The channel is Azure's, the quarantine the ledger's."""
    cli.batches(100)
    cli.publish()
    good = cli.present()
    cli.batches(200)
    cli.publish()
    bad = cli.present()
    cli.ok("rollback", "payments", "-e", "prod", "--reason", "broken")

    assert good == cli.present() != bad
    with opened(cli) as core:
        assert [bad] == [str(each) for each in core.ledger.barred("prod")]


def test_the_doctor_looks_at_both_and_tells_no_secret(cli: CommandLine, server: Server) -> None:
    """Neither the access key nor the ledger's URL is shown."""
    cli.batches(100)
    cli.publish()
    healthy = cli.run("doctor", "-e", "prod", "--settings")
    server.close()
    cli.variables["RUNPIN_STORE_CONNECTION_STRING"] = server.connection_string.replace(SECRET, "AAAA")

    assert f"azure-appconfig://{server.host}/runpin; ledger: {cli.folder / 'ledger.db'}" in healthy.out
    assert CANARY not in healthy.out + healthy.err


def test_a_wrong_key_is_told_without_the_key(cli: CommandLine, server: Server) -> None:
    """What helps is said: which store, and what to look at."""
    wrong = server.connection_string.replace(SECRET, f"{CANARY}AAAA")
    cli.variables["RUNPIN_STORE_CONNECTION_STRING"] = wrong
    answer = cli.run("channel", "show", "payments", "-e", "prod")

    assert (5, "") == (answer.code, answer.out)
    assert "does not let this identity in" in answer.err
    assert CANARY not in answer.err


def test_the_store_alone_is_no_ledger() -> None:
    """Neither the adapter nor the settings let it be one: it cannot fence a pin."""
    store = set(dir(AzureStore))
    with pytest.raises(SettingsError, match="cannot hold pins"):
        open_backend(AZURE, SystemClock(), upgrade=True)
    with pytest.raises(SettingsError, match="cannot hold pins"):
        open_backend(AZURE, SystemClock(), upgrade=True, ledger=AZURE)

    assert store.isdisjoint({"put_if_absent", "advance", "bar", "lift", "barred"})


def test_a_ledger_beside_a_store_that_is_one_is_refused(tmp_path: Path) -> None:
    """Its channels would not know what is barred."""
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("one", "other")]

    with pytest.raises(SettingsError, match="its own ledger"):
        open_backend(urls[0], SystemClock(), upgrade=True, ledger=urls[1])


def test_nothing_is_contacted_before_the_first_question(tmp_path: Path) -> None:
    """A host whose store is away can be set up, and reads from its cache."""
    backend = open_backend(AZURE, SystemClock(), upgrade=True, ledger=f"sqlite:///{tmp_path}/ledger.db")

    assert isinstance(backend, AzureBackend)
    assert backend.store is backend.store
    backend.close()


def test_status_tells_what_azures_own_readers_see(cli: CommandLine, server: Server) -> None:
    """They follow as a mirror does: what somebody has taken away is missed, and publishing again brings it back."""
    cli.variables["RUNPIN_STORE"] += "&feature_flags=true&native_snapshots=true"
    cli.batches(100)
    cli.publish()
    sentinel = "runpin/sentinels/prod/-/payments/stable"
    followed = cli.run("status", "-e", "prod")
    server.double.drop(sentinel)
    behind = cli.run("status", "-e", "prod")
    cli.publish()

    assert "in step" in followed.out
    assert "behind" in behind.out
    assert sentinel in server.double.stored()


def test_a_process_that_watches_sees_a_move(cli: CommandLine) -> None:
    """By asking for ETags every second, and not only when it looks at everything again."""
    cli.variables["RUNPIN_STORE"] += "&poll=1"
    cli.batches(100)
    cli.publish()
    with opened(cli) as core:
        assert core.watch.wait_for_view(30)
        first = core.watch.present(["payments"])
        cli.batches(200)
        cli.publish()
        ends = core.clock.monotonic() + 30
        while core.watch.present(["payments"]) == first and core.clock.monotonic() < ends:
            Event().wait(0.1)

        assert [cli.present()] == [str(each) for each in core.watch.present(["payments"]).values()]
