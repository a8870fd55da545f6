"""
The command line: `runpin`.

Every command answers in text for people, or with `--json` in one JSON document for programs.
docs/reference/cli.md lists the commands, their answers and the exit codes.
"""

from __future__ import annotations

from typing import Annotated

import typer

from runpin.cli.auditing import audit
from runpin.cli.caching import cache
from runpin.cli.differing import diff
from runpin.cli.doctor import doctor
from runpin.cli.edge import USAGE, Commands
from runpin.cli.explaining import explain
from runpin.cli.impact import impact
from runpin.cli.looking import history, pins, show
from runpin.cli.mirroring import mirror
from runpin.cli.moving import channel, quarantine, rollback
from runpin.cli.overriding import override
from runpin.cli.releasing import publish
from runpin.cli.starting import init
from runpin.cli.status import status
from runpin.cli.storing import store
from runpin.cli.validating import validate

__all__ = ["app", "main"]

app = typer.Typer(
    name="runpin",
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command that the process was started with."""
    app()


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - the signature is Typer's
    if wanted:
        from runpin import __version__

        typer.echo(f"runpin {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - its callback has answered already
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Configuration for runs: publish it from Git, see what runs use, go back."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(USAGE)


_WRITE = "Write configuration"
_RELEASE = "Decide what new runs get"
_LOOK = "Look"
_HOST = "Look after"

app.command(rich_help_panel=_WRITE)(init)
app.command(rich_help_panel=_WRITE)(validate)
app.command(rich_help_panel=_WRITE)(explain)
app.command(rich_help_panel=_RELEASE)(publish)
app.command(rich_help_panel=_RELEASE)(rollback)
app.command(rich_help_panel=_RELEASE)(override)
app.add_typer(channel, name="channel", rich_help_panel=_RELEASE)
app.add_typer(quarantine, name="quarantine", rich_help_panel=_RELEASE)
app.add_typer(mirror, name="mirror", rich_help_panel=_RELEASE)
app.command(rich_help_panel=_LOOK)(status)
app.command(rich_help_panel=_LOOK)(show)
app.command(rich_help_panel=_LOOK)(diff)
app.command(rich_help_panel=_LOOK)(history)
app.command(rich_help_panel=_LOOK)(pins)
app.command(rich_help_panel=_LOOK)(impact)
app.command(rich_help_panel=_LOOK)(audit)
app.command(rich_help_panel=_HOST)(doctor)
app.add_typer(store, name="store", rich_help_panel=_HOST)
app.add_typer(cache, name="cache", rich_help_panel=_HOST)
