"""What Airflow reads to discover this provider."""

from __future__ import annotations

from typing import Any

from airflow_provider_runpin.connection import FORM


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata; `package-name` is the name of the distribution, as Airflow demands."""
    return {
        "package-name": "airflow-provider-runpin",
        "name": "runpin",
        "description": "Every DAG run keeps one configuration Snapshot.",
        "versions": ["0.1.0"],
        "connection-types": [FORM],
        "hooks": [{"integration-name": "runpin", "python-modules": ["airflow_provider_runpin.hooks.runpin"]}],
        "operators": [{"integration-name": "runpin", "python-modules": _OPERATORS}],
        "sensors": [{"integration-name": "runpin", "python-modules": ["airflow_provider_runpin.sensors.config"]}],
        "triggers": [{"integration-name": "runpin", "python-modules": ["airflow_provider_runpin.triggers.config"]}],
        "config": {"runpin": {"description": "Runpin in this Airflow", "options": _OPTIONS}},
    }


_OPERATORS = [f"airflow_provider_runpin.operators.{name}" for name in ("config", "releasing", "safe_points")]

_OPTIONS = {
    "enable_listener": {
        "description": (
            "Write the snapshot into a DAG run when it starts, so that runs can be found by it. "
            "Switch it off where a DAG uses end_from_trigger, which Airflow forbids beside any listener."
        ),
        "version_added": "0.1.0",
        "type": "boolean",
        "example": None,
        "default": "True",
    },
    "enable_ui": {
        "description": (
            "Show the Config tab on the pages of DAG runs and task instances, a page in the menu, and a strip "
            "on the start page when something is wrong."
        ),
        "version_added": "0.1.0",
        "type": "boolean",
        "example": None,
        "default": "True",
    },
}
