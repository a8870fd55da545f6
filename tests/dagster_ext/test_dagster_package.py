"""The package as somebody meets it who installs it: its names, its version, what an import costs, its page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

import dagster_runpin
from command_line import ROOT, CommandLine
from dagster_classes import closing_resources

PACKAGE = ROOT / "dagster_ext"
NAMES = {
    "PinningRunCoordinator",
    "RunpinComponent",
    "RunpinResource",
    "build_config_assets",
    "build_config_checks",
    "build_config_sensor",
    "config_asset_key",
    "on_config_change",
    "runs_filter",
    "with_config_lineage",
}
HEAVY = {"alembic", "jsonschema", "pydantic_settings", "rfc8785", "sqlalchemy"}
LOADED = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def fresh(program: str) -> str:
    """Run *program* in a new process that takes every warning for an error, with settings that cannot be used."""
    unusable = {"RUNPIN_ENVIRONMENT": "no such name!", "RUNPIN_STORE": "nonsense", "RUNPIN_HOME": "/nowhere/at/all"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, **unusable},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(program: str) -> set[str]:
    """Return what a new process has loaded after *program*."""
    return set(json.loads(fresh(f"{program}\n{LOADED}")))


def snippets(language: str) -> list[str]:
    """Return the blocks of code that the package's page shows in *language*."""
    page = (PACKAGE / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def as_module(folder: Path, text: str) -> ModuleType:
    """Save *text* as a file, as a reader would, and import it."""
    file = folder / "from_the_page.py"
    file.write_text(text, encoding="utf-8")
    spec = spec_from_file_location(file.stem, file)

    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_name_is_there() -> None:
    """What is promised can be imported, is listed, and is what it is called."""
    found = {name: getattr(dagster_runpin, name) for name in dagster_runpin.__all__}

    assert set(found) >= NAMES
    assert set(found) <= set(dir(dagster_runpin))
    assert [name for name, value in found.items() if value.__name__ != name] == []


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """Names are loaded late; a misspelt one fails as it would anywhere."""
    with pytest.raises(AttributeError, match="RunpinResourse"):
        _ = dagster_runpin.RunpinResourse  # type: ignore[attr-defined]


def test_dagster_knows_the_package() -> None:
    """Dagster lists it among its libraries without a word about versions, and all three places say the same one."""
    said = fresh("import dagster, dagster_runpin, json; print(json.dumps(dagster.DagsterLibraryRegistry.get()))")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]

    assert json.loads(said)["dagster-runpin"] == dagster_runpin.__version__ == project["version"]


def test_dg_finds_the_component_by_an_entry_point() -> None:
    """The package is installed with the group that `dg` looks for, after `make setup`."""
    found = [each for each in entry_points(group="dagster_dg_cli.registry_modules") if each.name == "dagster_runpin"]

    assert [each.load() for each in found] == [dagster_runpin]


def test_an_import_adds_next_to_nothing_to_dagster() -> None:
    """The top of a definitions file costs what Dagster costs: the rest is loaded with the names that are used."""
    added = loaded("import dagster, dagster_runpin") - loaded("import dagster")

    assert added == {"dagster_runpin"}


def test_all_names_together_load_nothing_heavy() -> None:
    """The store, the settings and the validators wait for the first read, which needs a run."""
    added = loaded("import dagster\nfrom dagster_runpin import *") - loaded("import dagster")

    assert not HEAVY & {name.partition(".")[0] for name in added}
    assert {name for name in added if name.startswith("dagster_runpin.")} >= {
        "dagster_runpin.component",
        "dagster_runpin.coordinator",
        "dagster_runpin.resource",
    }


def test_the_double_loads_nothing_heavy() -> None:
    """Unit tests start as fast as the code they test."""
    added = loaded("import dagster\nfrom dagster_runpin.testing import fixed_config") - loaded("import dagster")

    assert not (HEAVY | {"pytest"}) & {name.partition(".")[0] for name in added}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Do what the page's commands do, and return a folder to write into."""
    line = CommandLine(tmp_path)
    line.start()
    line.publish()
    for name in [name for name in os.environ if name.startswith("RUNPIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RUNPIN_HOME", str(line.home))
    with closing_resources(dagster_runpin.RunpinResource(environment="prod")):
        yield tmp_path


def test_the_pages_lines_work(published: Path) -> None:
    """Copied as they stand, after the two commands above them."""
    lines = snippets("python")[0]
    defs: dg.Definitions = as_module(published, lines).defs
    with dg.DagsterInstance.ephemeral() as instance:
        done = defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)

    assert done.output_for_node("payments") == 2000
    assert len([line for line in lines.splitlines() if line]) <= 10


def test_the_pages_unit_test_works(tmp_path: Path) -> None:
    """It passes, and it looks at what it says: with another value it fails."""
    module = as_module(tmp_path, "\n".join(snippets("python")))
    wrong = as_module(tmp_path, "\n".join(snippets("python")).replace("== 500", "== 501"))

    module.test_payments()
    with pytest.raises(AssertionError):
        wrong.test_payments()


def test_the_pages_commands_are_the_real_ones() -> None:
    """The page says `runpin init` and `runpin publish` with the options that they have."""
    (commands,) = snippets("console")
    program = Path(sys.executable).with_name("runpin")
    options = subprocess.run([program, "publish", "--help"], capture_output=True, text=True, timeout=60, check=True)

    assert set(re.findall(r"--\w+", commands)) <= set(re.findall(r"--\w+", options.stdout))
