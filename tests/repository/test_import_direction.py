"""Imports point inwards: floor, stages, adapters, edge. Hosts and clouds stay outside of the core."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FLOOR = frozenset(
    {
        "model",
        "capabilities",
        "cases",
        "changes",
        "feature_flags",
        "mirrors",
        "overrides",
        "reactions",
        "rerunning",
        "errors",
        "ports",
        "canonical",
        "failpoints",
    }
)
STAGES = frozenset(
    {"compiling", "parsing", "validation", "policy", "publishing", "rollout", "analysis"}
    | {
        "ancestry",
        "descent",
        "auditing",
        "breaking_glass",
        "candidates",
        "baggage",
        "checking",
        "comparing",
        "counting",
        "circuit",
        "declining",
        "handing_over",
        "impact",
        "living",
        "looking_back",
        "judging",
        "mirroring",
        "modelling",
        "promoting",
        "reacting",
        "reporting",
        "remembering",
        "repeating",
        "restoring",
        "rolling_back",
        "showing",
        "switching",
        "watching",
        "resolving",
        "overriding",
        "pinning",
        "proposing",
        "questions",
        "reading",
        "flags",
        "observing",
        "drift",
    }
)
# What several adapters of one kind of server have in common; any adapter may import them.
SHARED = frozenset({"azure_appconfig", "database", "etcd"})
# What these have in common in turn.
BELOW = frozenset({"deadlines", "keyspace"})
ADAPTERS = frozenset(
    {
        "aws_appconfig",
        "azure_appconfig",
        "clock",
        "database",
        "deadlines",
        "engines",
        "keyspace",
        "etcd",
        "sandbox",
        "sources",
        "stores",
        "ledgers",
        "gates",
        "probes",
    }
)
EDGE = frozenset(
    {"__init__", "__main__", "asking", "azure_backend", "settings", "assembly", "backends", "followers"}
    | {"governing", "hosting", "released", "releasing", "showcase", "cli"}
)
TESTING = frozenset({"testing"})
PLACED = FLOOR | STAGES | ADAPTERS | EDGE | TESTING

# What the floor may borrow, and only inside a function: one library makes the canonical form.
FLOOR_LIBRARIES = {"canonical": frozenset({"rfc8785"})}
TESTING_LIBRARIES = frozenset({"pytest"})
NEVER_IN_CORE = frozenset({"airflow", "dagster"})
# Slow to import, and for one adapter each: nowhere else, and there inside functions only.
CLOUDS = frozenset({"azure", "boto3", "botocore"})

PLUGIN_SURFACE = frozenset(
    {"runpin"}
    | {
        f"runpin.{name}"
        for name in (
            "ancestry",
            "assembly",
            "declining",
            "errors",
            "handing_over",
            "hosting",
            "judging",
            "model",
            "observing",
            "testing",
        )
    }
    | {"runpin.showcase", "runpin.showing"}
    | {
        f"runpin.{name}"
        for name in ("pinning", "proposing", "reacting", "reactions", "reading", "released", "rerunning", "settings")
    }
)
NEVER_IN_PLUGIN = frozenset({"sqlalchemy", "alembic"})


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement: what it names, on which line, and whether it runs when the module is imported."""

    target: str
    line: int
    eager: bool

    @property
    def top(self) -> str:
        """The distribution-level name, such as `sqlalchemy`."""
        return self.target.partition(".")[0]


def module_name(root: Path, path: Path) -> str:
    """Return the module of the core that *path* belongs to, `__init__` for the package itself."""
    return path.relative_to(root / "runpin").parts[0].removesuffix(".py")


def is_type_checking(node: ast.AST) -> bool:
    """Tell whether *node* is an `if TYPE_CHECKING:` block."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def walk(node: ast.AST, *, eager: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node below *node*, and whether it runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        lazy = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or is_type_checking(child)
        yield child, eager
        yield from walk(child, eager=eager and not lazy)


def targets(node: ast.AST, submodules: frozenset[str]) -> list[str]:
    """Return the modules that *node* imports; `from runpin import stores` names `runpin.stores`."""
    match node:
        case ast.Import(names=names):
            return [name.name for name in names]
        case ast.ImportFrom(module=module, names=names, level=0):
            dotted = [f"{module}.{name.name}" for name in names]
            return [full if full in submodules else str(module) for full in dotted]
        case ast.ImportFrom():
            return ["(relative import)"]
        case ast.Call(func=function, args=[ast.Constant(value=str(module)), *_]) if ast.unparse(function).endswith(
            ("import_module", "__import__")
        ):
            return [module]
    return []


def imports(path: Path, submodules: frozenset[str]) -> list[Import]:
    """Return every import in *path*, those inside functions and type checks included."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return [
        Import(target, getattr(node, "lineno", 0), eager)
        for node, eager in walk(tree)
        for target in targets(node, submodules)
    ]


