"""What materialisations say about the configuration that made them: the right keys, or nothing, and never an error."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from dagster_classes import publish
from dagster_runpin import RunpinResource

if TYPE_CHECKING:
    from runpin.assembly import Runpin

RESOURCES = {"runpin": RunpinResource()}
PARTS = dg.StaticPartitionsDefinition(["a", "b", "c"])


@pytest.fixture(autouse=True)
def quiet(core: Runpin, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test whose materialisations could not say what they used."""
    del core
    with caplog.at_level(logging.WARNING, "dagster_runpin"):
        yield

    assert [] == [record.message for record in caplog.records if record.name == "dagster_runpin"]


def said(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Return runpin's metadata of every materialisation, by asset, and by partition if it has one."""
    found = {}
    for event in result.get_asset_materialization_events():
        made = event.step_materialization_data.materialization
        name = f"{made.asset_key.to_user_string()}{f'[{made.partition}]' if made.partition else ''}"
        found[name] = {key: value.value for key, value in made.metadata.items() if key.startswith("runpin/")}
    return found


def expected(core: Runpin, *documents: str, application: str = "payments") -> dict[str, str]:
    """Return what a materialisation says that used *documents* of the newest snapshot."""
    [channel] = [each for each in core.store.channels("prod", None) if each.scope.application == application]
    snapshot = core.resolver.snapshot(channel.digest, channel.snapshot.sequence)
    digests = {f"runpin/{application}/{name}": snapshot.documents[name] for name in documents}
    return {f"runpin/{application}": str(snapshot.id), **digests} if documents else {}


@dg.asset
def single(runpin: RunpinResource) -> None:
    """Read in a loop."""
    for _ in range(3):
        runpin.config("payments/etl")


@dg.asset
def silent() -> None:
    """Read nothing."""


@dg.asset
async def waiting(runpin: RunpinResource) -> None:
    """Read in a coroutine."""
    runpin.config("payments/limits")


@dg.asset
def own_words(runpin: RunpinResource) -> dg.MaterializeResult[None]:
    """Read, and attach metadata of its own."""
    runpin.config("payments/etl")
    return dg.MaterializeResult(metadata={"rows": 3})


@dg.asset
def two_applications(runpin: RunpinResource) -> None:
    """Read documents of two applications."""
    runpin.config("payments/etl")
    runpin.config("reports/limits")


@dg.multi_asset(specs=[dg.AssetSpec("left"), dg.AssetSpec("right")], can_subset=True)
def pair(runpin: RunpinResource) -> Iterator[dg.MaterializeResult[None]]:
    """Read once for whatever is asked for."""
    runpin.config("payments/etl")
    for key in sorted(dg.AssetExecutionContext.get().selected_asset_keys):
        yield dg.MaterializeResult(asset_key=key)


@dg.asset(partitions_def=PARTS)
def parted(runpin: RunpinResource) -> None:
    """Read for one partition."""
    runpin.config("payments/etl")


with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)  # Dagster says so of every use of a backfill policy
    in_one_run = dg.asset(partitions_def=PARTS, backfill_policy=dg.BackfillPolicy.single_run())


@in_one_run
def parted_at_once(runpin: RunpinResource) -> None:
    """Read for a range of partitions."""
    runpin.config("payments/etl")


@dg.op
def load(runpin: RunpinResource) -> int:
    """Read in an op."""
    return int(runpin.config("payments/etl")["number"])


@dg.op
def shape(runpin: RunpinResource, number: int) -> int:
    """Read in a second op."""
    return int(runpin.config("payments/limits")["most"]) + number


@dg.graph_asset
def by_graph() -> int:
    """Be computed by two ops, of which the last one makes the asset."""
    made: int = shape(load())
    return made


@dg.asset(check_specs=[dg.AssetCheckSpec("inside", asset="checked")])
def checked(runpin: RunpinResource) -> Iterator[dg.MaterializeResult[None]]:
    """Read, and check itself."""
    runpin.config("payments/etl")
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="inside")])


@dg.asset_check(asset=silent)
def outside(runpin: RunpinResource) -> dg.AssetCheckResult:
    """Read in a check of its own."""
    return dg.AssetCheckResult(passed=int(runpin.config("payments/etl")["number"]) > 0)


