"""What Dagster knows apart from its runs: assets and their versions, sensors, code locations, the daemon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from demo.dagster_query import (
    METADATA,
    WRONG,
    DagsterQuery,
    DagsterRefused,
    Json,
    asset_key,
    asset_name,
    complaint,
    metadata,
    pairs,
)

REPOSITORY = "__repository__"
"""The name that Dagster gives to the `Definitions` of a code location."""

_WHAT_HAPPENED = f"__typename runId stepKey timestamp partition tags {{ key value }} {METADATA}"


@dataclass(frozen=True, slots=True)
class AssetEvent:
    """
    A materialization or an observation.

    Attributes:
        run_id: the run that reported it; empty when none did.
        step: the key of the step that reported it.
        timestamp: when, in seconds since 1970.
        partition: which partition it is about.
        tags: what Dagster noted, `dagster/data_version` for one.
        metadata: what is attached, by label.
    """

    run_id: str
    step: str | None
    timestamp: float
    partition: str | None
    tags: dict[str, str]
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StaleCause:
    """
    Why an asset is stale.

    Attributes:
        category: `DATA`, `CODE` or `DEPENDENCIES`.
        asset: what has changed, most likely an asset upstream.
        reason: how, in words.
        dependency: the asset that *asset* was seen to depend on; None when nothing about that changed.
    """

    category: str
    asset: str
    reason: str
    dependency: str | None


@dataclass(frozen=True, slots=True)
class AssetState:
    """
    How an asset stands.

    Attributes:
        stale: `FRESH`, `STALE` or `MISSING`.
        causes: why it is stale.
        data_version: the version of what is there; None when there is nothing.
        job_names: the jobs that make it.
    """

    stale: str | None
    causes: tuple[StaleCause, ...]
    data_version: str | None
    job_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """
    One look of a sensor; the time is seconds since 1970.

    Attributes:
        status: `STARTED`, `SUCCESS`, `SKIPPED` or `FAILURE`.
        timestamp: when it began.
        cursor: where it stood afterwards.
        run_ids: the runs it launched.
        run_keys: their keys, and those of runs that exist already.
        skip_reason: why it launched none.
        error: what went wrong, with the stack.
    """

    status: str
    timestamp: float
    cursor: str | None
    run_ids: tuple[str, ...]
    run_keys: tuple[str, ...]
    skip_reason: str | None
    error: str | None

    @property
    def is_over(self) -> bool:
        """Whether it has ended; before that it tells only a part: a run that it launched, and not yet how it went."""
        return self.status != "STARTED"


@dataclass(frozen=True, slots=True)
class Daemon:
    """One of the daemon's threads; `beat` is its last heartbeat in seconds since 1970."""

    required: bool
    healthy: bool
    beat: float | None
    errors: tuple[str, ...]


