"""
What the command line shows: text for people, or one JSON document for programs.

Whatever comes from documents, commits or runs may hold escape sequences that would drive the reader's terminal.
It goes through `visible` first, and no markup is ever read from it.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runpin.cases import ERROR, WARNING
from runpin.reporting.escaping import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from rich.console import Console, RenderableType

    from runpin.resolving import Resolution

__all__ = [
    "alike",
    "columns",
    "complain",
    "emit",
    "fields",
    "heading",
    "moment",
    "note",
    "pieces",
    "results",
    "say",
    "tracker",
    "value_text",
    "visible",
    "warn_stale",
]

_GAP = "   "
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_SEVERITIES = {ERROR: "bold red", WARNING: "bold yellow"}
_SAME = ("severity", "rule", "key", "where", "fix")
_NUMBERED = re.compile(r"\S*[0-9]\S*")
"""What differs between tenants in one message: how many runs, and the id of the Snapshot."""


def emit(payload: Any) -> None:
    """Write *payload* as the one JSON document of this command; pure ASCII, so no terminal acts on it."""
    sys.stdout.write(json.dumps(payload, indent=2, ensure_ascii=True, allow_nan=False) + "\n")


def value_text(value: Any) -> str:
    """Return a JSON value on one line, as a terminal may show it."""
    return visible(json.dumps(value, ensure_ascii=False, allow_nan=False))


def moment(at: datetime) -> str:
    """Return *at* to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def say(*lines: str, style: str | None = None) -> None:
    """Print *lines*, each made visible."""
    console = _console()
    for line in lines:
        _print(console, line, style)


def note(*lines: str) -> None:
    """Print *lines* that matter less."""
    say(*lines, style="dim")


def warn_stale(found: Resolution) -> None:
    """Say that the store did not answer, and how old what is shown may be, if so."""
    if found.stale:
        say(f"STALE: seen {found.age.total_seconds():.0f} s ago; {found.reason}", style="yellow")


def heading(line: str) -> None:
    """Print *line* above what belongs to it."""
    say(line, style="bold")


def complain(
    line: str, details: Iterable[tuple[str, str | None]] = (), *, stderr: bool = True, severity: str = ERROR
) -> None:
    """Print what is wrong, and below it each detail that there is, by its name."""
    from rich.text import Text

    console = _console(stderr=stderr)
    _print(console, Text.assemble((f"{severity}: ", _SEVERITIES.get(severity, "bold cyan")), (visible(line), "bold")))
    for name, detail in details:
        if detail:
            _print(console, Text.assemble((f"  {name + ':':<7}", "dim"), visible(detail)))


def alike(findings: Sequence[Mapping[str, Any]], *, stderr: bool = True) -> None:
    """Print findings; where several tenants have one in the same place, the first is shown and the others counted."""
    groups: dict[tuple[str | None, ...], list[Mapping[str, Any]]] = {}
    for each in findings:
        same = (_NUMBERED.sub("", each["message"]), *(each[name] for name in _SAME))
        groups.setdefault(same, []).append(each)
    for first, *others in groups.values():
        more = f"{len(others)} more like it in the same place" if others else None
        details = [(name, first[name]) for name in ("where", "key", "rule", "fix")]
        complain(first["message"], [*details, ("and", more)], stderr=stderr, severity=first["severity"])


def pieces(lines: Iterable[Sequence[tuple[str, str]]]) -> None:
    """Print lines that are made of pieces, each with its style; what is in them has been made visible."""
    from rich.text import Text

    console = _console()
    for line in lines:
        _print(console, Text.assemble(*line))


def columns(header: Sequence[str], rows: Iterable[Sequence[str]], *, indent: int = 0) -> None:
    """
    Print *rows* below *header* in columns, one line for each row.

    Where the terminal is narrow it wraps the lines: an id that is broken up could not be copied.
    """
    from rich.cells import cell_len

    shown = [tuple(visible(cell) for cell in row) for row in rows]
    counted = [header, *shown] if any(header) else shown
    widths = [max(map(cell_len, column)) for column in zip(*counted, strict=True)]
    console = _console()
    for number, row in enumerate(counted):
        line = _GAP.join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        _print(console, " " * indent + line.rstrip(), "dim" if any(header) and number == 0 else None)


def results(rows: Iterable[tuple[str, str, str, str | None]]) -> None:
    """Print results: status, name, detail, and below it how to put it right."""
    from rich.text import Text

    console = _console()
    for status, name, detail, fix in rows:
        mark = (f"{status:<5}", _COLOURS[status])
        _print(console, Text.assemble(mark, (f"{visible(name):<14}", "bold"), visible(detail)))
        if fix:
            _print(console, Text.assemble(" " * 19, ("fix: ", "dim"), visible(fix)))


def fields(pairs: Iterable[tuple[str, object]], *, indent: int = 2) -> None:
    """Print names and what they stand for, one pair in a line; None is left out."""
    kept = [(name, str(value)) for name, value in pairs if value is not None]
    columns(("", ""), kept, indent=indent)


def tracker(label: str, total: int) -> tuple[AbstractContextManager[object], Callable[[], None]]:
    """Return a progress bar on stderr, gone when it ends, and the function that takes it one step on."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    progress = Progress(
        TextColumn(label), BarColumn(), MofNCompleteColumn(), console=_console(stderr=True), transient=True
    )
    progress.disable = not progress.console.is_terminal
    task = progress.add_task(label, total=total)
    return progress, lambda: progress.advance(task)


def _print(console: Console, content: RenderableType, style: str | None = None) -> None:
    shown = visible(content) if isinstance(content, str) else content
    # Long paths and addresses are left whole, for copying; the terminal wraps them.
    console.print(shown, style=style, soft_wrap=True)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)
