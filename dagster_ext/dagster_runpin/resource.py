"""The resource: pinned configuration inside assets and ops."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, overload

import dagster as dg  # noqa: TID253 - a code location imports this on top of Dagster
from pydantic import Field, PrivateAttr

from dagster_runpin import tags
from dagster_runpin.masking import unmasked
from dagster_runpin.materializing import MaterializationNotes
from dagster_runpin.runs import refused, run_of
from runpin.errors import NoRun, RunpinError
from runpin.handing_over import KEY, hand_over
from runpin.proposing import inherit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runpin.assembly import Runpin
    from runpin.declining import Offer
    from runpin.model import Pin, SnapshotId
    from runpin.reading import Model, PinnedRun


def _field(meaning: str) -> Any:
    return Field(default=None, description=meaning)


def _secret(meaning: str) -> Any:
    return Field(default=None, description=meaning, repr=False, json_schema_extra={"dagster__is_secret": True})


class RunpinResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """
    Reads configuration that stays the same for a whole run.

        @dg.asset
        def payments(runpin: RunpinResource) -> None:
            etl = runpin.config("payments/etl", model=PaymentsEtl)

    The first read of a run decides, and every step, retry and re-execution of it gets the same answer. What is left
    out here comes from the `RUNPIN_*` settings. Give what is secret as an `EnvVar`: Dagster then holds the variable's
    name; a text it hides in its pages only.
    """

    environment: str | None = _field("deployment target, for example dev or prod")
    tenant: str | None = _field("tenant whose snapshots are read; none by default")
    channel: str | None = _field("channel that new runs follow")
    deployment: str | None = _field("name of this Airflow or Dagster installation; part of every run key")
    store: str | None = _secret(
        "URL of the store, and of the ledger unless that is elsewhere: SQLite, PostgreSQL, etcd or Azure App "
        "Configuration; SQLite in the home folder by default"
    )
    ledger: str | None = _secret("URL of the ledger, if the store is Azure App Configuration, which cannot be one")
    store_connection_string: str | None = _secret(
        "connection string of an Azure App Configuration store, if its URL says so"
    )
    mirrors: str | None = _secret("URLs of stores, and of AWS AppConfig, that follow the store, separated by blanks")
    mirror_connection_strings: str | None = _secret(
        "connection strings of mirrors in Azure App Configuration, separated by blanks"
    )
    repository: str | None = _secret("config repository: a path or a URL; the current folder by default")
    branch: str | None = _field("branch that is published")

    _run: PinnedRun | None = PrivateAttr(default=None)
    _given: Mapping[str, str | None] | None = PrivateAttr(default=None)
    _notes: MaterializationNotes = PrivateAttr(default_factory=MaterializationNotes)

    @property
    def core(self) -> Runpin:
        """The wired core; one for each process and set of values."""
        given = self._given or self._fields()
        return _core(tuple((name, value) for name, value in given.items() if value is not None))

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[RunpinResource]:
        """Find out which run this is, and let `runpin.get_config` answer for it too."""
        self._run = self._find_run(context)
        if self._run is None:  # a sensor, a schedule, or a test that calls an asset directly
            yield self
            return
        active = self._run.active()
        active.__enter__()
        try:
            yield self
        finally:
            with suppress(ValueError):  # Dagster may tear down in another context than it set up in
                active.__exit__(None, None, None)

    @property
    def run(self) -> PinnedRun:
        """
        The run that the resource was made for.

        Raises:
            NoRun: it was made outside of a run.
        """
        if self._run is None:
            raise NoRun(
                "configuration belongs to a run, and this resource was made outside of one",
                fix="read it in an asset or op; in a test use dagster_runpin.testing.fixed_config",
            )
        return self._run

    @overload
    def config(self, path: str) -> Mapping[str, Any]: ...

    @overload
    def config(self, path: str, model: type[Model]) -> Model: ...

    def config(self, path: str, model: type[Any] | None = None) -> Any:
        """
        Return the configuration document *path* that this run is pinned to.

        Materialisations of the assets that are being computed get its id and digest as metadata.

        Args:
            path: `"application/document"`, for example `"payments/etl"`.
            model: a pydantic model, of which the answer is a frozen instance, or a generated Protobuf message;
                without one the answer is a read-only mapping.

        Raises:
            RunpinError: see `runpin.errors`; those with `retryable` set are worth a retry of the step.
        """
        run = self.run
        value = run.get_config(path) if model is None else run.get_config(path, model)
        self._notes.note(run, path)
        return value

    def pin(self, application: str) -> Pin:
        """Return the run's pin of *application*, deciding it on the first call."""
        return self.run.pin(application)

    def snapshot(self, application: str) -> SnapshotId:
        """Return the id of the snapshot of *application* that this run is pinned to."""
        return self.pin(application).snapshot

    def safe_point(self, accept: Callable[[Offer], bool] | None = None) -> Mapping[str, Pin]:
        """
        Declare that the run may change its configuration here, and return its pins after that.

        Only runs whose job has the tag `runpin.behavior: AUTO_UPGRADE` switch. The switch is on record, in the tags
        and in the event log. Call `config` again to see new values.

        Args:
            accept: is asked about each application whose channel moved on, and may decline by answering false; the
                run is not asked again before the channel moves once more.
        """
        return self.run.safe_point(accept)

    def handed_on(self, *applications: str) -> dict[str, str]:
        """
        Return the tags of a run that this one starts, so that it uses the same snapshots.

            client.submit_job_execution("reports", tags=runpin.handed_on("payments"))  # a DagsterGraphQLClient

        Give them to whatever takes tags: a run of another job, a backfill, the `RunRequest` of a sensor that launches
        for this run. Of other applications the other run uses what every new run gets.

        Args:
            applications: those to hand on; what this run has read so far if none are named.
        """
        run = self.run
        pins = [run.pin(name) for name in applications] or list(run.pins.values())
        return {tags.CARRIED: json.dumps(inherit(pins, run.depth), sort_keys=True)} if pins else {}

    def pipes_extras(self, *paths: str) -> dict[str, Any]:
        """
        Return the documents *paths*, as this run uses them, for a process that is started through Dagster Pipes.

            client.run(command, context=context, extras=runpin.pipes_extras("payments/etl"))

        The other side reads them with `take_over(pipes.get_extra("runpin"))` from `runpin.handing_over`.
        """
        handed = hand_over(self.run, paths)
        for path in paths:
            self._notes.note(self.run, path)
        return {KEY: handed}

    def _fields(self) -> dict[str, str | None]:
        return {name: getattr(self, name) for name in SETTINGS}

    def _find_run(self, context: dg.InitResourceContext) -> PinnedRun | None:
        if context.run is None:
            return None
        try:
            self._given = unmasked(self._fields(), context)
            return run_of(context.run, _instance(context), self.core)
        except RunpinError as error:
            # Raised here it would be Dagster's error, and end steps of the same process that need no configuration.
            return refused(context.run, error)


SETTINGS = tuple(RunpinResource.model_fields)
"""The settings of the core that a resource may be given."""


@cache
def _core(given: tuple[tuple[str, str], ...]) -> Runpin:
    from runpin.assembly import Runpin

    return Runpin.open(**dict(given))


def _instance(context: dg.InitResourceContext) -> dg.DagsterInstance:
    if context.instance is None:
        raise NoRun("Dagster gives this resource no instance, so its run cannot be known")
    return context.instance
