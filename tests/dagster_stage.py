"""
The real Dagsters of a test session, and the rule that a real Airflow runs only as long as somebody needs it.

A module that needs an engine starts it by `dagster_engines`; it is gone when the module is over.
Modules that need the session's Airflow come first; then it is gone, and takes no time from all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from demo.dagster_engine import DagsterEngine
    from demo.dagster_target import Target
    from demo.engine import AirflowEngine

# What the fixtures need is imported by them: most sessions never start an engine.

_AIRFLOW = pytest.StashKey["AirflowEngine"]()
_STOPPED = pytest.StashKey[bool]()
_NEEDING = pytest.StashKey[frozenset[Path]]()
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass
class DagsterEngines:
    """
    Starts engines, one at a time: the one before ends first, and so does the session's Airflow.

    Attributes:
        home: the folder of the first engine; later ones get it as well unless they are given another.
        running: the engine that runs, if one does.
    """

    home: Path
    config: pytest.Config
    running: DagsterEngine | None = field(default=None, init=False)

    def start(
        self,
        target: str | Path | Target | Sequence[Target],
        *,
        home: Path | None = None,
        environment: Mapping[str, str] = _NOTHING,
        dagster_yaml: Mapping[str, Any] = _NOTHING,
        pace: float = 1.0,
    ) -> DagsterEngine:
        """
        Return an engine that runs, until another one is started or the module is over.

        Args:
            target: code locations, or the source of one, which is written to `definitions.py` in the home folder.
            home: the engine's folder.
            environment: as for `DagsterEngine`.
            dagster_yaml: as for `DagsterEngine`.
            pace: as for `DagsterEngine`.
        """
        from demo.dagster_engine import DagsterEngine

        folder = home or self.home
        if isinstance(target, str):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "definitions.py").write_text(target)
            target = folder / "definitions.py"
        self.stop()
        _stop_airflow(self.config)
        engine = DagsterEngine(folder, target, environment=environment, dagster_yaml=dagster_yaml, pace=pace)
        engine.start()
        self.running = engine
        return engine

    def stop(self) -> None:
        """End the engine that runs; fine when none does."""
        if self.running is not None:
            self.running.stop()
            self.running = None


@pytest.fixture(scope="module")
def dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the module's engine."""
    return tmp_path_factory.mktemp("dagster")


@pytest.fixture(scope="module")
def dagster_engines(dagster_home: Path, request: pytest.FixtureRequest) -> Iterator[DagsterEngines]:
    """Return what starts a real Dagster for the tests of one module."""
    engines = DagsterEngines(dagster_home, request.config)
    yield engines
    engines.stop()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Iterator[None]:
    """Remember the session's Airflow, which nobody may ask for without starting it."""
    found = yield
    if fixturedef.argname == "airflow_engine":
        request.config.stash[_AIRFLOW] = cast("AirflowEngine", found)
    return found


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the modules that need the session's Airflow first."""
    needing = frozenset(item.path for item in items if _needs_airflow(item))
    config.stash[_NEEDING] = needing
    items.sort(key=lambda item: item.path not in needing)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Bring the session's Airflow back for a test that needs it; a Dagster has ended with its module."""
    if item.config.stash.get(_STOPPED, False) and _needs_airflow(item):
        item.config.stash[_AIRFLOW].start()
        item.config.stash[_STOPPED] = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """End the session's Airflow behind the modules that need it."""
    yield
    needing = item.config.stash[_NEEDING]
    if nextitem is not None and item.path in needing and nextitem.path not in needing:
        _stop_airflow(item.config)


def _needs_airflow(item: pytest.Item) -> bool:
    return "airflow_engine" in getattr(item, "fixturenames", ())


def _stop_airflow(config: pytest.Config) -> None:
    if airflow := config.stash.get(_AIRFLOW, None):
        airflow.stop()
        config.stash[_STOPPED] = True