@dg.asset
def in_a_thread(runpin: RunpinResource) -> None:
    """Read in another thread, which Dagster does not know."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(runpin.config, "payments/etl").result()


@pytest.mark.parametrize(
    ("asset", "documents"),
    [
        (single, ["etl"]),
        (waiting, ["limits"]),
        (own_words, ["etl"]),
        (silent, []),
        (in_a_thread, []),
        (checked, ["etl"]),
    ],
    ids=lambda each: getattr(getattr(each, "op", None), "name", ""),
)
def test_an_asset_says_what_it_used(
    core: Runpin, instance: dg.DagsterInstance, asset: dg.AssetsDefinition, documents: list[str]
) -> None:
    """It says the snapshot and each document's digest, beside its own words; nothing if Dagster knows no step."""
    result = dg.materialize([asset], resources=RESOURCES, instance=instance)

    assert {asset.key.to_user_string(): expected(core, *documents)} == said(result)


def test_two_applications_are_told_apart(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Each has its own snapshot."""
    publish(core, "reports")
    result = dg.materialize([two_applications], resources=RESOURCES, instance=instance)
    both = {**expected(core, "etl"), **expected(core, "limits", application="reports")}

    assert {"two_applications": both} == said(result)


def test_steps_of_one_process_do_not_mix(core: Runpin, instance: dg.DagsterInstance) -> None:
    """They share the resource, and each says what itself has read."""
    result = dg.materialize([single, waiting, silent], resources=RESOURCES, instance=instance)

    assert {
        "single": expected(core, "etl"),
        "waiting": expected(core, "limits"),
        "silent": {},
    } == said(result)


@pytest.mark.parametrize("names", [["left", "right"], ["right"]])
def test_a_multi_asset_says_it_for_what_it_makes(core: Runpin, instance: dg.DagsterInstance, names: list[str]) -> None:
    """All of it, or the part that was asked for."""
    result = dg.materialize([pair], resources=RESOURCES, instance=instance, selection=names)

    assert {name: expected(core, "etl") for name in names} == said(result)


def test_a_partition_says_it(core: Runpin, instance: dg.DagsterInstance) -> None:
    """One partition, or each of a range that one run makes."""
    one = dg.materialize([parted], resources=RESOURCES, instance=instance, partition_key="b")
    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"}
    many = dg.materialize([parted_at_once], resources=RESOURCES, instance=instance, tags=tags)

    assert {"parted[b]": expected(core, "etl")} == said(one)
    assert {f"parted_at_once[{each}]": expected(core, "etl") for each in "abc"} == said(many)


def test_an_asset_made_by_a_graph_says_it(core: Runpin, instance: dg.DagsterInstance) -> None:
    """What its ops have read, as far as Dagster lets them say it."""
    result = dg.materialize([by_graph], resources=RESOURCES, instance=instance)

    assert {"by_graph": expected(core, "limits")} == said(result)


def test_a_check_reads_without_saying_so(core: Runpin, instance: dg.DagsterInstance) -> None:
    """It makes no asset."""
    del core
    result = dg.materialize([silent, outside], resources=RESOURCES, instance=instance)

    assert ({"silent": {}}, [True]) == (said(result), [each.passed for each in result.get_asset_check_evaluations()])


def test_a_plain_op_reads_without_saying_so(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Dagster hands out an asset's context there too, and it is not one."""
    del core

    @dg.job(resource_defs=RESOURCES)
    def plain() -> None:
        shape(load())

    result = plain.execute_in_process(instance=instance)

    assert (True, {}) == (result.success, said(result))


def test_after_a_switch_the_new_snapshot_is_said(core: Runpin, instance: dg.DagsterInstance) -> None:
    """The materialisation says what was read last."""

    @dg.asset
    def switching(runpin: RunpinResource) -> None:
        runpin.config("payments/etl")
        publish(core)
        runpin.safe_point()
        runpin.config("payments/etl")

    tags = {"runpin.behavior": "AUTO_UPGRADE"}
    result = dg.materialize([switching], resources=RESOURCES, instance=instance, tags=tags)

    assert {"switching": expected(core, "etl")} == said(result)
