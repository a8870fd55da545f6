"""
What an import loads, read from `sys.modules` of a fresh process.

Names are exact where milliseconds are noise: every DAG file that imports runpin pays for what is listed here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("runpin", "airflow_provider_runpin", "dagster_runpin")
HEAVY = frozenset(
    {
        "airflow",
        "alembic",
        "azure",
        "boto3",
        "botocore",
        "dagster",
        "jsonschema",
        "opentelemetry",
        "psycopg",
        "pydantic",
    }
    | {"pydantic_settings", "rich", "sqlalchemy", "typer", "yaml"}
)
IMPORTS = ("import runpin", "import airflow_provider_runpin", "from runpin import SnapshotId", "import runpin.ports")
TOP_NAMES = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def loaded_by(statement: str) -> set[str]:
    """Return the top-level names that *statement* adds to a fresh interpreter."""
    return top_names(statement) - top_names("pass")


def top_names(statement: str) -> set[str]:
    """Run *statement* in a fresh interpreter and return the top-level names it has loaded then."""
    folders = [str(ROOT / name) for name in ("core", "airflow_plugin", "dagster_ext")]
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{TOP_NAMES}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        cwd=ROOT / "tests",
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return set(json.loads(done.stdout))


def test_the_measurement_sees_a_heavy_import() -> None:
    """A check that sees nothing would let everything pass."""
    loaded = loaded_by("import jsonschema")

    assert loaded & HEAVY == {"jsonschema"}


@pytest.mark.parametrize("statement", IMPORTS)
def test_an_import_loads_only_the_standard_library(statement: str) -> None:
    """Whatever is heavy waits until it is used, so a DAG file parses as fast as before."""
    loaded = loaded_by(statement)

    assert loaded - sys.stdlib_module_names - set(PACKAGES) == set()


@pytest.mark.parametrize("package", ["runpin", "airflow_provider_runpin"])
def test_the_names_of_every_day_are_cheap(package: str) -> None:
    """What a DAG file imports at its top costs no heavy library either."""
    loaded = loaded_by(f"from {package} import get_config")

    assert loaded & HEAVY == set()
