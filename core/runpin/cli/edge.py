"""
The outermost edge: whatever happens in a command becomes one message and one exit code.

With `--json` the message is `{"error": {...}}` on stdout, where the result would have been; else text on stderr.
"""

from __future__ import annotations

import os
import sys
import traceback
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.core import TyperGroup

from runpin.cli.printing import alike, complain, emit
from runpin.cli.shapes import finding_shape
from runpin.errors import RunpinError, ValidationFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

DEBUG = "RUNPIN_DEBUG"

USAGE = 2
FAULT = 70
INTERRUPTED = 130

# Typer names this class by its children only, and has moved it between releases.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


class Commands(TyperGroup):
    """The commands, and the one place where their errors end."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002, ARG002 - the signature is Typer's
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002 - the signature is Typer's
        **extra: Any,
    ) -> NoReturn:
        """Run one command and end the process with its exit code."""
        given = list(sys.argv[1:] if args is None else args)
        _never_fail_to_print()
        report = _Report(as_json=_wants_json(given))
        try:
            ended = super().main(given, prog_name or "runpin", complete_var, False, windows_expand_args, **extra)  # noqa: FBT003 - as above
            code = ended if isinstance(ended, int) else 0
            if code == INTERRUPTED:
                report.interrupted()
        except RunpinError as error:
            code = report.error(error)
        except _UsageError as error:
            code = report.usage(error)
        except (typer.Abort, KeyboardInterrupt):
            code = report.interrupted()
        except Exception as error:  # noqa: BLE001 - a fault of ours is told in a sentence; people do not read tracebacks
            code = report.fault(error)
        sys.exit(code)


class _Report:
    """Tells about errors, and returns the exit code of each."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def error(self, error: RunpinError) -> int:
        findings = error.findings if isinstance(error, ValidationFailed) else ()
        self._tell(
            type(error).__name__,
            error.what,
            error.where,
            error.fix,
            retryable=error.retryable,
            findings=[finding_shape(finding) for finding in findings],
        )
        return error.exit_code

    def usage(self, error: Any) -> int:
        command = error.ctx.command_path if error.ctx else "runpin"
        what = str(error.format_message()).rstrip(".")
        self._tell("UsageError", what, None, f"`{command} --help` shows what it takes")
        return USAGE

    def interrupted(self) -> int:
        self._tell("Interrupted", "stopped by Ctrl-C", None, "the same command can be run again")
        return INTERRUPTED

    def fault(self, error: Exception) -> int:
        if os.environ.get(DEBUG):
            traceback.print_exception(error)
        # The text of a foreign error may hold a value.
        what = f"runpin met a fault of its own, {type(error).__name__}, and stopped"
        self._tell("InternalError", what, None, f"set {DEBUG}=1 and run it again to see the traceback, and report it")
        return FAULT

    def _tell(
        self,
        kind: str,
        what: str,
        where: str | None,
        fix: str | None,
        *,
        retryable: bool = False,
        findings: Sequence[dict[str, Any]] = (),
    ) -> None:
        if self._as_json:
            told = {"kind": kind, "what": what, "where": where, "fix": fix, "retryable": retryable}
            emit({"error": {**told, "findings": list(findings)}})
            return
        complain(what, [("where", where), ("fix", fix)])
        alike(findings)


def _wants_json(given: Sequence[str]) -> bool:
    return not {"--json", "--format=json"}.isdisjoint(given) or ("--format", "json") in pairwise(given)


def _never_fail_to_print() -> None:
    # A terminal or pipe of another encoding gets an escape for what it cannot show.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
