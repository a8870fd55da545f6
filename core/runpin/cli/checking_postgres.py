"""What `runpin doctor` looks at in a PostgreSQL server: whether it keeps what it acknowledged, and who we are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.cli.checks import Check, doubtful, fine

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names")
_OWNER = "SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class WHERE oid = 'runpin_pin'::regclass"
_STANDBYS = "SELECT count(*) FROM pg_stat_replication"
_PAGE = "see docs/how-to/postgresql.md"


def server_checks(connection: sa.Connection, *, upgrade: bool) -> Iterator[Check]:
    """Look at the server's settings and at the user's rights; *upgrade* says whether the user makes the tables."""
    shown = {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in _SETTINGS}
    yield _durability(shown, standbys=bool(connection.exec_driver_sql(_STANDBYS).scalar()))
    if not upgrade and connection.exec_driver_sql(_OWNER).scalar():
        yield doubtful(
            "rights",
            "this user owns the tables or is a superuser, so it may rewrite pins, although it is not to upgrade them",
            "use a login with the role reader, runner or publisher; `runpin store roles` prints the SQL that makes it",
        )


def _durability(shown: dict[str, object], *, standbys: bool) -> Check:
    off = [name for name in ("fsync", "full_page_writes", "synchronous_commit") if shown[name] == "off"]
    if off:
        what = f"{' and '.join(off)} {'is' if len(off) == 1 else 'are'} off: a crash of the server can lose pins"
        return doubtful("durability", what, "switch them on for this database; the pins of running runs depend on it")
    if standbys and not (shown["synchronous_standby_names"] and shown["synchronous_commit"] != "local"):
        what = "the server has a standby and does not wait for it: a failover can lose pins that were acknowledged"
        return doubtful("durability", what, f"set synchronous_standby_names and synchronous_commit = on; {_PAGE}")
    waits = f", waits for {shown['synchronous_standby_names']}" if standbys else ""
    return fine("durability", f"synchronous_commit {shown['synchronous_commit']}{waits}")
