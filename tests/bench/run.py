"""
`make bench`: what runpin costs, beside its peers and beside what the machine itself costs.

Everything is measured in one run and printed as ratios. Nothing here passes or fails; the budgets are printed beside
what was measured, and people judge.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pinning_cost
import publishing_cost
import reading_cost
import starting_cost
from measuring import Row
from rich.console import Console
from rich.table import Table

GROUPS: tuple[Callable[[Path], Iterator[Row]], ...] = (
    reading_cost.rows,
    pinning_cost.rows,
    publishing_cost.rows,
    starting_cost.rows,
)


def shown(seconds: float) -> str:
    """Return a time with three digits and a unit."""
    for unit, factor in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)):
        if seconds * factor < 1000:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def main() -> None:
    """Measure every group and print one table."""
    console = Console(width=130, highlight=False)
    table = Table("what", "case", "median", "beside", "ratio", "budget", title="medians and ratios of one run")
    for group in GROUPS:
        with tempfile.TemporaryDirectory() as folder:
            for row in group(Path(folder)):
                ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
                verdict = {None: row.budget, True: f"{row.budget} kept", False: f"{row.budget} [bold]missed[/bold]"}
                table.add_row(row.group, row.case, shown(row.seconds), row.beside, ratio, verdict[row.kept])
        table.add_section()
        console.print(f"{group.__module__} measured")
    console.print(table)


if __name__ == "__main__":
    main()
