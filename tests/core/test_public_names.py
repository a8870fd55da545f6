"""The public names are a list that does not change by accident."""

from __future__ import annotations

import pytest

import airflow_provider_runpin
import runpin

NAMES = [
    "Behavior",
    "Channel",
    "Pin",
    "PinnedRun",
    "RunKey",
    "Runpin",
    "RunpinError",
    "Scope",
    "Snapshot",
    "SnapshotId",
    "current_pins",
    "get_config",
    "safe_point",
]


def test_the_package_exports_these_names() -> None:
    """Whoever adds or removes one does it here too."""
    assert NAMES == runpin.__all__
    assert set(NAMES) <= set(dir(runpin))


@pytest.mark.parametrize("name", NAMES)
def test_each_name_leads_to_something(name: str) -> None:
    """A lazy name that leads nowhere would only be noticed by users."""
    assert name == getattr(runpin, name).__name__


@pytest.mark.parametrize("name", ["current_pins", "get_config"])
def test_the_provider_has_the_functions_that_tasks_use(name: str) -> None:
    """The Airflow adapter offers them under their own names."""
    assert name == getattr(airflow_provider_runpin, name).__name__


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Laziness does not change what a typing mistake looks like."""
    with pytest.raises(AttributeError, match="get_confg"):
        runpin.get_confg  # type: ignore[attr-defined] # noqa: B018 - the look-up is the point
