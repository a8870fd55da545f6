"""What the pages show of Dagster works as it stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg  # noqa: TID253 - only pytest imports this module
import pytest

from command_line import ROOT, CommandLine
from dagster_classes import closing_resources, open_instance
from dagster_runpin import tags

README = ROOT / "README.md"
HOW_TO = ROOT / "docs" / "how-to" / "dagster.md"


def blocks(page: Path) -> list[str]:
    """Return the Python that *page* shows of Dagster's side, in order."""
    found = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for block in found if "airflow" not in block and not block.startswith("# external.py")]


def run(block: str, space: dict[str, Any]) -> None:
    """Execute *block* in *space* as a file of its own, without the `__future__` imports of this one."""
    exec(compile(block, "page", "exec", dont_inherit=True), space)  # noqa: S102 - our own page


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Return a Dagster, with the sample configuration published for prod."""
    line = CommandLine(tmp_path)
    line.start()
    line.publish()
    monkeypatch.setenv("RUNPIN_HOME", str(line.home))
    monkeypatch.setenv("RUNPIN_ENVIRONMENT", "prod")
    with closing_resources(), open_instance(tmp_path / "dagster") as opened:
        yield opened


@pytest.mark.parametrize("page", [README, HOW_TO], ids=lambda page: page.name)
def test_the_first_example_materialises(instance: dg.DagsterInstance, page: Path) -> None:
    """It is a whole code location, and its run shows the snapshot it used."""
    space: dict[str, Any] = {"__name__": "page"}
    first = next(block for block in blocks(page) if "dg.Definitions(" in block)
    run(first, space)
    done = space["defs"].resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
    (found,) = instance.get_runs()

    assert done.success
    assert found.tags["runpin/payments"].startswith("payments.prod.v1.")


def test_the_how_to_page_is_one_program() -> None:
    """Every example defines what it says, after the ones before it."""
    space: dict[str, Any] = {"__name__": "page"}
    for block in blocks(HOW_TO):
        run(block, space)

    assert isinstance(space["sensor"], dg.SensorDefinition)
    assert isinstance(space["reprice"], dg.JobDefinition)
    assert space["month_end"].name == "month_end"
    named = sorted(spec.name for check in space["checks"] for spec in check.check_specs)
    assert ["config_allowed", "config_allowed", "config_in_sync"] == named


def test_every_tag_that_people_write_is_told() -> None:
    """And no other; the labels, the sensor's own tag and the hidden one are not for people to write."""
    written = {value for name, value in vars(tags).items() if name.isupper() and str(value).startswith("runpin.")}
    told = set(re.findall(r"^\| `(runpin\.\w+): ", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE))

    assert written - {tags.REACTION} == told


def test_the_unit_test_on_the_page_passes() -> None:
    """It tests the asset of the first example."""
    space: dict[str, Any] = {"__name__": "page"}
    first, *_, last = blocks(HOW_TO)
    run(first, space)
    run(last, space)
    space["test_payments"]()

    assert "fixed_config" in last
