"""Which run started another one and handed its pins on, and how many in a row have done that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runpin.errors import InvalidProposal

DEEPEST = 16
"""How many runs in a row may start each other and hand their pins on; more than that is taken for a loop."""

LONGEST = 1_024
"""Characters of each text."""


@dataclass(frozen=True, slots=True)
class Parent:
    """
    The run that started another one.

    Attributes:
        run: which one, as text for people.
        environment: of its pins; empty if it did not say.
        tenant: of its pins.
        depth: how many runs in a row have started each other, 1 for the child of a run that no other run started.
    """

    run: str = ""
    environment: str = ""
    tenant: str | None = None
    depth: int = 1

    def as_json(self) -> dict[str, Any]:
        """Return the form that `read_parent` reads."""
        return {"run": self.run, "environment": self.environment, "tenant": self.tenant, "depth": self.depth}

    def elsewhere(self, environment: str, tenant: str | None) -> bool:
        """Tell whether its pins are of another environment or tenant than these."""
        return bool(self.environment) and (self.environment, self.tenant) != (environment, tenant)


def read_parent(carried: object) -> Parent | None:
    """
    Return the parent that a run carries, None if it carries none.

    Raises:
        InvalidProposal: it cannot be read, or more than `DEEPEST` runs in a row have started each other.
    """
    if carried is None:
        return None
    if not isinstance(carried, Mapping):
        raise _unreadable("it is not a mapping")
    texts = [carried.get(key) or "" for key in ("run", "environment", "tenant")]
    # Adapters write it back, and PostgreSQL refuses a NUL.
    if not all(isinstance(text, str) and len(text) <= LONGEST and "\0" not in text for text in texts):
        raise _unreadable("'run', 'environment' and 'tenant' are not short texts")
    depth = carried.get("depth", 1)
    if type(depth) is not int or depth < 1:
        raise _unreadable("'depth' is not a number of runs")
    parent = Parent(texts[0], texts[1], texts[2] or None, depth)
    if depth > DEEPEST:
        raise _looping(parent)
    return parent


def _unreadable(why: str) -> InvalidProposal:
    return InvalidProposal(
        f"the run carries a parent that cannot be read: {why}",
        where="the run's parameters, key 'parent' below 'runpin'",
        fix="let `inherit` write it, or leave the key out",
    )


def _looping(parent: Parent) -> InvalidProposal:
    return InvalidProposal(
        f"more than {DEEPEST} runs in a row have started each other and handed their pins on, as in a loop",
        where=f"the run {parent.run[:200]!r} started this one, number {parent.depth} in a row",
        fix="let one of them start its run without handing its pins on: that one begins with the channel's snapshot",
    )
