"""The three distributions, built as for a release and installed where this checkout is not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROVIDER_INFO = "airflow_provider_runpin/get_provider_info.py"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Where one distribution lives, and the one package it ships."""

    name: str
    project: Path
    parent: str
    package: str

    @property
    def source(self) -> Path:
        """The package's folder."""
        return self.project / self.parent / self.package

    @property
    def file_prefix(self) -> str:
        """How the names of built files begin."""
        return f"{self.name.replace('-', '_')}-{self.version}"

    @property
    def version(self) -> str:
        """The version of its pyproject.toml."""
        project = tomllib.loads((self.project / "pyproject.toml").read_text())["project"]
        return str(project["version"])


DISTRIBUTIONS = (
    Distribution("runpin", ROOT, "core", "runpin"),
    Distribution("airflow-provider-runpin", ROOT / "airflow_plugin", ".", "airflow_provider_runpin"),
    Distribution("dagster-runpin", ROOT / "dagster_ext", ".", "dagster_runpin"),
)
each_distribution = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda each: str(each.name))


def run(*command: str | Path, cwd: Path) -> str:
    """Run *command* without this checkout on any path; return what it printed, or fail with all of it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build every source distribution, and every wheel from its source distribution."""
    folder = tmp_path_factory.mktemp("built")
    for distribution in DISTRIBUTIONS:
        # From elsewhere: a folder named `build` in the working directory would pose as the tool.
        run(
            *(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, distribution.project),
            cwd=folder,
        )
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the three wheels, and nothing else, into a new virtual environment; return its folder."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    wheels = sorted(built.glob("*.whl"))
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", *wheels, cwd=folder)
    return folder / "venv"


def evaluate(venv: Path, program: str) -> str:
    """Run *program* with the Python of *venv*, isolated from the working directory and the environment."""
    return run(venv / "bin" / "python", "-I", "-c", program, cwd=venv).strip()


