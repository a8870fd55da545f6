"""The component: what `dg` makes of it in a real project, and what it builds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.remote_representation.external_data import RepositorySnap
from pydantic import ValidationError

from dagster_runpin import RunpinComponent, RunpinResource, config_asset_key

DG = Path(sys.executable).with_name("dg")

PROJECT = """
[project]
name = "demo"
version = "0.1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "demo"
"""

DEFINITIONS = """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""

WHOLE = """\
type: dagster_runpin.RunpinComponent

attributes:
  resource_key: runpin
  environment: "{{ env.STAGE }}"
  store: "{{ env.CONFIG_STORE }}"
  documents:
    - payments/etl
    - payments/limits
    - reports/daily
  checks:
    - sums
  sensor:
    assets: "key:sums"
    only_affected: true
"""

ASSETS = """
import dagster as dg

from dagster_runpin import RunpinResource


@dg.asset(metadata={"runpin/documents": ["payments/etl"]})
def sums(runpin: RunpinResource) -> None:
    runpin.config("payments/etl")
"""

WATCHED = """
import os
import sys


def note(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo"}:
        with open(os.environ["CALLS"], "a") as file:
            file.write(f"{event} {arguments[1:]}")


sys.addaudithook(note)
"""
"""A `sitecustomize` that writes down whom a process calls."""


NO_CONTEXT: Any = None
"""The component asks Dagster nothing about where it is declared."""

# Dagster's own way from YAML to its models.
in_process = pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated")


