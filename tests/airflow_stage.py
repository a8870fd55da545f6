"""The one real Airflow of a test session, and what the tests of the provider set up around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from demo.engine import AirflowEngine
    from pinned_airflow import PinnedAirflow

# What the fixtures need is imported by them: most sessions never start an engine.


@pytest.fixture(scope="session")
def airflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of runpin's home and of what tasks report."""
    return tmp_path_factory.mktemp("runpin")


@pytest.fixture(scope="session")
def airflow_environment(airflow_folder: Path) -> Mapping[str, str]:
    """Return the variables that the engine's components see beside their own, `RUNPIN_*` for one."""
    from pinned_airflow import environment

    return environment(airflow_folder)


@pytest.fixture(scope="session")
def airflow_engine(
    tmp_path_factory: pytest.TempPathFactory, airflow_environment: Mapping[str, str]
) -> Iterator[AirflowEngine]:
    """
    Return an Airflow that runs, shared by the whole session; a test writes its DAG files to `dags`.

    Only one engine fits on a small machine: a test that needs another one stops this one for a while.
    """
    from demo.engine import AirflowEngine

    home = tmp_path_factory.mktemp("airflow")
    with AirflowEngine(home, home / "dags", environment=airflow_environment) as engine:
        yield engine


@pytest.fixture(scope="session")
def pinned_airflow(airflow_engine: AirflowEngine, airflow_folder: Path) -> Iterator[PinnedAirflow]:
    """Return the engine together with the store that its runs read."""
    from pinned_airflow import PinnedAirflow

    pinned = PinnedAirflow(airflow_engine, airflow_folder)
    yield pinned
    pinned.close()
