"""Ticks of config sensors in the process of a test, and the runs they ask for, really executed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg  # noqa: TID253 - only tests of the Dagster adapter import this module

from dagster_runpin import RunpinResource, build_config_assets, config_asset_key

if TYPE_CHECKING:
    from dagster._core.definitions.sensor_definition import SensorExecutionData

DOCUMENTS = ("payments/etl", "payments/fees")


@dg.asset(deps=[config_asset_key("payments/etl")], code_version="1")
def etl(runpin: RunpinResource) -> dg.MaterializeResult[Any]:
    """Read one document."""
    runpin.config("payments/etl")
    return dg.MaterializeResult(metadata={"used": str(runpin.snapshot("payments"))})


@dg.asset(deps=[config_asset_key("payments/fees")], code_version="1")
def fees(runpin: RunpinResource) -> None:
    """Read the other document."""
    runpin.config("payments/fees")


@dg.asset(deps=[etl], code_version="1")
def report() -> None:
    """Read no document, but what was made with one."""


@dg.asset(metadata={"runpin/documents": ["payments/fees"]})
def named() -> None:
    """Name a document in the metadata only."""


@dg.op
def work(runpin: RunpinResource) -> None:
    """Read in a job of ops."""
    runpin.config("payments/etl")


@dg.job
def reprice() -> None:
    """Do the work."""
    work()


def location(*sensors: dg.SensorDefinition, assets: Iterable[Any] = (), jobs: Sequence[Any] = ()) -> dg.Definitions:
    """Return the definitions of a code location with *sensors*, all assets above and more."""
    return dg.Definitions(
        assets=[build_config_assets(DOCUMENTS), etl, fees, report, named, *assets],
        jobs=[reprice, *jobs],
        sensors=sensors,
        resources={"runpin": RunpinResource()},
    )


class _Hearing(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._heard.append(record.getMessage())


@dataclass
class Daemon:
    """What Dagster's daemon does with one sensor, step by step, so that a test can stop it in between."""

    instance: dg.DagsterInstance
    definitions: dg.Definitions
    cursor: str | None = None
    log: list[str] = field(default_factory=list)

    def tick(self, name: str) -> SensorExecutionData:
        """Evaluate the sensor, report what it observed and remember its cursor, but launch nothing."""
        repository = self.definitions.get_repository_def()
        sensor = repository.get_sensor_def(name)
        context = dg.build_sensor_context(
            instance=self.instance,
            repository_def=repository,
            sensor_name=name,
            cursor=self.cursor,
            resources={"runpin": RunpinResource()},
        )
        context.log.addHandler(_Hearing(self.log))
        with context:
            found = sensor.evaluate_tick(context)
        for event in found.asset_events:
            self.instance.report_runless_asset_event(event)
        self.cursor = found.cursor
        return found

    def create(self, request: dg.RunRequest) -> dg.DagsterRun:
        """Create the run of *request*, as the daemon does before it submits it."""
        job = self.definitions.get_repository_def().get_job(request.job_name or "reprice")
        selected = None if request.asset_selection is None else frozenset(request.asset_selection)
        return self.instance.create_run_for_job(
            job.get_subset(asset_selection=selected) if selected else job,
            run_config=request.run_config,
            tags={**request.tags, "dagster/run_key": request.run_key or ""},
            asset_selection=selected,
        )

    def execute(self, request: dg.RunRequest) -> dg.DagsterRun:
        """Execute the run of *request* in this process."""
        job = self.definitions.resolve_job_def(request.job_name or "reprice")
        result = job.execute_in_process(
            instance=self.instance,
            asset_selection=request.asset_selection,
            run_config=dict(request.run_config),
            tags=dict(request.tags),
            raise_on_error=False,
        )
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None
        return run

    def turn(self, name: str) -> list[dg.DagsterRun]:
        """Do a whole tick, and execute what it asks for."""
        return [self.execute(request) for request in self.tick(name).run_requests or ()]

    def observe(self, *paths: str) -> dict[str, dg.AssetObservation]:
        """Launch the observation of documents, and return what it found."""
        keys = [config_asset_key(path) for path in paths]
        job = self.definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=self.instance, asset_selection=keys)
        assert result.success
        return {path: observation for path in paths if (observation := self.seen(path)) is not None}

    def seen(self, path: str) -> dg.AssetObservation | None:
        """Return the newest observation of a document."""
        records = self.instance.fetch_observations(config_asset_key(path), limit=1).records
        return records[0].asset_observation if records else None

    def stale(self) -> list[str]:
        """Return the materialised assets that Dagster shows as out of date, for a document or a dep that changed."""
        from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
        from dagster._core.loader import LoadingContextForTest

        graph = self.definitions.get_repository_def().asset_graph
        resolver = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
        keys = graph.materializable_asset_keys
        return names(key for key in keys if resolver.get_status(key) is StaleStatus.STALE)


def names(keys: Iterable[dg.AssetKey] | None) -> list[str]:
    """Return keys as people read them, sorted."""
    return sorted(key.to_user_string() for key in keys or ())
