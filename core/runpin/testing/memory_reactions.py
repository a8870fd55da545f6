"""A record of reactions that lives in this process's memory."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock

from runpin.errors import NotFound
from runpin.reactions import Reaction, ReactionKey


class MemoryReactions:
    """Reactions of one process; one lock stands for the database's."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._recorded: dict[ReactionKey, dict[int, Reaction]] = {}

    def newest(self, key: ReactionKey) -> Reaction | None:
        """Return the reaction to the highest revision that is recorded for *key*."""
        with self._lock:
            return self._last(key)

    def begin(self, reaction: Reaction) -> Reaction:
        """Record *reaction* if it comes next, and return the newest one of its key that is recorded then."""
        with self._lock:
            last = self._last(reaction.key)
            if last is not None and (last.outcome is None or last.revision >= reaction.revision):
                return last
            begun = replace(reaction, outcome=None)
            self._recorded.setdefault(reaction.key, {})[reaction.revision] = begun
            return begun

    def end(self, reaction: Reaction, outcome: str) -> Reaction:
        """Record how *reaction* ended unless that is recorded, and return what is recorded."""
        with self._lock:
            held = self._recorded.get(reaction.key, {})
            begun = held.get(reaction.revision)
            if begun is None:
                raise NotFound(f"no reaction to revision {reaction.revision} was begun", where=str(reaction.key))
            if begun.outcome is None:
                held[reaction.revision] = replace(begun, outcome=outcome)
            return held[reaction.revision]

    def _last(self, key: ReactionKey) -> Reaction | None:
        held = self._recorded.get(key, {})
        return held[max(held)] if held else None
