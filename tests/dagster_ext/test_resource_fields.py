"""The fields of the resource: what each means, which store they lead to, and who may see what is secret."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
import yaml
from dagster._config import snap_from_config_type
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap
from pydantic import SecretStr

from azure_double_server import serving
from dagster_classes import failures, publish
from dagster_runpin import RunpinComponent, RunpinResource
from dagster_runpin.masking import MASK
from dagster_runpin.resource import SETTINGS
from runpin.assembly import Runpin
from runpin.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CANARY = "hush-"
SECRET = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}


@dg.asset
def sums(runpin: RunpinResource) -> int:
    """Read configuration of a run."""
    return int(runpin.config("payments/etl")["number"])


def reads(instance: dg.DagsterInstance, **fields: Any) -> None:
    """Check that what is published through a resource is what a run with that resource is pinned to."""
    resource = RunpinResource(environment="staging", **fields)
    with Runpin.open(environment="staging", **given(fields)) as core:
        published = publish(core)
        result = dg.materialize([sums], instance=instance, resources={"runpin": resource})
        (pin,) = core.ledger.pins_of_run(result.run_id)

    assert (published, "staging") == (pin.snapshot, pin.snapshot.environment)


def short(name: str) -> str:
    """Return what is short enough for the name of an environment."""
    return name[:9].replace("_", "-")


def given(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return what *fields* hold, of variables the value."""
    return {name: str(each.get_value() if isinstance(each, dg.EnvVar) else each) for name, each in fields.items()}


def test_the_fields_say_what_the_settings_say() -> None:
    """Meaning and secrecy of each field are those of the setting, and no setting that is a secret was left out."""
    fields = RunpinResource.model_fields
    extras: dict[str, Any] = {name: field.json_schema_extra or {} for name, field in fields.items()}
    meanings = {name: Settings.model_fields[name].description for name in SETTINGS}

    assert meanings == {name: field.description for name, field in fields.items()}
    assert {name for name, extra in extras.items() if extra.get("dagster__is_secret")} == SECRET


def test_a_file_is_a_store(instance: dg.DagsterInstance, core: Runpin, tmp_path: Path) -> None:
    """SQLite, for one host."""
    del core
    reads(instance, store=f"sqlite:///{tmp_path / 'elsewhere.db'}")


def test_postgresql_is_a_store(
    instance: dg.DagsterInstance, core: Runpin, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real server, whose URL is in a variable."""
    del core
    monkeypatch.setenv("OUR_STORE", postgres_url)
    reads(instance, store=dg.EnvVar("OUR_STORE"))


@pytest.mark.etcd
def test_etcd_is_a_store(
    instance: dg.DagsterInstance, core: Runpin, etcd_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real member."""
    del core
    monkeypatch.setenv("OUR_STORE", etcd_url)
    reads(instance, store=dg.EnvVar("OUR_STORE"))


def test_azure_is_a_store(
    instance: dg.DagsterInstance, core: Runpin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the double: connection string and ledger are fields of their own."""
    del core
    with serving() as server:
        monkeypatch.setenv("OUR_STRING", server.connection_string)
        ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
        reads(instance, store=server.url, ledger=ledger, store_connection_string=dg.EnvVar("OUR_STRING"))


@pytest.mark.parametrize("late", [False, True])
def test_every_field_reaches_its_setting(core: Runpin, monkeypatch: pytest.MonkeyPatch, *, late: bool) -> None:
    """As a text and as a variable."""
    del core
    resource = RunpinResource(**entered(SETTINGS, monkeypatch, late=late))
    with dg.build_sensor_context(resources={"runpin": resource}) as context:
        settings = context.resources.runpin.core.settings

    assert {name: f"hush-{short(name)}" for name in SETTINGS} == {
        name: plain(getattr(settings, name)) for name in SETTINGS
    }


def plain(value: object) -> object:
    """Return the text of a setting, of several the only one."""
    if isinstance(value, tuple):
        (value,) = value
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def entered(names: Iterable[str], monkeypatch: pytest.MonkeyPatch, *, late: bool) -> dict[str, Any]:
    """Return a value for each field, or the variable that holds it."""
    for name in names:
        monkeypatch.setenv(f"OUR_{name.upper()}", f"hush-{short(name)}")
    return {name: dg.EnvVar(f"OUR_{name.upper()}") if late else f"hush-{short(name)}" for name in names}


@pytest.mark.parametrize("late", [False, True])
def test_nothing_secret_is_shown(monkeypatch: pytest.MonkeyPatch, *, late: bool) -> None:
    """Neither in a representation, nor on the resource's page, nor in what the launchpad begins with."""
    resource = RunpinResource(environment="prod", **entered(SECRET, monkeypatch, late=late))
    definitions = dg.Definitions(assets=[sums], resources={"runpin": resource})
    shown = launchpad(definitions)
    page = dg.serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))

    assert "environment: prod" in shown
    assert f"store: '{MASK}'" in shown
    assert CANARY not in shown + repr(resource) + str(resource)
    assert late is (CANARY not in page)


