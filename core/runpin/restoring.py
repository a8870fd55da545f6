"""
Putting epochs back on record that the ledger has lost.

A run whose pin was lost is put on record again from its first epoch on, for a ledger takes them in their order. Who
knows a later one brings the record there: a host that saw an earlier epoch then finds a later one, as after any switch,
and no contradiction. What the epochs in between named is not known to everybody, so they name what the run has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runpin.errors import EpochConflict

if TYPE_CHECKING:
    from runpin.circuit import Circuit
    from runpin.model import Pin
    from runpin.ports import PinLedger

# A number that was changed on the way must not lead to more writes than any run has switches.
_MOST = 100


def restored(ledger: PinLedger, circuit: Circuit, pin: Pin, read: Pin) -> Pin:
    """
    Return the run's pin after the epochs up to that of *read* are on record again.

    Args:
        ledger: what has lost them.
        circuit: asks it.
        pin: what is on record now, of the same Snapshot.
        read: what this host has seen on record.

    Raises:
        StoreUnavailable
    """
    if read.epoch - pin.epoch > _MOST:
        return pin
    for epoch in range(pin.epoch + 1, read.epoch + 1):
        try:
            pin = circuit.insist(ledger.advance, replace(read, epoch=epoch))
        except EpochConflict:
            # Another process puts them back, too, or moves on; this one sees which when it reads again.
            break
    return pin
