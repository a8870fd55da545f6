"""The page about gates says what is so: each gate, its mode, its options with their defaults, and its examples."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from config_files import COMMIT, MANIFEST, repository
from gate_packages import GATES, install
from runpin.cases import EnforcementMode, EnforcementPoint
from runpin.checking import check
from runpin.policy.built_in import BUILT_IN
from runpin.policy.gates.secrets import DETECTORS
from runpin.testing import case_of
from runpin.testing.contracts import GateContract

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "gates.md").read_text()
OPTION = re.compile(r"^\| `(\w+)` \| `([^`]+)` \|", re.MULTILINE)


def section(name: str) -> str:
    """Return what the page says below the heading *name*."""
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def examples(language: str, text: str = PAGE) -> list[str]:
    """Return the blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_every_gate_is_listed_with_its_mode() -> None:
    """In the order in which they are asked; and every mode and point is named."""
    listed = re.findall(r"^\| \[`(\w+)`\]\(#\w+\) \| (\w+) \|", PAGE, re.MULTILINE)

    assert [(name, str(kind.mode)) for name, kind in BUILT_IN.items()] == listed
    assert all(f"`{word}`" in PAGE for word in (*EnforcementMode, *EnforcementPoint))


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_option_is_listed_with_its_default(name: str) -> None:
    """A section says what the gate is for, what it takes, and what to do about a finding."""
    gate: Any = BUILT_IN[name].make()
    held = {each.name: getattr(gate, each.name) for each in fields(gate) if each.init}
    shown = {option: json.loads(default) for option, default in OPTION.findall(section(name))}

    assert {option: list(value) if isinstance(value, tuple) else value for option, value in held.items()} == shown
    assert ", ".join(held) == BUILT_IN[name].options
    assert "\n**Fix.** " in section(name)


def test_the_number_of_detectors_is_right() -> None:
    """The page counts them."""
    assert 19 == len(DETECTORS)
    assert "nineteen detectors" in section("secrets")


@pytest.mark.parametrize("example", [each for each in examples("toml") if "[gates]" in each])
def test_every_example_of_a_manifest_is_accepted(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands, below the rest of a manifest."""
    monkeypatch.syspath_prepend(install(tmp_path))
    gates = example.partition("\n# pyproject")[0]
    answer = check(repository({"runpin.toml": MANIFEST + gates, "payments/etl.json": {"x": 1}}), COMMIT)

    assert {"dev", "prod"} == answer.keys()


def test_the_example_of_a_gate_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its class, its entry point and its tests fit together."""
    gate, tests = examples("python")
    (points,) = [each for each in examples("toml") if "entry-points" in each]
    (tmp_path / "acme_gates_of_the_page.py").write_text(gate)
    monkeypatch.syspath_prepend(tmp_path)
    found: dict[str, Any] = {}
    exec(tests.replace("from acme_gates import", "from acme_gates_of_the_page import"), found)  # noqa: S102 - our own page
    made = found["TestNamingGate"]
    judging = found["NamingGate"]("pay-")

    assert issubclass(made, GateContract)
    assert ["etl"] == [each.document for each in judging.judge(case_of({"etl": {"a": 1}, "pay-x": {}}))]
    assert "acme_gates:NamingGate" == tomllib.loads(points)["project"]["entry-points"]["runpin.gates"]["naming"]
    assert "naming" in GATES
    for name in (each for each in dir(GateContract) if each.startswith("test_")):
        getattr(made(), name)(judging, (case_of({"etl": {"a": 1}}),))
