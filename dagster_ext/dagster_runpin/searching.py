"""Finding runs by the snapshot they show."""

from __future__ import annotations

from urllib.parse import quote

import dagster as dg  # noqa: TID253 - whoever imports this asks Dagster

from dagster_runpin import tags
from runpin.model import SnapshotId


def runs_filter(snapshot: SnapshotId | str) -> dg.RunsFilter:
    """
    Return the filter for the runs that show *snapshot*.

        instance.get_runs(runs_filter("payments.prod.v42.3f9a1c2b7d10"))

    The tags of runs are labels; what decides is the ledger, which `runpin pins --snapshot` asks.

    Raises:
        UnknownSnapshot: *snapshot* is not the id of any snapshot that could exist.
    """
    wanted = _parsed(snapshot)
    return dg.RunsFilter(tags={tags.label(wanted.application): str(wanted)})


def runs_url(base: str, snapshot: SnapshotId | str) -> str:
    """
    Return the address of Dagster's page of the runs that show *snapshot*.

    Runs of backfills are listed there once "Show runs within backfills" is on.

    Args:
        base: where the web server is, for example `https://dagster.example.org`.
        snapshot: an id, or its text.

    Raises:
        UnknownSnapshot: *snapshot* is not the id of any snapshot that could exist.
    """
    wanted = _parsed(snapshot)
    query = f"tag:{tags.label(wanted.application)}={wanted}"
    return f"{base.rstrip('/')}/runs?{quote('q[0]')}={quote(query, safe='')}"


def _parsed(snapshot: SnapshotId | str) -> SnapshotId:
    return SnapshotId.parse(str(snapshot))
