"""What a store tells to those who watch it: that something may have changed, not what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """
    A channel of an environment and tenant may have moved, or the environment's quarantine may have changed.

    Whoever is told looks at all of them, which costs one request for each of the two. So nothing is lost when two
    changes arrive as one, in the wrong order, or twice.

    `certain` is false when nothing was told but something may have been missed: at the beginning, and after a
    connection was lost.
    """

    environment: str
    tenant: str | None
    certain: bool = True
