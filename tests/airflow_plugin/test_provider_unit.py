"""The provider's own code beside the listener, with Airflow's real classes, but without an engine."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_classes import carried_by, in_task, publish, starting
from runpin.assembly import Runpin
from runpin.model import STABLE, Asked, SnapshotId

if TYPE_CHECKING:
    from airflow_provider_runpin.listeners import PinningListener

pytestmark = pytest.mark.usefixtures("airflow_home")

TUESDAY = datetime(2026, 1, 6, tzinfo=UTC)


# From a task's context to its run


def test_a_task_is_pinned_to_what_was_proposed(core: Runpin, listener: PinningListener) -> None:
    """The channel moved on before the first read; the proposal holds, in every try."""
    from airflow_provider_runpin.context import run_of

    run = starting()
    listener.on_dag_run_running(run)
    publish(core, "payments", 2)
    pins = [run_of(in_task(run, try_number=number)).pin("payments") for number in (1, 2)]

    assert pins[0] == pins[1]
    assert (Asked.PROPOSAL, 1) == (pins[0].asked, pins[0].snapshot.sequence)


def test_the_run_key_names_deployment_dag_run_and_incarnation(core: Runpin, listener: PinningListener) -> None:
    """Two runs differ if any of them does."""
    from airflow_provider_runpin.context import run_of

    run = starting()
    listener.on_dag_run_running(run)
    key = run_of(in_task(run), core).key

    assert ("airflow", "default", "nightly", "r1") == (key.engine, key.deployment, key.job, key.run_id)
    assert carried_by(run)["incarnation"] == key.incarnation


def test_a_run_that_was_created_again_decides_anew(core: Runpin, listener: PinningListener) -> None:
    """The id is the old one; the listener's token tells them apart, and without it the moment the run was due."""
    from airflow_provider_runpin.context import run_of

    first, second, third, fourth = (starting() for _ in range(4))
    listener.on_dag_run_running(first)
    listener.on_dag_run_running(second)
    fourth.run_after = TUESDAY
    keys = [run_of(in_task(run), core).key for run in (first, second, third, fourth)]

    assert 4 == len({key.digest for key in keys})
    assert ["r1"] * 4 == [key.run_id for key in keys]


def test_a_copied_conf_is_a_new_run(core: Runpin, listener: PinningListener) -> None:
    """Triggering again with an old run's conf proposes anew."""
    old = starting()
    listener.on_dag_run_running(old)
    newest = publish(core, "payments", 2)
    core.watch.refresh()
    copy = starting(old.conf, run_id="r2")
    listener.on_dag_run_running(copy)

    assert {"payments": str(newest)} == carried_by(copy)["pins"]
    assert carried_by(old)["incarnation"] != carried_by(copy)["incarnation"]


# Hook, operator, macros


@pytest.fixture
def connected(core: Runpin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SnapshotId:
    """Publish to another environment of another store, which the connection `elsewhere` names."""
    del core
    store = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    connection = {"conn_type": "runpin", "password": store, "extra": {"environment": "staging", "channel": ""}}
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps(connection))
    with Runpin.open(store=store, environment="staging") as other:
        return publish(other, "payments", 1)


def test_the_hook_reads_through_its_connection(connected: SnapshotId) -> None:
    """Store and environment come from the connection, what it leaves out from the settings."""
    from airflow_provider_runpin.hooks.runpin import RunpinHook

    hook = RunpinHook("elsewhere")
    with hook.get_conn() as core:
        config = hook.get_config("payments/etl", context=in_task(starting()))
        pinned = core.ledger.pins_of_run("r1", "nightly")
        answer = hook.test_connection()

    assert ({"number": 1}, [connected]) == (config, [pin.snapshot for pin in pinned])
    assert (True, "Store and ledger answer. Published for staging: payments.") == answer
    assert STABLE == core.settings.channel


