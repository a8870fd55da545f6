"""
Runpin for Dagster: every run keeps one configuration Snapshot.

    import dagster as dg
    from dagster_runpin import RunpinResource

    defs = dg.Definitions(assets=[...], resources={"runpin": RunpinResource(environment="prod")})
"""

from __future__ import annotations

from dagster_shared.libraries import DagsterLibraryRegistry

from dagster_runpin.coordinator import PinningRunCoordinator
from dagster_runpin.resource import RunpinResource

__version__ = "0.1.0"

__all__ = ["PinningRunCoordinator", "RunpinResource"]

DagsterLibraryRegistry.register("dagster-runpin", __version__, is_dagster_package=False)
