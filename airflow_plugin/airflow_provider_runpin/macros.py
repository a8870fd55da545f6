"""
What templates can use as `macros.runpin`.

Rendered values are shown in Airflow's UI under "Rendered Templates": never put secrets in configuration documents.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def config(path: str) -> Mapping[str, Any]:
    """Return a pinned document: `{{ macros.runpin.config("payments/etl")["batch_size"] }}`."""
    from airflow_provider_runpin.context import get_config

    return get_config(path)


def snapshot(application: str) -> str:
    """Return the id of the run's snapshot: `{{ macros.runpin.snapshot("payments") }}`."""
    from airflow_provider_runpin.context import current_run

    return str(current_run().pin(application).snapshot)


def inherit(*applications: str) -> str:
    """
    Return what a triggered run needs to use the same snapshots, as JSON text.

        TriggerDagRunOperator(..., conf={"runpin": "{{ macros.runpin.inherit('payments') }}"})
    """
    from airflow_provider_runpin.context import current_run
    from runpin.proposing import inherit as handed_on

    run = current_run()
    return json.dumps(handed_on([run.pin(application) for application in applications], run.depth))
