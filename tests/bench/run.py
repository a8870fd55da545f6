"""
`make bench`: what runpin costs, beside its peers and beside what the machine itself costs.

Everything is measured in one run and printed as ratios. Nothing here passes or fails; the budgets are printed beside
what was measured, and people judge.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pinning_cost
import publishing_cost
import pushing_cost
import reading_cost
import replication_cost
import starting_cost
from measuring import Row
from rich.console import Console
from rich.table import Table

COLUMNS = ("what", "case", "median", "beside", "ratio", "budget")

GROUPS: tuple[Callable[[Path], Iterator[Row]], ...] = (
    reading_cost.rows,
    pinning_cost.rows,
    replication_cost.rows,
    pushing_cost.rows,
    publishing_cost.rows,
    starting_cost.rows,
)


def shown(seconds: float) -> str:
    """Return a time with three digits and a unit."""
    for unit, factor in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)):
        if seconds * factor < 1000:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def cells(row: Row) -> tuple[str, ...]:
    """Return what one line of the table shows."""
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
    verdict = {None: row.budget, True: f"{row.budget}, kept", False: f"{row.budget}, missed"}[row.kept]
    return row.group, row.case, shown(row.seconds), row.beside, ratio, verdict


def as_markdown(rows: list[Row]) -> str:
    """Return the table as it stands in docs/proof.md."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *map(cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_table(rows: list[Row]) -> Table:
    """Return the table for a terminal."""
    table = Table(*COLUMNS, title="medians and ratios of one run")
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None and before.group != row.group:
            table.add_section()
        table.add_row(*cells(row))
    return table


def main() -> None:
    """Measure every group and print one table; `--markdown` for the documentation."""
    console = Console(width=130, highlight=False)
    measured: list[Row] = []
    for group in GROUPS:
        console.print(f"measuring: {group.__module__.replace('_', ' ')}", style="dim")
        with tempfile.TemporaryDirectory() as folder:
            measured += group(Path(folder))
    if "--markdown" in sys.argv:
        console.print(as_markdown(measured), soft_wrap=True, markup=False)
    else:
        console.print(as_table(measured))


if __name__ == "__main__":
    main()
