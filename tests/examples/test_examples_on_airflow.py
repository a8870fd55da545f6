"""Every example that a reader may copy runs on a real Airflow, on the sample configuration."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pinned_airflow import PinnedAirflow
from runpin.model import STABLE, Asked, Scope

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "example_dags" / "airflow").glob("*.py"))
README = ROOT / "README.md"

EXAMPLE = "example"
"""The id of every run here."""

CONF = {"closing_seconds": 1}
"""Nobody has to wait for the closing time of the nightly run; the other examples have no such parameter."""


def snippets(page: Path) -> list[str]:
    """Return the DAG files that *page* shows."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "@dag" in block or "DAG(" in block]


@pytest.fixture(scope="module")
def airflow(pinned_airflow: PinnedAirflow, tmp_path_factory: pytest.TempPathFactory) -> PinnedAirflow:
    """Return the engine with the sample configuration published, as a reader of the README would."""
    config = tmp_path_factory.mktemp("sample") / "config"
    pinned_airflow.runpin("init", str(config))
    # Tests before this one may have published from elsewhere, which `runpin publish` takes for a rewritten branch.
    pinned_airflow.runpin("publish", "--repository", str(config), "--environment", "prod", "--accept-rewrite")
    # Before that, runs may be given what other tests have published, which the examples cannot read.
    pinned_airflow.wait_until_proposed(pinned_airflow.core.store.channel(Scope("payments", "prod"), STABLE).snapshot)
    return pinned_airflow


def run(airflow: PinnedAirflow, files: list[Path]) -> dict[str, str]:
    """Put DAG files into the engine, run each DAG of theirs once, and return in which state the runs ended."""
    for file in files:
        shutil.copy(file, airflow.engine.dags / file.name)
    names = {file.stem for file in files}
    for name in names:
        airflow.api.unpause(name)
    found = [dag["dag_id"] for dag in airflow.api.dags() if Path(dag["fileloc"]).stem in names]
    for dag_id in found:
        airflow.start(dag_id, EXAMPLE, CONF)
    return {dag_id: airflow.finish(dag_id, EXAMPLE)["state"] for dag_id in found}


@pytest.fixture(scope="module")
def examples(airflow: PinnedAirflow) -> dict[str, str]:
    """Run every example once, and return how each has ended, by DAG."""
    return run(airflow, FILES)


def test_every_example_dag_runs(airflow: PinnedAirflow, examples: dict[str, str]) -> None:
    """Each file holds a DAG of its own name, whose run succeeds and is labelled with what it used."""
    labels = {dag_id: airflow.carried(dag_id, EXAMPLE)["pins"] for dag_id in examples}
    pins = {
        dag_id: {p.scope.application: str(p.snapshot) for p in airflow.pins(dag_id, EXAMPLE)} for dag_id in examples
    }

    assert {file.stem for file in FILES} <= set(examples)
    assert {"success"} == set(examples.values())
    assert labels == pins


@pytest.mark.usefixtures("examples")
def test_the_long_example_sees_one_snapshot(airflow: PinnedAirflow) -> None:
    """What the demo shows holds here too: a retry, mapped tasks and a template read the same."""
    (pin,) = airflow.pins("payments_nightly", EXAMPLE)
    said = airflow.returned("payments_nightly", EXAMPLE)
    seen = [each["snapshot"] if isinstance(each, dict) else each for each in said]

    assert [str(pin.snapshot)] * 6 == seen


@pytest.mark.usefixtures("examples")
def test_the_child_of_an_example_inherits(airflow: PinnedAirflow) -> None:
    """The example with operators hands its snapshot to the run it triggers."""
    (parent,) = airflow.pins("payments_with_operators", EXAMPLE)
    (child,) = airflow.api.runs("payments_daily", run_type="operator_triggered")
    (inherited,) = airflow.pins("payments_daily", child["dag_run_id"])

    assert (parent.snapshot, Asked.PARENT) == (inherited.snapshot, inherited.asked)


@pytest.mark.parametrize("number", range(len(snippets(README))))
def test_the_readmes_dag_runs(airflow: PinnedAirflow, tmp_path: Path, number: int) -> None:
    """What the first page shows works as it stands there."""
    text = snippets(README)[number]
    (name,) = re.findall(r"^def (\w+)\(\)", text, re.MULTILINE)
    file = tmp_path / f"{name}.py"
    file.write_text(text, encoding="utf-8")

    assert {name: "success"} == run(airflow, [file])
