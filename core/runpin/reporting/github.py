"""
The report as commands in the log of GitHub Actions, which shows them beside the lines of a pull request.

A command is `::error file=F,line=N::message`. What is put into it is escaped, so that no file name and no message can
begin a command of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.cases import ERROR, NOTE, WARNING
from runpin.reporting.escaping import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpin.reporting.remarks import Remark, Report

_COMMANDS = {ERROR: "error", WARNING: "warning", NOTE: "notice"}
_IN_MESSAGE = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = _IN_MESSAGE | str.maketrans({":": "%3A", ",": "%2C"})


def github(report: Report, prefix: str = "") -> Iterator[str]:
    """
    Yield one command for each remark.

    Args:
        report: what is wrong.
        prefix: the folder of the config repository in the Git repository, `/` last.
    """
    for remark in report.remarks:
        yield command(_COMMANDS.get(remark.severity, "notice"), remark.sentence, **_properties(remark, prefix))


def command(name: str, message: str, **properties: object) -> str:
    """Return one command; properties that are None are left out."""
    given = ",".join(f"{key}={_escaped(value, _IN_PROPERTY)}" for key, value in properties.items() if value is not None)
    return f"::{name}{' ' if given else ''}{given}::{_escaped(message, _IN_MESSAGE)}"


def _properties(remark: Remark, prefix: str) -> dict[str, object]:
    return {
        "file": f"{prefix}{remark.file}" if remark.file else None,
        "line": remark.line,
        "col": remark.column,
        "title": f"runpin {remark.key or remark.rule}",
    }


def _escaped(text: object, table: dict[int, str]) -> str:
    return visible(text).translate(table)
