"""The house style that no linter knows."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    ROOT / "core" / "runpin",
    ROOT / "airflow_plugin" / "airflow_provider_runpin",
    ROOT / "dagster_ext" / "dagster_runpin",
)
TESTS = ROOT / "tests"
LONGEST_MODULE = 350
MOST_METHODS_OF_A_PORT = 4

EMPTY_WORDS = frozenset({"util", "utils", "helper", "helpers", "common", "manager", "managers", "service", "services"})
TIME = frozenset(
    {"time.sleep", "time.time", "time.time_ns", "datetime.datetime.now", "datetime.datetime.utcnow"}
    | {"datetime.datetime.today", "datetime.date.today"}
)


def modules(*folders: Path) -> list[Path]:
    """Return every Python file below *folders*."""
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def parse(path: Path) -> ast.Module:
    """Return the syntax tree of *path*."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def place(path: Path, node: ast.AST) -> str:
    """Return `file:line` of *node*."""
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}:{getattr(node, 'lineno', 1)}"


def asserts(path: Path) -> Iterator[str]:
    """Yield where *path* uses `assert`, which `python -O` removes."""
    return (place(path, node) for node in ast.walk(parse(path)) if isinstance(node, ast.Assert))


def prints(path: Path) -> Iterator[str]:
    """Yield where *path* calls `print`."""
    return (
        place(path, node)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    )


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Map each local name that an import made to what it stands for, `t` to `time` after `import time as t`."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update({(alias.asname or alias.name): alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            names.update({(alias.asname or alias.name): f"{node.module}.{alias.name}" for alias in node.names})
    return names


def clock_readings(path: Path) -> Iterator[str]:
    """Yield where *path* takes the time, or waits, by itself; naming the function without a call counts."""
    tree = parse(path)
    names = imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)):
            first, dot, rest = ast.unparse(node).partition(".")
            if names.get(first, "") + dot + rest in TIME:
                yield f"{place(path, node)}: {ast.unparse(node)}"


def test_no_module_has_an_empty_name() -> None:
    """A module called after nothing in particular collects everything."""
    found = [
        str(path.relative_to(ROOT))
        for path in modules(*PACKAGES)
        if EMPTY_WORDS & {word for part in path.relative_to(ROOT).with_suffix("").parts for word in part.split("_")}
    ]

    assert found == []


def test_every_module_says_what_it_is_for() -> None:
    """A reader learns from the first lines of a file whether it is the right one."""
    silent = [str(path.relative_to(ROOT)) for path in modules(*PACKAGES) if not ast.get_docstring(parse(path))]

    assert silent == []


def test_no_module_is_too_long() -> None:
    """A module that outgrows the limit is two."""
    long = [
        f"{path.relative_to(ROOT)}: {lines}"
        for path in modules(*PACKAGES)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_MODULE
    ]

    assert long == []


def test_no_assert_in_product_code() -> None:
    """A check that matters raises an error; the contract tests in runpin.testing are tests."""
    testing = ROOT / "core" / "runpin" / "testing"
    found = [where for path in modules(*PACKAGES) if not path.is_relative_to(testing) for where in asserts(path)]

    assert found == []


def test_only_the_command_line_prints() -> None:
    """A library that prints disturbs the program it lives in."""
    package = ROOT / "core" / "runpin"
    found = [
        where
        for path in modules(*PACKAGES)
        if path != package / "cli.py" and not path.is_relative_to(package / "cli")
        for where in prints(path)
    ]

    assert found == []


def test_time_comes_from_the_clock() -> None:
    """Only the clock module reads the time, so a test can stand still, and nothing sleeps."""
    clock = ROOT / "core" / "runpin" / "clock.py"
    found = [where for path in modules(*PACKAGES) if path != clock for where in clock_readings(path)]

    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(1)",
        "import time as t\nnow = t.time()",
        "from time import sleep as wait\nwait(1)",
        "from datetime import datetime\ndatetime.now(tz=None)",
        "import datetime as dt\nmoment = dt.datetime.utcnow",
        "from datetime import datetime, UTC\ndef f(now=datetime.now): ...",
    ],
)
def test_a_hidden_clock_is_caught(tmp_path: Path, source: str) -> None:
    """Aliases and default arguments do not hide a look at the clock."""
    path = tmp_path / "module.py"
    path.write_text(source)

    assert len(list(clock_readings(path))) == 1


def test_an_injected_clock_is_no_violation(tmp_path: Path) -> None:
    """Asking the port, and waiting on an event, is how it is meant."""
    path = tmp_path / "module.py"
    path.write_text("from datetime import datetime\ndef f(clock, event):\n    event.wait(1)\n    return clock.now()\n")

    assert list(clock_readings(path)) == []


def test_assert_and_print_are_caught(tmp_path: Path) -> None:
    """Both checks see into functions."""
    path = tmp_path / "module.py"
    path.write_text("def f(x):\n    assert x\n    print(x)\n    x.print('fine')\n")

    assert [*asserts(path), *prints(path)] == ["module.py:2", "module.py:3"]


def test_ports_are_small() -> None:
    """A port of more than four methods is two ports."""
    sizes = {
        node.name: sum(isinstance(member, ast.FunctionDef) for member in node.body)
        for node in ast.walk(parse(ROOT / "core" / "runpin" / "ports.py"))
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases)
    }

    assert sizes
    assert {name: size for name, size in sizes.items() if size > MOST_METHODS_OF_A_PORT} == {}


def test_test_modules_have_names_of_their_own() -> None:
    """Two test modules of one name confuse reports, and an `__init__.py` could shadow a real package."""
    names = Counter(path.name for path in modules(TESTS) if path.name != "conftest.py")

    assert [name for name, count in names.items() if count > 1 or name == "__init__.py"] == []


def test_every_test_says_what_holds() -> None:
    """The list of docstrings is the list of promises."""
    silent = [
        f"{place(path, node)} {node.name}"
        for path in modules(TESTS)
        for node in ast.walk(parse(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert silent == []


def test_no_test_patches() -> None:
    """Tests use real things and hand-written fakes, which break when the real thing changes its shape."""
    patched = [
        str(path.relative_to(ROOT))
        for path in modules(TESTS)
        if any(target.startswith("unittest.mock") for target in imported_names(parse(path)).values())
    ]

    assert patched == []
