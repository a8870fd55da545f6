"""The Airflow plugin: macros for templates everywhere, the listener in the scheduler."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from airflow.configuration import conf  # noqa: TID253 - only Airflow imports this module
from airflow.plugins_manager import AirflowPlugin  # noqa: TID253 - only Airflow imports this module

from airflow_provider_runpin.macros import config, inherit, snapshot
from runpin.observing import attach


def _listeners() -> list[Any]:
    if not conf.getboolean("runpin", "enable_listener", fallback=True):
        return []
    from airflow_provider_runpin.listeners import PinningListener
    from airflow_provider_runpin.telemetry import TelemetryListener
    from airflow_provider_runpin.watermarks import WatermarkListener

    # Airflow has a state store for assets from 3.3 on.
    watermarks = [WatermarkListener()] if find_spec("airflow.state") else []
    return [PinningListener(), TelemetryListener(), *watermarks]


def _pages() -> tuple[list[Any], list[Any]]:
    if not conf.getboolean("runpin", "enable_ui", fallback=True):
        return [], []
    from airflow_provider_runpin.ui.mounting import fastapi_apps, react_apps

    return fastapi_apps(), react_apps()


class RunpinPlugin(AirflowPlugin):
    """
    Registers `macros.runpin`, and what is not switched off in the section `[runpin]` of Airflow's configuration.

    That are the listeners, `enable_listener`, and the Config tab with its API, `enable_ui`.
    """

    name = "runpin"
    macros = [config, snapshot, inherit]  # noqa: RUF012 - the type is AirflowPlugin's
    listeners = _listeners()
    fastapi_apps, react_apps = _pages()

    @classmethod
    def on_load(cls, *_: Any, **__: Any) -> None:
        """Meet the OpenTelemetry of this process before its first span, if Airflow has set one up."""
        attach()
