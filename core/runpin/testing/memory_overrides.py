"""A record of Overrides that lives in this process's memory."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock

from runpin.errors import Conflict, NotFound
from runpin.model import RunKey, Scope
from runpin.overrides import Override


class MemoryOverrides:
    """Overrides of one process; one lock stands for the database's."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._recorded: dict[tuple[RunKey, Scope], list[Override]] = {}

    def newest(self, run: RunKey, scope: Scope) -> Override | None:
        """Return the newest wish that is recorded for *run*, waiting or ended."""
        with self._lock:
            held = self._recorded.get((run, scope))
            return held[-1] if held else None

    def record(self, override: Override) -> Override:
        """Record *override*, which waits from now on, and return it; one that waited before ends as replaced."""
        given = replace(override, outcome=None)
        with self._lock:
            held = self._recorded.setdefault((override.run, override.scope), [])
            if 1 <= given.number <= len(held) and replace(held[given.number - 1], outcome=None) == given:
                return held[given.number - 1]
            if given.number != len(held) + 1:
                raise Conflict(f"the next override of this run is number {len(held) + 1}", where=str(override.run))
            if held and held[-1].outcome is None:
                held[-1] = replace(held[-1], outcome=f"replaced by number {given.number}")
            held.append(given)
            return given

    def end(self, override: Override, outcome: str) -> Override:
        """Record how *override* ended unless that is recorded, and return what is recorded."""
        with self._lock:
            held = self._recorded.get((override.run, override.scope), [])
            if not 1 <= override.number <= len(held):
                raise NotFound(f"no override number {override.number} was recorded", where=str(override.run))
            place = override.number - 1
            if held[place].outcome is None:
                held[place] = replace(held[place], outcome=outcome)
            return held[place]
