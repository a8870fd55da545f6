"""What a backend can do and what it cannot, said by the adapter before anybody tries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """
    How backends differ.

    Attributes:
        pins: it can be the ledger: a write-once register that is linearizable, fenced by the quarantine.
        pushes: it tells of changes within a second; otherwise watchers ask at an interval.
        fresh: what one process wrote, every other one reads at once.
        local: it is a file on this host, so no call waits for a network.
    """

    pins: bool
    pushes: bool
    fresh: bool
    local: bool
