"""`runpin store`: the database itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

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


@store.command("roles")
def roles(
    *,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="NAME", help="Begins the roles' names: one for each deployment.")
    ] = "runpin",
    schema: Annotated[str, typer.Option("--schema", metavar="NAME", help="Holds the tables.")] = "public",
    as_json: AsJson = False,
) -> None:
    """
    Print the SQL that makes PostgreSQL's roles, with no more rights than each needs.

    Nothing is contacted: read it, then let psql run it as whoever owns the tables, after each upgrade.
    """
    from runpin.database.roles import Role, roles_sql

    sql = roles_sql(prefix, schema)
    if as_json:
        emit({"roles": [f"{prefix}_{role}" for role in Role], "sql": sql})
    else:
        # Not for people's eyes alone: a console would break its lines.
        sys.stdout.write(sql)


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
