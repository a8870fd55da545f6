"""A job of assets that works only if the rules of today accept what its run is pinned to."""

from __future__ import annotations

import dagster as dg

from dagster_runpin import RunpinResource, build_config_assets, build_config_checks, config_asset_key

CONFIG = config_asset_key("payments/etl")


@dg.asset(deps=[CONFIG])
def settled(runpin: RunpinResource) -> int:
    """Read what the run is pinned to."""
    size: int = runpin.config("payments/etl")["size"]
    return size


def ruled() -> dg.JobDefinition:
    """Return the job: the check of the config asset, and the asset behind it."""
    checks = build_config_checks([CONFIG], rules=True)
    selection = dg.AssetSelection.assets(settled) | dg.AssetSelection.checks_for_assets(CONFIG)
    definitions = dg.Definitions(
        assets=[build_config_assets(["payments/etl"]), settled],
        asset_checks=checks,
        jobs=[dg.define_asset_job("ruled", selection=selection)],
        resources={"runpin": RunpinResource()},
    )
    return definitions.resolve_job_def("ruled")
