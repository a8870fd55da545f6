"""What every folder of tests may ask for."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# A machine that stands still for a moment is no failure of an example, nor of what makes it.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# Before anything imports them, so that a failed assertion in a contract shows its values.
pytest.register_assert_rewrite(
    "runpin.testing.ledger_contract",
    "runpin.testing.overrides_contract",
    "runpin.testing.reactions_contract",
    "runpin.testing.replica_contract",
    "runpin.testing.store_contract",
    "runpin.testing.watcher_contract",
    "pinned_airflow",
    "pinned_dagster",
)

pytest_plugins = (
    "postgres_server",
    "etcd_server",
    "appconfig_fixtures",
    "airflow_stage",
    "dagster_stage",
    "prometheus_server",
    "ran_for_real",
)
