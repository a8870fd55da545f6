"""
Runpin for Dagster: every run keeps one configuration Snapshot.

    import dagster as dg
    from dagster_runpin import RunpinResource

    defs = dg.Definitions(assets=[...], resources={"runpin": RunpinResource(environment="prod")})

The names are loaded when they are first used, so that a code location pays for what it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dagster_shared.libraries import DagsterLibraryRegistry

if TYPE_CHECKING:
    from dagster_runpin.checks import build_config_checks as build_config_checks
    from dagster_runpin.component import RunpinComponent as RunpinComponent
    from dagster_runpin.config_assets import build_config_assets as build_config_assets
    from dagster_runpin.coordinator import PinningRunCoordinator as PinningRunCoordinator
    from dagster_runpin.lineage import config_asset_key as config_asset_key
    from dagster_runpin.lineage import on_config_change as on_config_change
    from dagster_runpin.lineage import with_config_lineage as with_config_lineage
    from dagster_runpin.resource import RunpinResource as RunpinResource
    from dagster_runpin.searching import runs_filter as runs_filter
    from dagster_runpin.searching import runs_url as runs_url
    from dagster_runpin.sensor import build_config_sensor as build_config_sensor

_HOMES = {
    "PinningRunCoordinator": "dagster_runpin.coordinator",
    "RunpinComponent": "dagster_runpin.component",
    "RunpinResource": "dagster_runpin.resource",
    "build_config_assets": "dagster_runpin.config_assets",
    "build_config_checks": "dagster_runpin.checks",
    "build_config_sensor": "dagster_runpin.sensor",
    "config_asset_key": "dagster_runpin.lineage",
    "on_config_change": "dagster_runpin.lineage",
    "runs_filter": "dagster_runpin.searching",
    "runs_url": "dagster_runpin.searching",
    "with_config_lineage": "dagster_runpin.lineage",
}

__all__ = [  # noqa: PLE0604 - the names are listed once, above
    *sorted(_HOMES),
]
__version__ = "0.1.0"

DagsterLibraryRegistry.register("dagster-runpin", __version__, is_dagster_package=False)


if not TYPE_CHECKING:  # so that type checkers still see a misspelt name

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'dagster_runpin' has no attribute {name!r}")
        value = getattr(import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
