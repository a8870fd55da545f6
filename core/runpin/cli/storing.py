"""`runpin store`: the database itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from runpin.cli.options import AsJson, opened
from runpin.cli.printing import emit, say

if TYPE_CHECKING:
    from runpin.assembly import Runpin

store = typer.Typer(help="Look after the database of store and ledger.")


@store.command("upgrade")
def upgrade(*, as_json: AsJson = False) -> None:
    """
    Make the tables, or bring them up to date.

    Needed only where RUNPIN_STORE_UPGRADE is false; processes of older releases go on.
    """
    with opened() as core:
        where, version = _upgraded(core)
    if as_json:
        emit({"store": where, "schema_version": version})
    elif version is None:
        say(f"{where} has no tables, so there is nothing to do.")
    else:
        say(f"The tables in {where} have version {version}.", style="green")


def _upgraded(core: Runpin) -> tuple[str, str | None]:
    """Bring the tables up to date; return where the store is, and their version if it has any."""
    from runpin.backends import EtcdBackend, ledger_of
    from runpin.database.engine import Database
    from runpin.database.schema import SCHEMA_VERSION

    holder = ledger_of(core.backend)
    if isinstance(holder, EtcdBackend):
        return holder.cluster.where, None
    url = core.settings.ledger_url.get_secret_value()
    with Database.open(url, clock=core.clock, upgrade=True) as database:
        database.ready()
        return database.where, SCHEMA_VERSION
