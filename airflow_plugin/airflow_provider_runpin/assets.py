"""
Configuration as Airflow assets: DAGs that run when it changes.

    from airflow_provider_runpin.assets import config_asset

    @dag(schedule=[config_asset("payments/etl")])

Whoever imports this needs Airflow, and a triggerer has to run.
"""

from __future__ import annotations

from airflow.sdk import Asset, AssetWatcher  # noqa: TID253 - DAG files import this module on top of Airflow

from airflow_provider_runpin.triggers.config import ConfigVersionTrigger


def config_asset(
    path: str, *, environment: str | None = None, tenant: str | None = None, channel: str | None = None
) -> Asset:
    """
    Return the asset that stands for the document *path* in a channel; it is updated when the channel brings another.

    The same arguments give the same asset in every DAG file. An event's `extra["payload"]` says which Snapshot came,
    see `airflow_provider_runpin.triggers.following`.

    Args:
        path: `"application/document"`, or an application, any of whose documents counts.
        environment: the deployment target; RUNPIN_ENVIRONMENT of the triggerer by default.
        tenant: the tenant; RUNPIN_TENANT by default.
        channel: the channel; RUNPIN_CHANNEL by default.

    Raises:
        UnknownDocument, NotFound: *path* cannot be one.
    """
    from runpin.errors import UnknownDocument
    from runpin.model import check_name

    application, slash, document = path.partition("/")
    check_name("application", application, UnknownDocument)
    if slash:
        check_name("document", document, UnknownDocument)
    trigger = ConfigVersionTrigger(path, environment, tenant, channel)
    place = "/".join([environment or "-", tenant or "-", channel or "-", path])
    return Asset(
        name=f"runpin:{place}", uri=f"runpin://config/{place}", watchers=[AssetWatcher(name=place, trigger=trigger)]
    )
