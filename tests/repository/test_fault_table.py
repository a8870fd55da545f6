"""The page of faults names tests that exist, and shows the rows that are tested."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from fault_proxy import Mode
from fault_rows import ROWS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "faults.md"
OWN = "On the way to a store"
OTHERS = "In stores, hosts and disks"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def section(page: str, title: str) -> str:
    """Return what stands below a heading, up to the next of its level."""
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of the tables in *text*, without their heads."""
    lines = [line.strip().strip("|") for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    rules = [number for number, row in enumerate(cells) if set(row[0]) == {"-"}]
    return [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]


def functions(path: Path) -> set[str]:
    """Return the names of the functions in a file, those of its classes too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def unknown(page: str) -> Iterator[str]:
    """Yield the tests that *page* names and that do not exist."""
    for file, name in _NAMED.findall(page):
        path = ROOT / file
        if not path.is_file() or name not in functions(path):
            yield f"{file}::{name}"


def unproven(page: str) -> Iterator[str]:
    """Yield the rows of *page* that name no test and do not say that there is none."""
    for title in (OWN, OTHERS):
        for row in rows(section(page, title)):
            if not _NAMED.search(row[-1]) and "no test" not in row[-1]:
                yield row[0]


def shown(page: str, title: str = OWN) -> list[str]:
    """Return the faults that a table of *page* shows."""
    return [row[0].strip("`") for row in rows(section(page, title))]


def test_every_named_test_exists() -> None:
    """Who reads the table can run what it says."""
    page = PAGE.read_text(encoding="utf-8")

    assert list(unknown(page)) == []
    assert list(unproven(page)) == []
    assert len(_NAMED.findall(page)) > len(ROWS)


def test_the_rows_are_those_that_are_tested() -> None:
    """Each way to harm the bytes is a row of the matrix, and each row is on the page."""
    tested = [row.fault.name.lower() for row in ROWS]

    assert shown(PAGE.read_text(encoding="utf-8")) == tested
    assert sorted(tested) == sorted(mode.name.lower() for mode in Mode if mode is not Mode.PASS)


def test_a_page_that_promises_too_much_is_caught() -> None:
    """A test that is not there, a row without one, and a fault that nobody tries."""
    row = "| `flood` | `tests/faults/test_flood.py::test_flood` |"
    page = f"\n## {OWN}\n\n| fault | test |\n|---|---|\n{row}\n| `b` | |\n"

    assert list(unknown(page)) == ["tests/faults/test_flood.py::test_flood"]
    assert list(unproven(page)) == ["`b`"]
    assert shown(page) == ["flood", "b"]
