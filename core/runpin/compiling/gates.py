"""
What the manifest says about gates: which policies there are, and how strict each gate is at which point.

    policies = ["policies/*.yaml"]

    [gates]
    growth = "warn"
    size = { mode = { commit = "warn", publish = "deny" }, documents = 50 }
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runpin.cases import Enforcement, EnforcementMode, EnforcementPoint
from runpin.compiling.tables import Table
from runpin.model import Origin
from runpin.parsing.nearest import advice

_MODES = tuple(map(str, EnforcementMode))
_POINTS = tuple(map(str, EnforcementPoint))


@dataclass(frozen=True, slots=True)
class Modes:
    """
    What is said about strictness: nothing, one mode, or the mode at single points.

    Attributes:
        everywhere: the mode at all points; None if nothing is said.
        at: the mode at single points.
    """

    everywhere: EnforcementMode | None = None
    at: Mapping[EnforcementPoint, EnforcementMode] = field(default_factory=dict)

    def over(self, own: EnforcementMode) -> Enforcement:
        """Return the mode at every point, where nothing is said the gate's *own*."""
        return Enforcement(self.everywhere or own, self.at)


@dataclass(frozen=True, slots=True)
class DeclaredGate:
    """
    A gate as the manifest sets it up.

    Attributes:
        modes: how strict it is, where the manifest says so.
        options: everything else that it says, for the gate to understand.
        origin: where it says so.
    """

    name: str
    modes: Modes
    options: Mapping[str, Any]
    origin: Origin | None = field(default=None, compare=False)


def declared_gates(table: Table) -> dict[str, DeclaredGate]:
    """
    Return the gates that the table `gates` of the manifest names.

    Raises:
        ManifestError: a mode or a point is none.
    """
    return {name: _gate(table, name) for name in table.value}


def modes_of(table: Table, key: str) -> Modes:
    """
    Return what *key* says about strictness; nothing if there is no such key.

    Raises:
        ManifestError: it names no mode, or no point.
    """
    value = table.value.get(key)
    if isinstance(value, dict):
        points = table.table(key)
        points.only(*_POINTS)
        return Modes(at={EnforcementPoint(point): _mode(points, point) for point in points.value})
    return Modes() if value is None else Modes(_mode(table, key))


def _gate(table: Table, name: str) -> DeclaredGate:
    if not isinstance(table.value[name], dict):
        return DeclaredGate(name, modes_of(table, name), {}, table.origin(name))
    below = table.table(name)
    options = {key: value for key, value in below.value.items() if key != "mode"}
    return DeclaredGate(name, modes_of(below, "mode"), options, table.origin(name))


def _mode(table: Table, key: str) -> EnforcementMode:
    value = table.value[key]
    if not isinstance(value, str) or value not in _MODES:
        shown = value[:80] if isinstance(value, str) else type(value).__name__
        raise table.error(key, f"{shown!r} is no mode of a gate", advice(str(shown), _MODES))
    return EnforcementMode(value)
