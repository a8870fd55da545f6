"""What a config sensor launches: a job, a target, only what is affected, and what it has to leave out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from dagster_classes import publish_documents
from dagster_reacting import Daemon, etl, fees, location, named, names, report, reprice
from dagster_runpin import RunpinResource, build_config_sensor, config_asset_key
from runpin.assembly import Runpin
from runpin.errors import SettingsError, UnknownApplication, UnknownDocument

# Dagster copies a sensor to bind resources to its job, and the copy warns about a parameter that nobody gave.
OWNERS = "ignore:Parameter `owners` of initializer:dagster_shared.utils.warnings.BetaWarning"
pytestmark = pytest.mark.filterwarnings(OWNERS)

REGIONS = dg.StaticPartitionsDefinition(["north", "south"])
ETL = config_asset_key("payments/etl")


@dg.asset(deps=[ETL], partitions_def=REGIONS)
def by_region(runpin: RunpinResource) -> None:
    """Read a document for each region."""
    runpin.config("payments/etl")


@dg.multi_asset(specs=[dg.AssetSpec("left", deps=[ETL]), dg.AssetSpec("right")])
def together(runpin: RunpinResource) -> Iterator[dg.MaterializeResult[Any]]:
    """Make two assets in one step, of which one reads."""
    runpin.config("payments/etl")
    yield dg.MaterializeResult("left")
    yield dg.MaterializeResult("right")


@dg.job(partitions_def=REGIONS)
def regional() -> None:
    """Do nothing, for each region."""


def daemon_of(sensor: dg.SensorDefinition, core: Runpin, instance: dg.DagsterInstance, **more: Any) -> Daemon:
    """Return a daemon that has done the first tick of *sensor*."""
    publish_documents(core, {"etl": 1, "fees": 1})
    daemon = Daemon(instance, location(sensor, **more))
    daemon.tick(sensor.name)
    return daemon


def selected(daemon: Daemon, name: str) -> list[list[str]]:
    """Tick, and return the assets of each run that is asked for."""
    return [names(request.asset_selection) for request in daemon.tick(name).run_requests or ()]


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ({"etl": 2, "fees": 1}, ["etl", "left", "right"]),
        ({"etl": 1, "fees": 2}, ["fees", "named"]),
        ({"etl": 2, "fees": 2}, ["etl", "fees", "left", "named", "right"]),
        ({"etl": 1}, ["fees", "named"]),
    ],
)
def test_only_what_reads_a_changed_document_is_launched(
    core: Runpin, instance: dg.DagsterInstance, documents: dict[str, int], expected: list[str]
) -> None:
    """By its deps or its metadata, with what is computed in one step with it; a document that went counts."""
    sensor = build_config_sensor("payments", target="*", only_affected=True)
    daemon = daemon_of(sensor, core, instance, assets=[together])
    publish_documents(core, documents)

    assert [expected] == selected(daemon, sensor.name)


def test_what_is_affected_really_runs(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Dagster accepts the selection, and the run uses the new document."""
    sensor = build_config_sensor("payments", target=[together, etl], only_affected=True)
    daemon = daemon_of(sensor, core, instance, assets=[together])
    snapshot = publish_documents(core, {"etl": 2, "fees": 1})
    (run,) = daemon.turn(sensor.name)
    made = instance.get_latest_materialization_event(etl.key)

    assert dg.DagsterRunStatus.SUCCESS is run.status
    assert made is not None
    assert made.asset_materialization is not None
    assert str(snapshot) == made.asset_materialization.metadata["runpin/payments"].value