def wheel_names(built: Path, distribution: Distribution) -> set[str]:
    """List the files of the distribution's wheel."""
    (path,) = built.glob(f"{distribution.file_prefix}-*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def wheel_text(built: Path, distribution: Distribution, name: str) -> str:
    """Read a file of the wheel's dist-info folder."""
    (path,) = built.glob(f"{distribution.file_prefix}-*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.read(f"{distribution.file_prefix}.dist-info/{name}").decode()


def source_names(distribution: Distribution) -> set[str]:
    """List the package's files as a wheel names them: all but caches and hidden files."""
    paths = (path for path in distribution.source.rglob("*") if path.is_file())
    names = (path.relative_to(distribution.source.parent) for path in paths)
    return {
        name.as_posix()
        for name in names
        if not any(part == "__pycache__" or part.startswith(".") for part in name.parts)
    }


def entry_point_modules(built: Path, distribution: Distribution) -> set[str]:
    """Return the modules that the wheel's entry points name."""
    parser = ConfigParser(delimiters=("=",))
    if f"{distribution.file_prefix}.dist-info/entry_points.txt" in wheel_names(built, distribution):
        parser.read_string(wheel_text(built, distribution, "entry_points.txt"))
    return {target.partition(":")[0].strip() for section in parser.sections() for _, target in parser.items(section)}


@each_distribution
def test_a_wheel_holds_its_own_package_only(built: Path, distribution: Distribution) -> None:
    """Nothing lands in site-packages but the package and its metadata."""
    tops = {name.partition("/")[0] for name in wheel_names(built, distribution)}

    assert tops == {distribution.package, f"{distribution.file_prefix}.dist-info"}


@each_distribution
def test_a_wheel_holds_the_whole_package(built: Path, distribution: Distribution) -> None:
    """What is there in a checkout is there after an install: migrations, the type marker, everything."""
    names = wheel_names(built, distribution)
    shipped = {name for name in names if name.startswith(f"{distribution.package}/")}

    assert shipped == source_names(distribution)
    assert f"{distribution.package}/py.typed" in shipped


@each_distribution
def test_a_wheel_carries_its_licence(built: Path, distribution: Distribution) -> None:
    """The licence travels with every copy."""
    text = wheel_text(built, distribution, "licenses/LICENSE")

    assert text == (ROOT / "LICENSE").read_text()


@each_distribution
def test_a_wheel_is_for_every_platform(built: Path, distribution: Distribution) -> None:
    """One wheel, plain Python, with the name and version of its pyproject.toml."""
    names = [path.name for path in built.glob(f"{distribution.file_prefix}-*.whl")]
    metadata = wheel_text(built, distribution, "METADATA")

    assert names == [f"{distribution.file_prefix}-py3-none-any.whl"]
    assert f"\nName: {distribution.name}\nVersion: {distribution.version}\n" in metadata


@each_distribution
def test_a_source_distribution_holds_what_the_wheel_needs(built: Path, distribution: Distribution) -> None:
    """No tests, no tools, no other package: one folder and four files."""
    with tarfile.open(built / f"{distribution.file_prefix}.tar.gz") as archive:
        names = {name.removeprefix(f"{distribution.file_prefix}/") for name in archive.getnames()}
    prefix = f"{distribution.parent}/{distribution.package}/".removeprefix("./")
    others = {name for name in names if not name.startswith(prefix)}

    # The build backend keeps the list of ignored files, so that a wheel from here equals one from Git.
    assert others - {".gitignore"} == {"LICENSE", "README.md", "pyproject.toml", "PKG-INFO"}
    assert {name.removeprefix(prefix.removesuffix(f"{distribution.package}/")) for name in names - others} == (
        source_names(distribution)
    )


@each_distribution
def test_every_entry_point_is_in_the_wheel(built: Path, distribution: Distribution) -> None:
    """A command or a plugin that is announced can be imported."""
    names = wheel_names(built, distribution)
    files = {module: module.replace(".", "/") for module in entry_point_modules(built, distribution)}
    missing = [module for module, file in files.items() if not {f"{file}.py", f"{file}/__init__.py"} & names]

    assert missing == []


def test_dagsters_command_line_is_told_of_the_component(built: Path) -> None:
    """`dg` loads what this group names, and nothing else is announced."""
    parser = ConfigParser(delimiters=("=",))
    parser.read_string(wheel_text(built, DISTRIBUTIONS[2], "entry_points.txt"))

    assert {name: dict(parser[name]) for name in parser.sections()} == {
        "dagster_dg_cli.registry_modules": {"dagster_runpin": "dagster_runpin"}
    }


def test_the_adapters_accept_the_core_beside_them(built: Path) -> None:
    """The three are released together, and their requirements on each other say so."""
    core, *adapters = DISTRIBUTIONS
    minor = ".".join(core.version.split(".")[:2])
    demands = {
        adapter.name: re.findall(r"^Requires-Dist: (runpin\b.*)$", wheel_text(built, adapter, "METADATA"), re.MULTILINE)
        for adapter in adapters
    }

    assert {adapter.version for adapter in adapters} == {core.version}
    assert all(f">={minor}" in line for lines in demands.values() for line in lines)
    assert all(demands.values())


def test_the_core_imports_without_the_checkout(installed: Path) -> None:
    """An installed runpin needs neither the repository nor, to be imported, any other package."""
    answer = evaluate(installed, "import json, runpin, sys; print(json.dumps([runpin.__file__, sys.path]))")
    file, search_path = json.loads(answer)

    assert Path(file).is_relative_to(installed)
    assert [entry for entry in search_path if Path(entry).is_relative_to(ROOT)] == []


def test_the_core_knows_its_version(installed: Path) -> None:
    """`runpin.__version__` is the version of the distribution it came in."""
    version = evaluate(installed, "import runpin; print(runpin.__version__)")

    assert version == DISTRIBUTIONS[0].version


@pytest.mark.parametrize("package", [each.package for each in DISTRIBUTIONS])
def test_every_package_is_found_where_it_was_installed(installed: Path, package: str) -> None:
    """Each import name belongs to the new environment."""
    found = evaluate(installed, f"import importlib.util; print(importlib.util.find_spec({package!r}).origin)")

    assert Path(found).is_relative_to(installed)


def test_the_command_is_installed(installed: Path) -> None:
    """`runpin` is on the PATH of whoever installed it."""
    assert os.access(installed / "bin" / "runpin", os.X_OK)


def test_the_provider_carries_the_name_of_its_distribution(installed: Path) -> None:
    """Airflow stops the discovery of every provider when the two differ."""
    if not (ROOT / "airflow_plugin" / PROVIDER_INFO).exists():
        pytest.skip(f"{PROVIDER_INFO} is not written yet")
    program = "from airflow_provider_runpin.get_provider_info import get_provider_info as info"

    name = evaluate(installed, f"{program}; print(info()['package-name'])")

    assert name == "airflow-provider-runpin"