def may_import(module: str) -> frozenset[str]:
    """Return the modules of runpin that *module* may import."""
    if module in FLOOR:
        return FLOOR
    if module in STAGES:
        return FLOOR | STAGES
    if module in ADAPTERS:
        below = frozenset() if module in BELOW else BELOW
        return FLOOR | {module} | below | (frozenset() if module in SHARED | BELOW else SHARED)
    if module in TESTING:
        return FLOOR | STAGES | TESTING
    return PLACED - TESTING


def core_complaint(module: str, found: Import) -> str | None:
    """Return why *module* of the core may not have this import, None when it may."""
    if found.target == "(relative import)":
        return "imports are absolute"
    if found.top in NEVER_IN_CORE:
        return f"the core never imports {found.top}, not even in a function"
    if found.top in CLOUDS and (found.eager or module not in ADAPTERS):
        return f"{module} may not import {found.top}: an adapter may, inside a function"
    if found.top == "runpin":
        inner = found.target.split(".")[1] if "." in found.target else "__init__"
        return None if inner in may_import(module) else f"{module} may not import {found.target}"
    return None if may_borrow(module, found) else f"{module} may not import {found.top}"


def may_borrow(module: str, found: Import) -> bool:
    """Tell whether *module* may use the library; the floor and the contract tests are choosy."""
    if found.top in sys.stdlib_module_names or found.top == "__future__":
        return True
    if module in TESTING:
        return found.top in TESTING_LIBRARIES
    if module in FLOOR:
        return not found.eager and found.top in FLOOR_LIBRARIES.get(module, frozenset())
    return True


def plugin_complaint(found: Import) -> str | None:
    """Return why an engine's package may not have this import, None when it may."""
    if found.target == "(relative import)":
        return "imports are absolute"
    if found.top in NEVER_IN_PLUGIN:
        return f"an engine's package never imports {found.top}; the core does that"
    if found.top == "runpin" and found.target not in PLUGIN_SURFACE:
        return f"{found.target} is not in the surface the engines use: {', '.join(sorted(PLUGIN_SURFACE))}"
    return None


def known_submodules(root: Path) -> frozenset[str]:
    """Return the dotted name of every module of the core."""
    paths = [path.relative_to(root).with_suffix("") for path in (root / "runpin").rglob("*.py")]
    names = {".".join(path.parts).removesuffix(".__init__") for path in paths}
    return frozenset(names | {name.rpartition(".")[0] for name in names} - {""})


def core_violations(root: Path) -> list[str]:
    """Check `root/runpin`, one line per violation."""
    submodules = known_submodules(root)
    found: list[str] = []
    for path in sorted((root / "runpin").rglob("*.py")):
        module = module_name(root, path)
        where = path.relative_to(root)
        if module in PLACED:
            complaints = ((item.line, core_complaint(module, item)) for item in imports(path, submodules))
            found += [f"{where}:{line}: {complaint}" for line, complaint in complaints if complaint]
        else:
            found.append(f"{where}: {module} has no place yet; decide on one in {Path(__file__).name}")
    return found


def plugin_violations(folder: Path, core: Path) -> list[str]:
    """Check the engine package in *folder* against the modules of *core*, one line per violation."""
    submodules = known_submodules(core)
    return [
        f"{path.name}:{item.line}: {complaint}"
        for path in sorted(folder.rglob("*.py"))
        for item in imports(path, submodules)
        if (complaint := plugin_complaint(item))
    ]


def eager_graph(root: Path) -> dict[str, set[str]]:
    """Return which module of the core needs which others at the moment it is imported."""
    submodules = known_submodules(root)
    graph: dict[str, set[str]] = {}
    for path in (root / "runpin").rglob("*.py"):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        needed = {item.target for item in imports(path, submodules) if item.eager and item.top == "runpin"}
        graph[name] = needed - {name}
    return graph


def test_the_core_imports_inwards() -> None:
    """A stage never knows an adapter, and the floor knows nobody."""
    found = core_violations(ROOT / "core")

    assert not found, "\n".join(found)


