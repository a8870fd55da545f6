"""The report for people: by file, then by line, each remark with its place, what to do, and the lines around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from runpin.cases import ERROR, NOTE, SEVERITIES, WARNING
from runpin.reporting.escaping import inert
from runpin.reporting.masking import MASK

if TYPE_CHECKING:
    from runpin.reporting.excerpts import Excerpts, Row
    from runpin.reporting.remarks import Remark, Report

Line = tuple[tuple[str, str], ...]
"""One line of output: pieces of text, each with its style."""

_COLOURS = {ERROR: "bold red", WARNING: "bold yellow", NOTE: "bold cyan"}
_NO_FILE = "the repository as a whole"
_NO_LINE = "set by no line of this commit"
_NAMED = 4
"""How many snapshots or environments are named; more are counted, and JSON has all."""

_AFTER_AUDIT = {
    True: "Nothing to do: what is live passes the rules of today.",
    False: "Next: publish a commit that the rules accept, or `runpin rollback`. Runs that have started keep theirs.",
}


def readable(report: Report, excerpts: Excerpts) -> Iterator[Line]:
    """Yield the remarks, and a summary that says what to do next."""
    for file, remarks in groupby(report.remarks, key=lambda remark: remark.file):
        heading = file or (_NO_LINE if report.of_snapshots else _NO_FILE)
        yield from ((), ((inert(heading), "bold underline"),))
        for remark in remarks:
            yield from _remark(remark, excerpts)
    yield ()
    yield from summary(report)
    if report.remarks and excerpts.masked:
        shown = "" if report.of_snapshots else "; --show-values shows them"
        yield ((f"{MASK} stands for values and comments{shown}.", "dim"),)


def _remark(remark: Remark, excerpts: Excerpts) -> Iterator[Line]:
    colour = _COLOURS.get(remark.severity, "bold")
    yield ("  ", ""), (f"{inert(remark.severity)}: ", colour), (inert(remark.message), "bold")
    details = (
        ("where", remark.where),
        ("key", remark.key),
        ("rule", remark.rule),
        ("in", _listed(remark.environments)),
        ("fix", remark.fix),
    )
    for name, detail in details:
        if detail:
            yield (f"    {name + ':':<7}", "dim"), (inert(detail), "")
    rows = list(excerpts.of(remark))
    width = max((len(str(row.number)) for row in rows), default=0)
    for row in rows:
        yield from _row(row, width, colour)


def _row(row: Row, width: int, colour: str) -> Iterator[Line]:
    gutter = (f"    {'>' if row.is_meant else ' '} {row.number:>{width}} | ", "dim")
    if row.mark is None:
        yield gutter, (inert(row.text), "" if row.is_meant else "dim")
        return
    before, meant, after = (
        inert(part) for part in (row.text[: row.mark[0]], row.text[slice(*row.mark)], row.text[row.mark[1] :])
    )
    yield gutter, (before, ""), (meant, "bold"), (after, "")
    yield (f"    {' ' * (width + 2)} | ", "dim"), (" " * len(before) + "^" * max(len(meant), 1), colour)


def summary(report: Report) -> Iterator[Line]:
    """Yield how much is wrong and where, and what to do next."""
    checked = _listed([each.name for each in report.environments])
    kind = "snapshot" if report.of_snapshots else "environment"
    if report.remarks:
        files = len({remark.file for remark in report.remarks})
        counts = ", ".join(_counted(number, severity) for severity in SEVERITIES if (number := report.count(severity)))
        met = {name for remark in report.remarks for name in remark.environments}
        affected = _listed([each.name for each in report.environments if each.name in met]) or f"every {kind}"
        colour = _COLOURS[ERROR if not report.acceptable else WARNING]
        yield (
            (f"{counts or _counted(len(report.remarks), 'remark')} in {_counted(files, 'file')}, in ", colour),
            (affected, ""),
        )
    if report.acceptable:
        yield (("Valid. ", "green"), (f"Checked: {checked}.", ""))
    yield ((_next(report), "dim"),)


def _next(report: Report) -> str:
    if report.of_snapshots:
        return _AFTER_AUDIT[report.acceptable]
    if not report.acceptable:
        return "Next: correct these places, then `runpin validate` again. `runpin explain KEY` shows what sets a value."
    if report.commit.reproducible:
        return "Next: `runpin publish --environment NAME`."
    return "Next: commit, then `runpin publish --environment NAME`."


def _listed(names: Sequence[str]) -> str:
    shown = names if len(names) <= _NAMED + 1 else (*names[:_NAMED], f"and {len(names) - _NAMED} more")
    return ", ".join(shown)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
