"""What this process knows of its runs' pins, and which run the code that asks belongs to."""

from __future__ import annotations

import os
from collections import OrderedDict
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from runpin.observing.attributes import PROPOSED, SNAPSHOT_ID, STATE, Attributes, attributes, of_run, proposed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpin.model import Pin, RunKey, SnapshotId

Run = tuple[str, str]
"""A run by its job and its id: what engines say of a run in their own telemetry."""

MOST_RUNS = 256
"""Runs that are remembered; a scheduler sees any number of them."""

_LISTED = 8
_UNKNOWN: Attributes = {STATE: PROPOSED}


def run_of(key: RunKey) -> Run:
    """Return the run that *key* names."""
    return key.job, key.run_id


@dataclass(slots=True)
class _OfRun:
    said: dict[str, Attributes] = field(default_factory=dict)
    pins: dict[str, Pin] = field(default_factory=dict)
    depth: int = 0
    decided: bool = False


_NOTHING = _OfRun()


class Sightings:
    """
    The pins of the runs that this process has to do with.

    What was proposed to a run gives way to what was decided. The oldest run is forgotten for a new one.
    """

    def __init__(self, most: int = MOST_RUNS) -> None:
        self._most = most
        self._lock = Lock()
        self._known: OrderedDict[Run, _OfRun] = OrderedDict()
        self._entered: list[Run] = []
        self._here: ContextVar[Run | None] = ContextVar("runpin_observed_run", default=None)

    def saw(self, pin: Pin, depth: int = 0) -> None:
        """Note the *pin* of a run, which is the last of *depth* runs that have started each other, and one more."""
        with self._lock:
            known = self._room_for(run_of(pin.run))
            known.said[pin.scope.application] = attributes(pin)
            known.pins[pin.scope.application] = pin
            known.depth = depth

    def saw_proposed(self, run: Run, snapshots: Iterable[SnapshotId]) -> None:
        """Note what *run* would use by what it carries, as far as its pins are not known."""
        with self._lock:
            known = self._room_for(run).said
            for snapshot in snapshots:
                if known.get(snapshot.application, _UNKNOWN)[STATE] == PROPOSED:
                    known[snapshot.application] = proposed(snapshot)

    def decided(self, run: Run) -> None:
        """Note that this process decided what *run* uses."""
        with self._lock:
            self._room_for(run).decided = True

    def claims(self, run: Run) -> bool:
        """Return whether this process decided what *run* uses, to the first who asks after that."""
        with self._lock:
            held = self._held(run)
            claimed, held.decided = held.decided, False
        return claimed

    def enter(self, run: Run) -> None:
        """Take the code of this context, and of the process unless another run is there too, as that of *run*."""
        self._here.set(run)
        with self._lock:
            self._entered.append(run)

    def leave(self, run: Run) -> None:
        """End what `enter` began."""
        self._here.set(None)
        with self._lock:
            if run in self._entered:
                self._entered.remove(run)

    def here(self) -> Run | None:
        """Return the run that the calling code belongs to: by its context, or else the only one of the process."""
        run = self._here.get()
        if run is not None:
            return run
        entered = set(self._entered)
        return entered.pop() if len(entered) == 1 else None

    def of(self, run: Run | None) -> Attributes:
        """Return what to say of *run*; nothing if none of its pins is known."""
        return of_run(dict(self._held(run).said))

    def pins(self, run: Run) -> tuple[list[Pin], int]:
        """Return the pins of *run* that were decided, and its depth."""
        held = self._held(run)
        return list(held.pins.values()), held.depth

    def label(self, run: Run | None) -> str:
        """Return the snapshot ids of *run* as one text for logs, `""` if none is known."""
        ids = [str(said[SNAPSHOT_ID]) for said in list(self._held(run).said.values())]
        more = [f"+{len(ids) - _LISTED}"] if len(ids) > _LISTED else []
        return " ".join(ids[:_LISTED] + more)

    def clear(self) -> None:
        """Forget everything, as a forked child does."""
        self._lock = Lock()
        self._known, self._entered = OrderedDict(), []
        self._here.set(None)

    def _held(self, run: Run | None) -> _OfRun:
        return self._known.get(run, _NOTHING) if run is not None else _NOTHING

    def _room_for(self, run: Run) -> _OfRun:
        known = self._known.setdefault(run, _OfRun())
        self._known.move_to_end(run)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return known


seen = Sightings()
"""Those of this process."""

# A task of Airflow's LocalExecutor is a fork of the scheduler, whose runs are not its own.
os.register_at_fork(after_in_child=seen.clear)
