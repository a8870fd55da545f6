"""
Runpin for Apache Airflow: every DAG run keeps one configuration Snapshot.

    from airflow_provider_runpin import get_config

Importing this package loads neither Airflow nor anything heavy, so a DAG file may do it at the top.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_runpin.context import current_pins as current_pins
    from airflow_provider_runpin.context import get_config as get_config
    from airflow_provider_runpin.safe_points import safe_point as safe_point

_HOMES = {
    "current_pins": "airflow_provider_runpin.context",
    "get_config": "airflow_provider_runpin.context",
    "safe_point": "airflow_provider_runpin.safe_points",
}

__all__ = ["current_pins", "get_config", "safe_point"]
__version__ = "0.1.0"


if not TYPE_CHECKING:  # so that type checkers still see a misspelt name

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'airflow_provider_runpin' has no attribute {name!r}")
        return getattr(import_module(home), name)
