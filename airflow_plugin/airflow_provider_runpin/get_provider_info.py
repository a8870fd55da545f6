"""What Airflow reads to discover this provider."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata; `package-name` is the name of the distribution, as Airflow demands."""
    return {
        "package-name": "airflow-provider-runpin",
        "name": "runpin",
        "description": "Every DAG run keeps one configuration Snapshot.",
        "versions": ["0.1.0"],
        "connection-types": [_CONNECTION],
        "hooks": [{"integration-name": "runpin", "python-modules": ["airflow_provider_runpin.hooks.runpin"]}],
        "operators": [{"integration-name": "runpin", "python-modules": ["airflow_provider_runpin.operators.config"]}],
        "config": {"runpin": {"description": "Runpin in this Airflow", "options": _OPTIONS}},
    }


def _text(label: str, description: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"]}}


_CONNECTION = {
    "connection-type": "runpin",
    "hook-class-name": "airflow_provider_runpin.hooks.runpin.RunpinHook",
    "hook-name": "runpin",
    "ui-field-behaviour": {
        "hidden-fields": ["host", "schema", "login", "port"],
        "relabeling": {"password": "Store URL"},
        "placeholders": {"password": "postgresql+psycopg://runpin:secret@db/runpin"},
    },
    "conn-fields": {
        "environment": _text("Environment", "Deployment target, for example prod. Empty: RUNPIN_ENVIRONMENT."),
        "tenant": _text("Tenant", "Tenant whose snapshots are read. Empty: none."),
        "channel": _text("Channel", "Channel that new runs follow. Empty: stable."),
    },
}

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
}