def build(text: str) -> dg.Definitions:
    """Return what the component makes of the attributes in *text*."""
    definitions: dg.Definitions = RunpinComponent.resolve_from_yaml(text).build_defs(NO_CONTEXT)
    return definitions


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder as `dg` wants it, with a home of its own and nothing of this machine's."""

    root: Path

    @property
    def config(self) -> Path:
        """Where the component is declared."""
        return self.root / "src" / "demo" / "defs" / "config" / "defs.yaml"

    @property
    def calls(self) -> Path:
        """Whom its processes have called, one line each; not there if nobody."""
        return self.root / "calls"

    def write(self, files: Mapping[str, str]) -> None:
        """Put *files* below the root."""
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, encoding="utf-8")

    def dg(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the real command line."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("RUNPIN_", "DAGSTER_", "DG_"))
        }
        own = {
            "HOME": str(self.root),
            "DAGSTER_HOME": str(self.root / "dagster"),
            "RUNPIN_HOME": str(self.root / "away"),
            "PYTHONPATH": os.pathsep.join(str(self.root / name) for name in ("site", "src")),
            "CALLS": str(self.calls),
            "COLUMNS": "200",
        }
        return subprocess.run(
            [DG, *arguments],
            cwd=self.root,
            env={**kept, **own, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def answer(self, *arguments: str, **variables: str) -> str:
        """Return what the command printed, or fail with all of it."""
        done = self.dg(*arguments, **variables)

        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return an empty project; Dagster's telemetry is off, as in a CI."""
    found = Project(tmp_path)
    found.write(
        {
            "pyproject.toml": PROJECT,
            "dagster/dagster.yaml": "telemetry:\n  enabled: false\n",
            "site/sitecustomize.py": WATCHED,
            "src/demo/__init__.py": "",
            "src/demo/definitions.py": DEFINITIONS,
            "src/demo/defs/__init__.py": "",
        }
    )
    return found


def uncommented(scaffold: str) -> str:
    """Return the scaffolded file with the YAML among its comments switched on, and the sentences left out."""
    lines = scaffold.splitlines()
    hidden = [line.replace("# ", "", 1) for line in lines if re.match(r"  # *[a-z_]+:", line)]
    return "\n".join([line for line in lines if not line.startswith("  #")] + hidden)


def test_dg_lists_the_component(project: Project) -> None:
    """Whoever has the package installed finds it, with a sentence that says what it brings."""
    listed = json.loads(project.answer("list", "components", "--json"))["items"]
    summaries = {each["key"]: each["summary"] for each in listed if each["key"].startswith("dagster_runpin")}

    assert summaries == {
        "dagster_runpin.RunpinComponent": (
            "Configuration that every run pins: the resource, its documents as assets, and sensors for new Snapshots."
        )
    }


def test_what_dg_scaffolds_loads_as_it_is(project: Project) -> None:
    """A new project has config assets after one command, and a sensor once the comments are switched on."""
    project.answer("scaffold", "defs", "dagster_runpin.RunpinComponent", "config")
    listed = json.loads(project.answer("list", "defs", "--json"))
    scaffold = project.config.read_text()
    project.write({str(project.config): uncommented(scaffold)})
    checked = project.answer("check", "yaml")

    assert ["config/payments/etl"] == [asset["asset_key"] for asset in listed["assets"]]
    assert ["runpin"] == [resource["name"] for resource in listed["resources"]]
    assert "validated successfully" in checked
    assert {"store", "sensor"} <= yaml.safe_load(uncommented(scaffold))["attributes"].keys()
    assert not project.calls.exists()


def test_dg_points_at_mistakes(project: Project) -> None:
    """A misspelt key, an impossible document and a wrong type are found, by line, before anything is loaded."""
    mistakes = WHOLE.replace("resource_key", "resourcekey").replace("- payments/etl", "- etl").replace("true", "[true]")
    project.write({str(project.config): mistakes})
    done = project.dg("check", "yaml")
    found = re.findall(re.escape(str(project.config)) + r":(\d+) - \S+ attributes\.(\w+)", done.stdout)

    assert done.returncode != 0
    assert {("4", "resourcekey"), ("7", "documents"), ("13", "sensor")} == set(found)


def test_dg_loads_all_of_it_without_a_store(project: Project) -> None:
    """A code location comes up while the store is away: nothing is read, opened or created when it is loaded."""
    away = "sqlite:////nowhere/at-all/user:secret.db"
    project.write({str(project.config): WHOLE, "src/demo/defs/sums.py": ASSETS})
    listed = json.loads(project.answer("list", "defs", "--json", STAGE="prod", CONFIG_STORE=away))
    checked = project.answer("check", "defs", STAGE="prod", CONFIG_STORE=away)

    documents = {f"config/{name}" for name in ("payments/etl", "payments/limits", "reports/daily")}

    assert documents | {"sums"} == {asset["asset_key"] for asset in listed["assets"]}
    assert {"runpin_payments", "runpin_reports"} == {sensor["name"] for sensor in listed["sensors"]}
    assert ["sums:config_in_sync"] == [check["key"] for check in listed["asset_checks"]]
    assert "loaded successfully" in checked
    assert not (project.root / "away").exists()
    assert not project.calls.exists()


@in_process
def test_the_stores_url_is_not_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The web server shows the settings of resources, so a URL with a password stays in its variable."""
    monkeypatch.setenv("STAGE", "prod")
    monkeypatch.setenv("CONFIG_STORE", "postgresql://ada:the-password@db.example.com/runpin")
    definitions = build(WHOLE.partition("attributes:\n")[2])
    shown = dg.serialize_value(RepositorySnap.from_def(definitions.get_repository_def()))

    assert "the-password" not in shown
    assert {"prod", "CONFIG_STORE"} <= set(re.findall(r"[\w-]+", shown))


@in_process
@pytest.mark.parametrize("written", ["{{ env.CONFIG_STORE }}", "{{env('CONFIG_STORE')}}", '{{ env("CONFIG_STORE") }}'])
def test_each_way_to_name_a_variable_is_late(written: str) -> None:
    """Dagster's templates have more than one spelling, and the variable need not be set where the code is loaded."""
    found = RunpinComponent.resolve_from_dict({"store": written}).store

    assert isinstance(found, dg.EnvVar)
    assert found == dg.EnvVar("CONFIG_STORE")


@in_process
def test_a_store_without_credentials_is_taken_as_it_stands() -> None:
    """A file's URL needs no variable."""
    found = RunpinComponent.resolve_from_dict({"store": "sqlite:///runpin.db"}).store

    assert found == "sqlite:///runpin.db"


@in_process
def test_the_resource_alone_is_enough() -> None:
    """Without documents there is a resource, whose values come from the settings, and nothing else."""
    definitions = build("resource_key: settings")

    assert repr({"settings": RunpinResource()}) == repr(definitions.resources)
    assert not [*(definitions.assets or ()), *(definitions.sensors or ()), *(definitions.asset_checks or ())]


@in_process
def test_checks_may_ask_the_rules() -> None:
    """Of an asset and of a config asset, whose check is of no other kind."""
    definitions = build("{checks: [sums, config/payments/etl], rules: true}")
    specs = [spec for each in definitions.asset_checks or () for spec in each.check_specs]

    assert ["sums config_in_sync", "sums config_allowed", "config/payments/etl config_allowed"] == [
        f"{spec.asset_key.to_user_string()} {spec.name}" for spec in specs
    ]


@in_process
def test_each_application_gets_a_sensor() -> None:
    """A name is how theirs begin, so that adding an application renames none that is there."""
    definitions = build(
        "{documents: [payments/etl, payments/limits, reports/daily],"
        " sensor: {job: nightly, name: watch, interval: 60, default_status: RUNNING}}"
    )
    sensors: list[Any] = list(definitions.sensors or ())

    assert ["watch_payments", "watch_reports"] == [each.name for each in sensors]
    assert {("nightly", 60, dg.DefaultSensorStatus.RUNNING)} == {
        (each.job_name, each.minimum_interval_seconds, each.default_status) for each in sensors
    }


@in_process
def test_the_component_can_be_built_in_python() -> None:
    """Whoever writes no YAML gets the same checks of names."""
    built = RunpinComponent(documents=["payments/etl"], environment="prod")

    assert [config_asset_key("payments/etl")] == [
        key
        for each in built.build_defs(NO_CONTEXT).assets or ()
        if isinstance(each, dg.AssetsDefinition)
        for key in each.keys
    ]
    with pytest.raises(ValidationError, match="documents"):
        RunpinComponent(documents=["etl"])
