"""`runpin store`: the database itself."""

from __future__ import annotations

import typer

from runpin.cli.options import AsJson, opened
from runpin.cli.printing import emit, say

store = typer.Typer(help="Look after the database of store and ledger.")


@store.command("upgrade")
def upgrade(*, as_json: AsJson = False) -> None:
    """
    Make the tables, or bring them up to date.

    Needed only where RUNPIN_STORE_UPGRADE is false; processes of older releases go on.
    """
    from runpin.database.engine import Database
    from runpin.database.schema import SCHEMA_VERSION

    with opened() as core:
        url = core.settings.store_url.get_secret_value()
        with Database.open(url, clock=core.clock, upgrade=True) as database:
            database.ready()
            where = database.where
    if as_json:
        emit({"store": where, "schema_version": SCHEMA_VERSION})
    else:
        say(f"The tables in {where} have version {SCHEMA_VERSION}.", style="green")