def test_a_dead_store_is_told_without_its_password(core: Runpin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message of the test button is shown to everybody who may edit connections."""
    from airflow_provider_runpin.hooks.runpin import RunpinHook

    del core
    connection = {"conn_type": "runpin", "password": "postgresql+psycopg://runpin:hush-hush@127.0.0.1:1/runpin"}
    monkeypatch.setenv("AIRFLOW_CONN_DEAD", json.dumps(connection))
    hook = RunpinHook("dead")
    works, message = hook.test_connection()
    hook.runpin.close()

    assert not works
    assert "127.0.0.1" in message
    assert "hush-hush" not in message


def test_the_operator_pins_and_brings_the_documents(core: Runpin, listener: PinningListener) -> None:
    """Its answer is the run's snapshots by application, and reading needs no store after it."""
    from airflow_provider_runpin.context import run_of
    from airflow_provider_runpin.operators.config import PinConfigOperator

    run = starting()
    listener.on_dag_run_running(run)
    applications = ["payments", "reports"]
    answer = PinConfigOperator(task_id="pin", applications=applications).execute(in_task(run))
    decided = {name: str(run_of(in_task(run)).pin(name).snapshot) for name in applications}
    (digest,) = core.resolver.snapshot(core.resolver.find(SnapshotId.parse(answer["payments"])), 1).documents.values()

    assert decided == answer
    assert core.cache.get_object(digest) is not None


def test_the_operators_applications_are_a_template() -> None:
    """A DAG may compute them."""
    from airflow_provider_runpin.operators.config import PinConfigOperator

    assert ("applications",) == PinConfigOperator.template_fields


# What Airflow is told about the provider


def test_a_dag_file_that_reads_configuration_does_not_load_the_core() -> None:
    """It is parsed again and again, and nothing is read then; the first task that reads loads the rest."""
    code = "import sys; from airflow_provider_runpin import get_config; print('runpin' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert "False" == done.stdout.strip()


def test_the_provider_info_fits_airflows_schema() -> None:
    """Airflow checks it when it starts, and leaves a provider out that does not fit."""
    import airflow
    from jsonschema import validate

    from airflow_provider_runpin.get_provider_info import get_provider_info

    schema = json.loads((Path(airflow.__path__[0]) / "provider_info.schema.json").read_text())
    validate(get_provider_info(), schema)


def test_the_provider_info_tells_the_truth() -> None:
    """Every module and class that it names exists, the version is the package's, the connection type the hook's."""
    from importlib import import_module

    import airflow_provider_runpin
    from airflow_provider_runpin.get_provider_info import get_provider_info
    from airflow_provider_runpin.hooks.runpin import RunpinHook

    info = get_provider_info()
    listed = [name for kind in ("hooks", "operators") for entry in info[kind] for name in entry["python-modules"]]
    (connection,) = info["connection-types"]
    module, _, name = connection["hook-class-name"].rpartition(".")

    assert listed == [import_module(each).__name__ for each in listed]
    assert RunpinHook is getattr(import_module(module), name)
    assert RunpinHook.conn_type == connection["connection-type"]
    assert [airflow_provider_runpin.__version__] == info["versions"]


def test_airflow_finds_both_entry_points() -> None:
    """One makes the connection type and the options known, the other loads macros and listener."""
    from airflow_provider_runpin.get_provider_info import get_provider_info
    from airflow_provider_runpin.plugin import RunpinPlugin

    found = [
        point.load()
        for group in ("apache_airflow_provider", "airflow.plugins")
        for point in entry_points(group=group)
        if point.value.startswith("airflow_provider_runpin")
    ]

    assert [get_provider_info, RunpinPlugin] == found


def test_the_plugin_carries_macros_and_its_listeners() -> None:
    """Templates know `macros.runpin`, and the listeners are on unless they are switched off."""
    from airflow_provider_runpin.listeners import PinningListener
    from airflow_provider_runpin.plugin import RunpinPlugin
    from airflow_provider_runpin.telemetry import TelemetryListener
    from airflow_provider_runpin.watermarks import WatermarkListener

    listeners = [PinningListener, TelemetryListener, WatermarkListener]

    assert ["config", "snapshot", "inherit"] == [macro.__name__ for macro in RunpinPlugin.macros]
    assert listeners == [type(listener) for listener in RunpinPlugin.listeners]