class DagsterState(DagsterQuery):
    """
    Asks about assets, sensors, code locations and the daemon.

    Assets are written as `first/second`. What names a sensor or a job means the one in *location*.

    Attributes:
        location: the code location that is meant.
    """

    def __init__(self, url: str, watch: Callable[[], None] = lambda: None, location: str = "") -> None:
        super().__init__(url, watch)
        self.location = location

    def at(self, location: str) -> Self:
        """Return a client that means another code location of the same engine."""
        return type(self)(self.url, self._watch, location)

    def repository(self) -> Json:
        """Return how Dagster wants to be told which location is meant."""
        return {"repositoryName": REPOSITORY, "repositoryLocationName": self.location}

    # Assets

    def materializations(self, asset: str, partition: str | None = None, *, limit: int = 100) -> list[AssetEvent]:
        """Return how an asset, or one partition of it, was made, newest first."""
        return self._history("assetMaterializations", asset, partition, limit)

    def observations(self, asset: str, partition: str | None = None, *, limit: int = 100) -> list[AssetEvent]:
        """Return what was seen of an asset, or of one partition of it, newest first."""
        return self._history("assetObservations", asset, partition, limit)

    def materialization(self, asset: str, partition: str | None = None) -> AssetEvent:
        """Return how an asset was made last; refused when it never was."""
        found = self.materializations(asset, partition, limit=1)
        if not found:
            raise DagsterRefused(f"{asset} was never materialized")
        return found[0]

    def assets(self, *names: str, partition: str | None = None) -> dict[str, AssetState]:
        """Return how these assets stand, or all, by name; one *partition* of each, if asked."""
        question = """
        query($keys: [AssetKeyInput!], $partition: String) { assetNodes(assetKeys: $keys) {
          assetKey { path } jobNames staleStatus(partition: $partition) dataVersion(partition: $partition)
          staleCauses(partition: $partition) { key { path } category reason dependency { path } } } }"""
        keys = [asset_key(name) for name in names] or None
        nodes = self.query(question, keys=keys, partition=partition)["assetNodes"]
        return {"/".join(node["assetKey"]["path"]): _state(node) for node in nodes}

    def asset(self, name: str, partition: str | None = None) -> AssetState:
        """Return how one asset stands."""
        found = self.assets(name, partition=partition)
        if name not in found:
            raise DagsterRefused(f"there is no asset {name}")
        return found[name]

    # Sensors

    def start_sensor(self, name: str) -> None:
        """Let a sensor look from now on."""
        question = f"mutation($s: SensorSelector!) {{ startSensor(sensorSelector: $s) {{ {WRONG} }} }}"
        self.ask(question, "Sensor", s=self._sensor(name))

    def stop_sensor(self, name: str, timeout: float = 60.0) -> None:
        """Let a sensor look no more, and wait until a look that has begun is over."""
        question = f"mutation($id: String!) {{ stopSensor(id: $id) {{ {WRONG} }} }}"
        self.ask(question, "StopSensorMutationResult", id=self._sensor_state(name, "")["id"])
        self.wait_for(lambda: self._rests(name), timeout, lambda: f"{name} still looks: {self.ticks(name, 1)}")

    def sensor_status(self, name: str) -> str:
        """Return `RUNNING` or `STOPPED`."""
        return str(self._sensor_state(name, "sensorState { status }")["sensorState"]["status"])

    def set_cursor(self, name: str, cursor: str | None) -> None:
        """Tell a sensor that is stopped where to go on; of one that looks just now, the look would win."""
        question = (
            "mutation($s: SensorSelector!, $cursor: String)"
            f" {{ setSensorCursor(sensorSelector: $s, cursor: $cursor) {{ {WRONG} }} }}"
        )
        self.ask(question, "Sensor", s=self._sensor(name), cursor=cursor)

    def ticks(self, name: str, limit: int = 20) -> list[Tick]:
        """Return the looks of a sensor, newest first."""
        fields = "status timestamp cursor runIds runKeys skipReason error { message stack causes { message stack } }"
        found = self._sensor_state(name, f"sensorState {{ ticks(limit: {limit}) {{ {fields} }} }}")
        return [_tick(tick) for tick in found["sensorState"]["ticks"]]

    def wait_for_tick(self, name: str, wanted: Callable[[Tick], bool] = lambda _: True, timeout: float = 60.0) -> Tick:
        """Return the newest look that is over and *wanted*, once there is one."""
        return self.wait_for(
            lambda: next((tick for tick in self.ticks(name) if tick.is_over and wanted(tick)), None),
            timeout,
            lambda: f"no such look of {name}: {self.ticks(name, 3)}",
        )

    # Machinery

    def locations(self) -> dict[str, str | None]:
        """Return every code location, with the error that kept it from loading, `loading` while it is at it."""
        question = f"""
        query {{ workspaceOrError {{ {WRONG} ... on Workspace {{ locationEntries {{
          name loadStatus locationOrLoadError {{ {WRONG} }} }} }} }} }}"""
        entries = self.ask(question, "Workspace")["locationEntries"]
        return {entry["name"]: _load_error(entry) for entry in entries}

    def reload(self) -> None:
        """Load the code of this location again; refused with Dagster's own words when it can not be loaded."""
        question = f"""
        mutation($l: String!) {{ reloadRepositoryLocation(repositoryLocationName: $l) {{ {WRONG}
          ... on WorkspaceLocationEntry {{ loadStatus locationOrLoadError {{ {WRONG} }} }} }} }}"""
        error = _load_error(self.ask(question, "WorkspaceLocationEntry", l=self.location))
        if error:
            raise DagsterRefused(error)

    def daemons(self) -> dict[str, Daemon]:
        """Return the daemon's threads by type: `SENSOR`, `BACKFILL`, `QUEUED_RUN_COORDINATOR` and so on."""
        question = """
        query { instance { daemonHealth { allDaemonStatuses {
          daemonType required healthy lastHeartbeatTime lastHeartbeatErrors { message } } } } }"""
        return {each["daemonType"]: _daemon(each) for each in _statuses(self.query(question))}

    def _history(self, what: str, asset: str, partition: str | None, limit: int) -> list[AssetEvent]:
        question = f"""
        query($key: AssetKeyInput!, $partitions: [String!], $n: Int) {{ assetOrError(assetKey: $key) {{ __typename
          ... on Asset {{ {what}(partitions: $partitions, limit: $n) {{ {_WHAT_HAPPENED} }} }} }} }}"""
        partitions = None if partition is None else [partition]
        found = self.ask(question, "Asset", "AssetNotFoundError", key=asset_key(asset), partitions=partitions, n=limit)
        return [_asset_event(event) for event in found.get(what, ())]

    def _rests(self, name: str) -> bool:
        return all(tick.is_over for tick in self.ticks(name, 1))

    def _sensor(self, name: str) -> Json:
        return {**self.repository(), "sensorName": name}

    def _sensor_state(self, name: str, fields: str) -> Json:
        question = (
            "query($s: SensorSelector!) { sensorOrError(sensorSelector: $s)"
            f" {{ {WRONG} ... on Sensor {{ id {fields} }} }} }}"
        )
        return self.ask(question, "Sensor", s=self._sensor(name))


