"""Automation on config changes: once for each change, whenever it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest

from dagster_reacting import names
from dagster_runpin import build_config_assets, config_asset_key, on_config_change

BETA = "dagster_shared.utils.warnings.BetaWarning"

# Dagster's own evaluation of conditions calls what it warns about.
pytestmark = pytest.mark.filterwarnings(f"ignore:Parameter `include_sources` of function `AssetSelection.all`:{BETA}")

ETL, FEES = config_asset_key("payments/etl"), config_asset_key("payments/fees")


@dataclass
class Automation:
    """Dagster's automation, one evaluation after the other."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    cursor: Any = None
    meanwhile: Callable[[], None] = lambda: None

    def observe(self, key: dg.AssetKey, version: str) -> None:
        """Report a version of a document."""
        event = dg.AssetObservation(key, tags={"dagster/data_version": version})
        self.instance.report_runless_asset_event(event)

    def requested(self) -> list[str]:
        """Evaluate all conditions, and return what they request."""
        result = dg.evaluate_automation_conditions(self.definitions, instance=self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        graph = self.definitions.get_repository_def().asset_graph
        return names(key for key in graph.materializable_asset_keys if result.get_num_requested(key))

    def materialized(self) -> list[str]:
        """Evaluate all conditions, execute what they request, and return it."""
        found = self.requested()
        if found:
            job = self.definitions.resolve_implicit_global_asset_job_def()
            keys = [dg.AssetKey(name) for name in found]
            assert job.execute_in_process(instance=self.instance, asset_selection=keys).success
        return found


@pytest.fixture
def automation() -> Iterator[Automation]:
    """Return automation over three assets: of a document, of the other, and of what the first one makes."""

    @dg.asset(deps=[ETL, "upstream"], automation_condition=on_config_change())
    def of_etl() -> None:
        found.meanwhile()

    @dg.asset(deps=[FEES], automation_condition=on_config_change())
    def of_fees() -> None: ...

    @dg.asset(deps=[of_etl], automation_condition=on_config_change())
    def of_data() -> None: ...

    config_assets = build_config_assets(["payments/etl", "payments/fees"])
    definitions = dg.Definitions(
        assets=[config_assets, of_etl, of_fees, of_data, dg.AssetSpec("upstream")], resources={"runpin": 1}
    )
    with dg.DagsterInstance.ephemeral() as instance:
        found = Automation(definitions, instance)
        yield found


def test_automation_follows_a_change_once(automation: Automation) -> None:
    """The asset of the document that changed, after the first observation too, and nothing for the same version."""
    nothing = automation.materialized()
    automation.observe(ETL, "1")
    automation.observe(FEES, "1")
    first = automation.materialized()
    quiet = automation.materialized()
    automation.observe(ETL, "2")
    changed = automation.materialized()
    automation.observe(ETL, "2")

    assert ([], ["of_etl", "of_fees"], [], ["of_etl"]) == (nothing, first, quiet, changed)
    assert [] == automation.materialized() == automation.materialized()


def test_automation_follows_a_change_that_comes_right_after_a_request(automation: Automation) -> None:
    """Between two evaluations, and the run that was requested has read the version before."""
    automation.requested()
    automation.observe(ETL, "1")
    first = automation.materialized()
    automation.observe(ETL, "2")

    assert ["of_etl"] == first == automation.materialized()
    assert [] == automation.materialized() == automation.materialized()


def test_automation_follows_a_change_that_comes_during_the_run(automation: Automation) -> None:
    """It waits until the run is over, and the end of that run is no answer to it."""
    during: list[list[str]] = []

    def change() -> None:
        automation.meanwhile = lambda: None
        automation.observe(ETL, "2")
        during.extend([automation.requested(), automation.requested()])

    automation.requested()
    automation.observe(ETL, "1")
    automation.meanwhile = change
    first = automation.materialized()

    assert [[], []] == during
    assert ["of_etl"] == first == automation.materialized()
    assert [] == automation.materialized() == automation.materialized()


def test_automation_heeds_config_assets_only(automation: Automation) -> None:
    """A dep that is no document changes nothing, nor does new data of an asset above."""
    automation.requested()
    automation.observe(ETL, "1")
    automation.materialized()
    automation.instance.report_runless_asset_event(dg.AssetMaterialization("upstream"))

    assert [] == automation.requested()


def test_automation_asks_for_all_partitions_of_a_partitioned_asset() -> None:
    """What a config sensor leaves out."""

    @dg.asset(
        deps=[ETL],
        automation_condition=on_config_change(),
        partitions_def=dg.StaticPartitionsDefinition(["north", "south"]),
    )
    def by_region() -> None: ...

    assets = [build_config_assets(["payments/etl"]), by_region]
    with dg.DagsterInstance.ephemeral() as instance:
        definitions = dg.Definitions(assets=assets, resources={"runpin": 1})
        automation = Automation(definitions, instance)
        automation.requested()
        automation.observe(ETL, "1")
        result = dg.evaluate_automation_conditions(definitions, instance=instance, cursor=automation.cursor)

    assert 2 == result.get_num_requested(by_region.key)
