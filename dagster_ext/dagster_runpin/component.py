"""
The component: all that a code location needs from runpin, declared in a `defs.yaml`.

Nothing here reads configuration when it is loaded, so a code location comes up without a store.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import dagster as dg  # noqa: TID253 - a code location imports this on top of Dagster
from pydantic import Field

from dagster_runpin.resource import SETTINGS, RunpinResource
from dagster_runpin.scaffolding import RunpinScaffolder
from runpin.reading import split_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DOCUMENT = r"^[a-z][a-z0-9_-]*/[a-z][a-z0-9_-]*$"
_VARIABLE = re.compile(r"\s*\{\{\s*env(?:\.(\w+)|\(\s*['\"](\w+)['\"]\s*\))\s*\}\}\s*")


def _late(context: dg.ResolutionContext, text: str | None) -> str | None:
    """Leave a variable's value where it is: the web server shows the settings of resources, this one's name only."""
    if text is None:
        return None
    found = _VARIABLE.fullmatch(text)
    return context.resolve_value(text, as_type=str) if found is None else dg.EnvVar(found[1] or found[2])


def _says(description: str, *examples: Any) -> dg.Resolver:
    resolver: dg.Resolver = dg.Resolver.default(description=description, examples=list(examples) or None)
    return resolver


def _secret(description: str, variable: str) -> dg.Resolver:
    return dg.Resolver(
        _late,
        model_field_type=str | None,
        inject_before_resolve=False,
        description=f"{description}. It may hold credentials, so name a variable: it is read late",
        examples=[f"{{{{ env.{variable} }}}}"],
    )


class SensorAttributes(dg.Resolvable, dg.Model):
    """What a sensor for new configuration launches, and how often it looks."""

    job: Annotated[str | None, _says("name of the job to launch", "payments_daily")] = None
    assets: Annotated[str | None, _says("selection of assets to materialise", "group:payments")] = None
    only_affected: Annotated[bool, _says("materialise those assets only that read what changed")] = False
    name: Annotated[str | None, _says("how the sensor's name begins; the application's name follows")] = None
    interval: Annotated[int, _says("seconds between two looks, at least"), Field(gt=0)] = 30
    default_status: Annotated[dg.DefaultSensorStatus, _says("whether it runs without being switched on")] = (
        dg.DefaultSensorStatus.STOPPED
    )


@dg.scaffold_with(RunpinScaffolder)
class RunpinComponent(dg.Component, dg.Resolvable, dg.Model):
    """
    Configuration that every run pins: the resource, its documents as assets, and sensors for new Snapshots.

    What is left out comes from the `RUNPIN_*` settings.
    """

    documents: Annotated[
        Sequence[Annotated[str, Field(pattern=_DOCUMENT)]],
        _says("documents to show as assets, application/document", ["payments/etl"]),
    ] = ()
    environment: Annotated[str | None, _says("deployment target", "prod")] = None
    tenant: Annotated[str | None, _says("tenant whose snapshots are read")] = None
    channel: Annotated[str | None, _says("channel that new runs follow, `stable` by default")] = None
    deployment: Annotated[str | None, _says("name of this Dagster installation, part of every run key")] = None
    store: Annotated[
        Any, _secret("URL of the store: SQLite, PostgreSQL, etcd or Azure App Configuration", "RUNPIN_STORE")
    ] = None
    ledger: Annotated[Any, _secret("URL of the ledger, if the store cannot be one", "RUNPIN_LEDGER")] = None
    store_connection_string: Annotated[
        Any, _secret("connection string of an Azure store", "RUNPIN_STORE_CONNECTION_STRING")
    ] = None
    mirrors: Annotated[Any, _secret("URLs of the mirrors, separated by blanks", "RUNPIN_MIRRORS")] = None
    mirror_connection_strings: Annotated[
        Any, _secret("connection strings of mirrors in Azure", "RUNPIN_MIRROR_CONNECTION_STRINGS")
    ] = None
    repository: Annotated[Any, _secret("config repository: a path or a URL", "RUNPIN_REPOSITORY")] = None
    branch: Annotated[str | None, _says("branch whose rules judge", "main")] = None
    sensor: Annotated[
        SensorAttributes | None, _says("one sensor for each application of the documents; it observes, and launches")
    ] = None
    checks: Annotated[
        Sequence[str], _says("keys of assets to check: were they made with what stands now?", ["payments_extract"])
    ] = ()
    rules: Annotated[bool, _says("let the checks ask the rules of the config repository, too: RUNPIN_REPOSITORY")] = (
        False
    )
    resource_key: Annotated[str, _says("name of the resource, that assets take as a parameter")] = "runpin"
    group_name: Annotated[str, _says("group of the config assets")] = "config"

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the resource, the documents as assets, the sensors and the checks."""
        del context
        return dg.Definitions(
            resources={self.resource_key: self._resource()},
            assets=[*self._assets()],
            sensors=[*self._sensors()],
            asset_checks=[*self._checks()],
        )

    def _resource(self) -> RunpinResource:
        return RunpinResource(**{name: value for name in SETTINGS if (value := getattr(self, name)) is not None})

    def _assets(self) -> Iterator[dg.AssetsDefinition]:
        if self.documents:
            from dagster_runpin.config_assets import build_config_assets

            yield build_config_assets(self.documents, resource_key=self.resource_key, group_name=self.group_name)

    def _checks(self) -> Iterable[dg.AssetChecksDefinition]:
        if not self.checks:
            return ()
        from dagster_runpin.checks import build_config_checks

        keys = [dg.AssetKey.from_user_string(key) for key in self.checks]
        return build_config_checks(keys, resource_key=self.resource_key, rules=self.rules)

    def _sensors(self) -> Iterator[dg.SensorDefinition]:
        if self.sensor is None:
            return
        from dagster_runpin.sensor import build_config_sensor

        for application in dict.fromkeys(split_path(path)[0] for path in self.documents):
            yield build_config_sensor(
                application,
                name=None if self.sensor.name is None else f"{self.sensor.name}_{application}",
                job=self.sensor.job,
                target=self.sensor.assets,
                only_affected=self.sensor.only_affected,
                minimum_interval_seconds=self.sensor.interval,
                default_status=self.sensor.default_status,
                resource_key=self.resource_key,
            )
