"""The lock: complete, hashed, and free of addresses."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "dev.txt"
PROJECTS = tuple(ROOT / folder / "pyproject.toml" for folder in ("", "airflow_plugin", "dagster_ext"))
OURS = frozenset({"runpin", "airflow-provider-runpin", "dagster-runpin"})


def entries(lock: str) -> list[str]:
    """Split the lock into one logical line per package."""
    joined = lock.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def pins(lock: str) -> dict[str, set[str]]:
    """Return the pinned versions of each package; markers may give it more than one."""
    versions: dict[str, set[str]] = {}
    for entry in entries(lock):
        requirement = Requirement(entry.partition("--hash")[0].strip())
        (specifier,) = requirement.specifier
        versions.setdefault(canonicalize_name(requirement.name), set()).add(specifier.version)
    return versions


def wanted(project: Path) -> Iterator[Requirement]:
    """Yield what a pyproject.toml asks for: dependencies, and its groups without the includes."""
    content: dict[str, Any] = tomllib.loads(project.read_text())
    for line in content["project"]["dependencies"]:
        yield Requirement(line)
    for group in content.get("dependency-groups", {}).values():
        yield from (Requirement(line) for line in group if isinstance(line, str))


def test_every_package_is_pinned_and_hashed() -> None:
    """An install from the lock is the same everywhere, or it fails."""
    loose = [
        entry.split()[0]
        for entry in entries(LOCK.read_text())
        if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==\S+( ;[^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", entry)
    ]

    assert loose == []


def test_the_lock_names_no_address() -> None:
    """Where packages come from is the reader's own configuration."""
    text = LOCK.read_text()

    assert re.findall(r"\S*://\S*|--(?:extra-)?index-url|--find-links|^-e .*", text, re.MULTILINE) == []


def test_our_own_distributions_are_not_locked() -> None:
    """They are installed from this checkout, by requirements/editable.txt."""
    locked = pins(LOCK.read_text())

    assert not locked.keys() & OURS


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_lock_satisfies_every_project(project: Path) -> None:
    """Who adds a dependency runs `make lock` in the same commit."""
    locked = pins(LOCK.read_text())
    unmet = [
        f"{requirement}, locked: {sorted(locked.get(canonicalize_name(requirement.name), []))}"
        for requirement in wanted(project)
        if requirement.name not in OURS
        and not any(
            requirement.specifier.contains(version, prereleases=True)
            for version in locked.get(canonicalize_name(requirement.name), [])
        )
    ]

    assert not unmet, "run `make lock`:\n" + "\n".join(unmet)


def test_every_distribution_is_installed_editable() -> None:
    """`make setup` installs the three distributions of this checkout."""
    lines = (ROOT / "requirements" / "editable.txt").read_text().split("\n")

    assert [line for line in lines if line] == ["-e .", "-e ./airflow_plugin", "-e ./dagster_ext"]
