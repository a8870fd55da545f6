"""What this host knows about the pins of runs, for the time when the ledger cannot be asked."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from runpin.model import Asked, Pin, RunKey, Scope, SnapshotId, as_digest

if TYPE_CHECKING:
    from runpin.ports import Cache


class PinNotes:
    """One note for each run and scope in the host's cache; a cache may forget, so an answer may be missing."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def remember(self, pin: Pin) -> None:
        """Keep *pin* as what this host knows about its run."""
        self._cache.remember("pin", _key(pin.run, pin.scope), _write(pin))

    def recall(self, run: RunKey, scope: Scope) -> Pin | None:
        """Return the newest pin of *run* that this host has seen, confirmed or not."""
        note = self._cache.recall("pin", _key(run, scope))
        return None if note is None else _read(note, run, scope)


def _key(run: RunKey, scope: Scope) -> str:
    return f"{run.digest}/{scope}"


def _write(pin: Pin) -> bytes:
    note = {
        "snapshot": str(pin.snapshot),
        "digest": pin.digest,
        "at": pin.at.isoformat(),
        "epoch": pin.epoch,
        "channel": pin.channel,
        "revision": pin.revision,
        "asked": str(pin.asked),
        "confirmed": pin.confirmed,
    }
    return json.dumps(note, sort_keys=True).encode()


def _read(note: bytes, run: RunKey, scope: Scope) -> Pin:
    content = json.loads(note)
    return Pin(
        run=run,
        scope=scope,
        snapshot=SnapshotId.parse(content["snapshot"]),
        digest=as_digest(content["digest"]),
        at=datetime.fromisoformat(content["at"]),
        epoch=content["epoch"],
        channel=content["channel"],
        revision=content["revision"],
        asked=Asked(content["asked"]),
        confirmed=content["confirmed"],
    )
