"""
Laying one document over another by the rules of RFC 7396 (JSON merge patch), lines included.

A null removes a key, mappings merge, and everything else, lists too, replaces what was there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runpin.model import Origin
from runpin.parsing import Parsed
from runpin.parsing.pointers import child


def merge(base: Parsed, overlay: Parsed) -> Parsed:
    """
    Return *base* with *overlay* laid over it; neither is changed.

    What the overlay sets has the overlay's file and line; what it leaves alone keeps its own.
    A mapping that both hold keeps the base's.
    """
    merger = _Merger(base.origins, overlay.origins, {"": base.origins[""]})
    return Parsed(merger.merge(base.value, overlay.value, ""), merger.merged)


@dataclass(frozen=True, slots=True)
class _Merger:
    base: Mapping[str, Origin]
    overlay: Mapping[str, Origin]
    merged: dict[str, Origin] = field(default_factory=dict)

    def merge(self, base: Mapping[str, Any], changes: Mapping[str, Any], pointer: str) -> dict[str, Any]:
        """Merge two mappings that both stand at *pointer*, whose own origin is settled."""
        result = {}
        for key, item in base.items():
            if key not in changes:
                result[key] = self._keep(item, child(pointer, key), self.base)
        for key, change in changes.items():
            at = child(pointer, key)
            if change is None:
                continue
            if isinstance(change, dict):
                present = base.get(key)
                below, origins = (present, self.base) if isinstance(present, dict) else ({}, self.overlay)
                self.merged[at] = origins[at]
                result[key] = self.merge(below, change, at)
            else:
                result[key] = self._keep(change, at, self.overlay)
        return result

    def _keep(self, value: Any, pointer: str, origins: Mapping[str, Origin]) -> Any:
        """Take over *value*, and the origin of everything in it."""
        self.merged[pointer] = origins[pointer]
        if isinstance(value, dict):
            return {key: self._keep(item, child(pointer, key), origins) for key, item in value.items()}
        if isinstance(value, list):
            return [self._keep(item, child(pointer, index), origins) for index, item in enumerate(value)]
        return value