@pytest.mark.parametrize("late", [False, True])
def test_a_run_from_the_launchpad_reads_the_same(
    instance: dg.DagsterInstance, core: Runpin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, late: bool
) -> None:
    """It sends back the stars that it showed; they stand for what the code has given."""
    store = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    monkeypatch.setenv("OUR_STORE", store)
    resource = RunpinResource(store=dg.EnvVar("OUR_STORE") if late else store)
    definitions = dg.Definitions(assets=[sums], resources={"runpin": resource})
    with Runpin.open(environment="prod", store=store) as other:
        publish(core)
        published = publish(other), publish(other)
        result = dg.materialize(
            [sums], instance=instance, resources={"runpin": resource}, run_config=yaml.safe_load(launchpad(definitions))
        )
        (pin,) = other.ledger.pins_of_run(result.run_id)

    assert published[-1] == pin.snapshot
    assert () == core.ledger.pins_of_run(result.run_id)


def test_stars_stand_for_nothing_where_nothing_was_given(instance: dg.DagsterInstance, core: Runpin) -> None:
    """The launchpad shows them for every secret; the settings then hold, as without the launchpad."""
    resource = {"runpin": RunpinResource.configure_at_launch()}
    masked = {"resources": {"runpin": {"config": dict.fromkeys(SECRET, MASK)}}}
    result = dg.materialize([sums], instance=instance, resources=resource, run_config=masked)

    assert 1 == len(core.ledger.pins_of_run(result.run_id))


def test_stars_for_a_variable_that_is_not_set(instance: dg.DagsterInstance, core: Runpin) -> None:
    """The store of the settings was not meant, so the read fails, and names the variable."""
    resource = {"runpin": RunpinResource(store=dg.EnvVar("OUR_NOWHERE"))}
    masked = {"resources": {"runpin": {"config": {"store": MASK}}}}
    result = dg.materialize([sums], instance=instance, resources=resource, run_config=masked, raise_on_error=False)

    assert "the variable OUR_NOWHERE is not set" in "".join(failures(instance, result.run_id).values())
    assert () == core.ledger.pins_of_run(result.run_id)


def launchpad(definitions: dg.Definitions) -> str:
    """Return what the launchpad begins with."""
    config = definitions.resolve_implicit_global_asset_job_def().run_config_schema.config_type
    text: str = default_values_yaml_from_type_snap(config.schema_snapshot, snap_from_config_type(config))
    return text


@pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated")
def test_the_component_has_the_same_fields() -> None:
    """And those that are secret stay in their variable until a run needs them."""
    attributes = {name: f"{{{{ env.OUR_{name.upper()} }}}}" for name in SECRET}
    made = RunpinComponent.resolve_from_dict(attributes)
    plain = RunpinComponent.resolve_from_dict({name: f"{name}-1" for name in SETTINGS})

    assert set(SETTINGS) <= set(RunpinComponent.model_fields)
    assert {name: dg.EnvVar(f"OUR_{name.upper()}") for name in SECRET} == {name: getattr(made, name) for name in SECRET}
    assert {name: f"{name}-1" for name in SETTINGS} == {name: getattr(plain, name) for name in SETTINGS}
