"""`runpin cache`: what this host remembers."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from runpin.cli.options import AsJson, opened
from runpin.cli.printing import emit, say

cache = typer.Typer(help="Look after what this host remembers.")


@cache.command("prune")
def prune(
    *,
    unused_for: Annotated[
        float, typer.Option("--unused-for", metavar="DAYS", min=1, help="Remove what nobody read or wrote for so long.")
    ] = 30,
    as_json: AsJson = False,
) -> None:
    """
    Remove from the local cache what nobody has used for a while.

    What runs read again comes from the store; while that is away, what is removed here is not to be had.
    """
    with opened() as core:
        core.cache.check()
        removed = core.cache.prune(timedelta(days=unused_for))
        where = str(core.settings.cache_folder)
    if as_json:
        emit({"cache": where, "removed": removed})
    else:
        say(f"Removed {removed} files from {where}.")