def test_nothing_outside_of_the_target_is_launched(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Whatever reads the document; and when nothing in it does, the tick says so by name and the move is done with."""
    sensor = build_config_sensor("payments", target=[fees, report], only_affected=True)
    daemon = daemon_of(sensor, core, instance)
    snapshot = publish_documents(core, {"etl": 2, "fees": 1})
    found = daemon.tick(sensor.name)
    publish_documents(core, {"etl": 2, "fees": 2})

    assert [] == found.run_requests
    assert (
        f"revision 3: {snapshot}, seen. No asset of the target reads what changed: payments/etl." == found.skip_message
    )
    assert [["fees"]] == selected(daemon, sensor.name)


def test_without_only_affected_the_whole_target_is_launched(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Also what reads nothing."""
    sensor = build_config_sensor("payments", target=dg.AssetSelection.assets(etl, report))
    daemon = daemon_of(sensor, core, instance)
    publish_documents(core, {"etl": 1, "fees": 2})

    assert [["etl", "report"]] == selected(daemon, sensor.name)


def test_other_documents_do_not_count(core: Runpin, instance: dg.DagsterInstance) -> None:
    """With `documents` given; the tick names what it waits for."""
    sensor = build_config_sensor("payments", job=reprice, documents=["payments/etl"])
    daemon = daemon_of(sensor, core, instance)
    publish_documents(core, {"etl": 1, "fees": 2})
    found = daemon.tick(sensor.name)
    publish_documents(core, {"etl": 2, "fees": 2})

    assert "None of the documents that it waits for changed: payments/etl." in (found.skip_message or "")
    assert [] == found.run_requests
    assert 1 == len(daemon.tick(sensor.name).run_requests or ())


@pytest.mark.parametrize(("only_affected", "expected"), [(False, []), (True, ["fees"])])
def test_a_job_of_assets_may_be_narrowed(
    core: Runpin, instance: dg.DagsterInstance, *, only_affected: bool, expected: list[str]
) -> None:
    """To what is affected; otherwise the job runs as it is."""
    job = dg.define_asset_job("money", [etl, fees, report])
    sensor = build_config_sensor("payments", job=job, only_affected=only_affected)
    daemon = daemon_of(sensor, core, instance, jobs=[job])
    publish_documents(core, {"etl": 1, "fees": 2})

    assert [expected] == selected(daemon, sensor.name)


def test_a_job_of_ops_cannot_be_narrowed(core: Runpin, instance: dg.DagsterInstance) -> None:
    """The tick fails until that is corrected, and then the move is still due."""
    daemon = daemon_of(build_config_sensor("payments", job=reprice), core, instance)
    publish_documents(core, {"etl": 2, "fees": 1})
    corrected, daemon.definitions = (
        daemon.definitions,
        location(build_config_sensor("payments", job=reprice, only_affected=True)),
    )
    with pytest.raises(SettingsError, match="only_affected needs assets"):
        daemon.tick("runpin_payments_reprice")
    daemon.definitions = corrected

    assert 1 == len(daemon.tick("runpin_payments_reprice").run_requests or ())


def test_partitioned_assets_are_left_out(core: Runpin, instance: dg.DagsterInstance) -> None:
    """A move names no partition: the others are launched, and the tick's log names what is not."""
    sensor = build_config_sensor("payments", target=[etl, by_region], only_affected=True)
    daemon = daemon_of(sensor, core, instance, assets=[by_region])
    publish_documents(core, {"etl": 2, "fees": 1})

    assert [["etl"]] == selected(daemon, sensor.name)
    assert ["Left out, for a move names no partition (see on_config_change): by_region."] == daemon.log


@pytest.mark.parametrize(("job", "target"), [(None, [by_region]), (regional, None)])
def test_a_target_of_partitions_only_launches_nothing(
    core: Runpin, instance: dg.DagsterInstance, job: Any, target: Any
) -> None:
    """The tick says what was left out and why, and does not fail for ever."""
    sensor = build_config_sensor("payments", name="partitions", job=job, target=target)
    daemon = daemon_of(sensor, core, instance, assets=[by_region])
    publish_documents(core, {"etl": 2, "fees": 1})
    found = daemon.tick("partitions")

    assert [] == found.run_requests
    assert "Left out, for a move names no partition" in (found.skip_message or "")


def test_assets_whose_metadata_is_wrong_fail_the_tick_by_name(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Only those of the target, and nothing is lost meanwhile."""

    @dg.asset(metadata={"runpin/documents": "payments/etl"})
    def mistaken() -> None: ...

    sensor = build_config_sensor("payments", target=[etl, mistaken], only_affected=True)
    daemon = daemon_of(sensor, core, instance, assets=[mistaken])
    publish_documents(core, {"etl": 2, "fees": 1})
    with pytest.raises(UnknownDocument, match="mistaken"):
        daemon.tick(sensor.name)


def test_what_cannot_be_built_is_refused_where_it_is_written() -> None:
    """Names, documents of others, two targets, and narrowing nothing."""
    with pytest.raises(UnknownApplication):
        build_config_sensor("Payments!")
    with pytest.raises(UnknownDocument):
        build_config_sensor("payments", job=reprice, documents=["reports/daily"])
    with pytest.raises(SettingsError, match="not both"):
        build_config_sensor("payments", job=reprice, target=[etl])
    with pytest.raises(SettingsError, match="only_affected"):
        build_config_sensor("payments", only_affected=True)
    with pytest.raises(SettingsError, match="job="):
        build_config_sensor("payments", target=reprice)


def test_a_sensor_is_named_after_what_it_does() -> None:
    """Dashes of an application are no letters of a name; it is off until it is switched on."""
    sensors = [
        build_config_sensor("card-payments"),
        build_config_sensor("payments", target=[named]),
        build_config_sensor("payments", job="nightly"),
    ]

    assert ["runpin_card_payments", "runpin_payments", "runpin_payments_nightly"] == [each.name for each in sensors]
    assert {dg.DefaultSensorStatus.STOPPED} == {each.default_status for each in sensors}
    assert {30} == {each.minimum_interval_seconds for each in sensors}
