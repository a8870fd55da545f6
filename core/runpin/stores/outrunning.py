"""What every store that follows another one has to refuse, and when it stays where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.errors import StoreCorrupt

if TYPE_CHECKING:
    from runpin.model import Channel, SnapshotId

_FIX = "only one store decides, and nobody publishes to the others; begin this one anew, empty, if it was used before"


def outrun(standing: Channel | None, asked: Channel, where: str) -> Channel | None:
    """
    Return where a channel stays, because it is at the revision of *asked* or beyond it; None if it has to follow.

    Raises:
        StoreCorrupt: it stands at this very revision with another snapshot.
    """
    if standing is None or standing.revision < asked.revision:
        return None
    if standing.revision == asked.revision and (standing.snapshot, standing.digest) != (asked.snapshot, asked.digest):
        raise StoreCorrupt(
            f"channel {asked.name!r} of {asked.scope} is at revision {asked.revision} here too, "
            f"but names {standing.snapshot} and not {asked.snapshot}",
            where=where,
            fix=_FIX,
        )
    return standing


def taken(snapshot: SnapshotId, where: str) -> StoreCorrupt:
    """Return the error about a number, or a content, that was published here without the store that decides."""
    what = f"{snapshot} cannot be listed: its number is another snapshot's here, or its content has another number"
    return StoreCorrupt(what, where=where, fix=_FIX)