def test_no_two_modules_need_each_other() -> None:
    """The core can be read, and imported, one module after the other."""
    order = list(TopologicalSorter(eager_graph(ROOT / "core")).static_order())

    assert "runpin.errors" in order


@pytest.mark.parametrize("folder", ["airflow_plugin/airflow_provider_runpin", "dagster_ext/dagster_runpin"])
def test_engines_use_the_public_surface(folder: str) -> None:
    """An engine's package translates; whatever touches a store stays behind the surface."""
    found = plugin_violations(ROOT / folder, ROOT / "core")

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "source", "complaint"),
    [
        ("ports.py", "from runpin.stores.sql import SqlStore", "ports may not import runpin.stores.sql"),
        ("model.py", "import pydantic", "model may not import pydantic"),
        ("canonical.py", "import rfc8785", "canonical may not import rfc8785"),
        ("canonical.py", "def write():\n    import orjson", "canonical may not import orjson"),
        ("pinning.py", "from runpin import ledgers", "pinning may not import runpin.ledgers"),
        ("reading.py", "if TYPE_CHECKING:\n    import runpin.cli", "reading may not import runpin.cli"),
        ("resolving.py", "from runpin import Runpin", "resolving may not import runpin"),
        ("ledgers/sql.py", "from runpin.stores import sql", "ledgers may not import runpin.stores.sql"),
        ("stores/sql.py", "import runpin.publishing", "stores may not import runpin.publishing"),
        ("stores/sql.py", "from . import sqlite", "imports are absolute"),
        ("assembly.py", "def f():\n    from airflow.models import DagRun", "the core never imports airflow"),
        ("cli.py", "import importlib\nimportlib.import_module('boto3')", "cli may not import boto3: an adapter may"),
        ("assembly.py", "def f():\n    import azure.appconfiguration", "assembly may not import azure: an adapter may"),
        ("reading.py", "if TYPE_CHECKING:\n    import azure.core", "reading may not import azure: an adapter may"),
        ("stores/azure.py", "from azure.core import MatchConditions", "stores may not import azure: an adapter may"),
        ("stores/azure.py", "def f():\n    import azure\nimport botocore", "stores may not import botocore"),
        ("testing/contracts.py", "from runpin.stores import sql", "testing may not import runpin.stores.sql"),
        ("testing/contracts.py", "import sqlalchemy", "testing may not import sqlalchemy"),
        ("assembly.py", "from runpin.testing import FixedClock", "assembly may not import runpin.testing"),
        ("scheduling.py", "import json", "scheduling has no place yet"),
    ],
)
def test_a_violation_is_caught(tmp_path: Path, name: str, source: str, complaint: str) -> None:
    """Each rule finds the mistake it was made for, in a tree that is otherwise clean."""
    stores = tmp_path / "runpin" / "stores" / "sql.py"
    for path in (tmp_path / "runpin" / "ledgers" / "sql.py", stores, tmp_path / "runpin" / name):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    clean = [line for line in core_violations(tmp_path) if "has no place" not in line]
    (tmp_path / "runpin" / name).write_text(source + "\n")

    found = core_violations(tmp_path)

    assert clean == []
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("from runpin.stores.sql import SqlStore", "runpin.stores.sql is not in the surface"),
        ("def f():\n    from runpin import resolving", "runpin.resolving is not in the surface"),
        ("def f():\n    import sqlalchemy.orm", "never imports sqlalchemy"),
    ],
)
def test_a_plugin_that_reaches_inside_is_caught(tmp_path: Path, source: str, complaint: str) -> None:
    """The public surface is checked inside functions too."""
    (tmp_path / "core" / "runpin").mkdir(parents=True)
    (tmp_path / "core" / "runpin" / "resolving.py").touch()
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "listener.py").write_text(f"from runpin import get_config\n{source}\n")

    (found,) = plugin_violations(tmp_path / "plugin", tmp_path / "core")

    assert complaint in found


def test_a_circle_is_caught(tmp_path: Path) -> None:
    """Two stages that import each other at module level are refused; inside a function one may."""
    package = tmp_path / "runpin"
    package.mkdir()
    (package / "pinning.py").write_text("from runpin.reading import read\n")
    (package / "reading.py").write_text("def read():\n    import runpin.pinning\n")
    open_order = list(TopologicalSorter(eager_graph(tmp_path)).static_order())
    (package / "reading.py").write_text("import runpin.pinning\n")

    with pytest.raises(ValueError, match="cycle"):
        TopologicalSorter(eager_graph(tmp_path)).prepare()
    assert open_order == ["runpin.reading", "runpin.pinning"]
