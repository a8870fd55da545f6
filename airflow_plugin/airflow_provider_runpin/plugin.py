"""The Airflow plugin: macros for templates everywhere, the listener in the scheduler."""

from __future__ import annotations

from typing import Any

from airflow.configuration import conf  # noqa: TID253 - only Airflow imports this module
from airflow.plugins_manager import AirflowPlugin  # noqa: TID253 - only Airflow imports this module

from airflow_provider_runpin.macros import config, inherit, snapshot


def _listeners() -> list[Any]:
    if not conf.getboolean("runpin", "enable_listener", fallback=True):
        return []
    from airflow_provider_runpin.listeners import PinningListener

    return [PinningListener()]


class RunpinPlugin(AirflowPlugin):
    """Registers `macros.runpin` and, unless `[runpin] enable_listener` is off, the pinning listener."""

    name = "runpin"
    macros = [config, snapshot, inherit]  # noqa: RUF012 - the type is AirflowPlugin's
    listeners = _listeners()