def _asset_event(found: Json) -> AssetEvent:
    return AssetEvent(
        run_id=found["runId"],
        step=found["stepKey"],
        timestamp=float(found["timestamp"]) / 1000,
        partition=found["partition"],
        tags=pairs(found["tags"]),
        metadata=metadata(found["metadataEntries"]),
    )


def _state(found: Json) -> AssetState:
    causes = [
        StaleCause(cause["category"], "/".join(cause["key"]["path"]), cause["reason"], asset_name(cause["dependency"]))
        for cause in found["staleCauses"] or ()
    ]
    return AssetState(found["staleStatus"], tuple(causes), found["dataVersion"], tuple(found["jobNames"]))


def _tick(found: Json) -> Tick:
    return Tick(
        status=found["status"],
        timestamp=found["timestamp"],
        cursor=found["cursor"],
        run_ids=tuple(found["runIds"]),
        run_keys=tuple(found["runKeys"]),
        skip_reason=found["skipReason"],
        error=complaint(found["error"]) if found["error"] else None,
    )


def _load_error(entry: Json) -> str | None:
    found = entry["locationOrLoadError"]
    if found is None:
        return "loading"
    return None if found["__typename"] == "RepositoryLocation" else complaint(found)


def _statuses(data: Json) -> list[Json]:
    return list(data["instance"]["daemonHealth"]["allDaemonStatuses"])


def _daemon(found: Json) -> Daemon:
    errors = tuple(error["message"] for error in found["lastHeartbeatErrors"])
    return Daemon(found["required"], bool(found["healthy"]), found["lastHeartbeatTime"], errors)
