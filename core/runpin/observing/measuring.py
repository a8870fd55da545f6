"""Our own metrics: few, and with labels of which there are never many."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from opentelemetry.metrics import Observation  # noqa: TID253 - only loaded where the host did so before

from runpin.observing.attributes import APPLICATION, ASKED, ENVIRONMENT, SNAPSHOT_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.metrics import CallbackOptions, MeterProvider

    from runpin.model import Pin, Scope
    from runpin.watching import ChannelWatch

OTHER = "_OTHER"
"""What a label says instead of one name too many; no application and no snapshot can be called so."""

MOST_SNAPSHOTS = 50
"""Snapshots that have a series of their own in one process: those that were pinned last."""

MOST_APPLICATIONS = 50
"""Applications that have series of their own in one process: those that came first."""

_MOST_EVER = 300
_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STEPS = {"pin": "Until a run had its pin", "resolve": "Until it was known where a channel stands"}

_Labels = tuple[str, str, str]


class PinCounts:
    """
    How often this process saw a pin of each snapshot first, with the newest snapshots by name.

    The count of a snapshot that gives way goes to `OTHER`, so that no total ever falls. An SDK remembers every series
    that it once had, so that after `ever` snapshots no other one gets a series.
    """

    def __init__(self, most: int = MOST_SNAPSHOTS, ever: int = _MOST_EVER) -> None:
        self._most = most
        self._left = ever
        self._lock = Lock()
        self._named: OrderedDict[_Labels, dict[str, int]] = OrderedDict()
        self._others: dict[_Labels, dict[str, int]] = {}

    def count(self, application: str, environment: str, snapshot: str, asked: str) -> None:
        """Count one more pin."""
        labels = (application, environment, snapshot)
        with self._lock:
            counts = self._counts_of(labels)
            counts[asked] = counts.get(asked, 0) + 1

    def __iter__(self) -> Iterator[tuple[_Labels, str, int]]:
        with self._lock:
            return iter(
                [
                    (labels, asked, number)
                    for series in (self._named, self._others)
                    for labels, counts in series.items()
                    for asked, number in counts.items()
                ]
            )

    def clear(self) -> None:
        """Begin anew, as a forked child does."""
        self._lock = Lock()
        self._named, self._others = OrderedDict(), {}

    def _counts_of(self, labels: _Labels) -> dict[str, int]:
        if labels not in self._named:
            if not self._left:
                return self._other(labels)
            self._left -= 1
            self._named[labels] = {}
        self._named.move_to_end(labels)
        while len(self._named) > self._most:
            oldest, counts = self._named.popitem(last=False)
            others = self._other(oldest)
            for asked, number in counts.items():
                others[asked] = others.get(asked, 0) + number
        return self._named[labels]

    def _other(self, labels: _Labels) -> dict[str, int]:
        return self._others.setdefault((labels[0], labels[1], OTHER), {})


class Meters:
    """
    The instruments of one provider.

    Attributes:
        provider: whose they are.
        watches: the views of channels whose age and lag are measured, with their environments.
    """

    def __init__(self, provider: MeterProvider, name: str, before: Meters | None = None) -> None:
        self.provider = provider
        self.watches: WeakKeyDictionary[ChannelWatch, str] = WeakKeyDictionary() if before is None else before.watches
        self._pins = PinCounts()
        self._applications: set[str] = set()
        meter = provider.get_meter(name)
        self._durations = {
            what: meter.create_histogram(
                f"runpin.{what}.duration", "s", meaning, explicit_bucket_boundaries_advisory=_BOUNDS
            )
            for what, meaning in _STEPS.items()
        }
        self._errors = meter.create_counter("runpin.errors", "{error}", "Steps that ended with an error")
        meter.create_observable_counter(
            "runpin.pins", [self._counted], "{pin}", "Pins that a process saw for the first time"
        )
        meter.create_observable_gauge("runpin.cache.age", [self._ages], "s", "Age of the view of the channels")
        meter.create_observable_gauge(
            "runpin.watch.lag", [self._lags], "s", "From the last move of a channel to the moment it was seen"
        )

    def forked(self) -> None:
        """Forget what the parent has counted and looked at; the instruments are those of the child as well."""
        self._pins.clear()
        self.watches.clear()

    def pinned(self, pin: Pin) -> None:
        """Count a pin that this process sees for the first time."""
        application = self._application(pin.scope.application)
        snapshot = OTHER if application == OTHER else str(pin.snapshot)
        self._pins.count(application, pin.scope.environment, snapshot, str(pin.asked))

    def took(self, what: str, scope: Scope, seconds: float, fault: str | None, *, stale: bool | None) -> None:
        """Measure a step, and count it when it ended with an error."""
        labels: dict[str, str | bool] = {
            APPLICATION: self._application(scope.application),
            ENVIRONMENT: scope.environment,
        }
        if fault is not None:
            labels["error.type"] = fault
            self._errors.add(1, {**labels, "runpin.step": what})
        if stale is not None:
            labels["config.stale"] = stale
        self._durations[what].record(seconds, labels)

    def _application(self, name: str) -> str:
        if name in self._applications:
            return name
        if len(self._applications) >= MOST_APPLICATIONS:
            return OTHER
        self._applications.add(name)
        return name

    def _counted(self, _: CallbackOptions) -> Iterator[Observation]:
        for (application, environment, snapshot), asked, number in self._pins:
            labels = {APPLICATION: application, ENVIRONMENT: environment, SNAPSHOT_ID: snapshot, ASKED: asked}
            yield Observation(number, labels)

    def _ages(self, _: CallbackOptions) -> Iterator[Observation]:
        yield from _worst((environment, watch.age) for watch, environment in list(self.watches.items()))

    def _lags(self, _: CallbackOptions) -> Iterator[Observation]:
        yield from _worst((environment, watch.lag) for watch, environment in list(self.watches.items()))


def _worst(measured: Iterable[tuple[str, float | None]]) -> Iterator[Observation]:
    # Several cores of one process may look at one environment.
    worst: dict[str, float] = {}
    for environment, seconds in measured:
        if seconds is not None:
            worst[environment] = max(seconds, worst.get(environment, 0.0))
    for environment, seconds in worst.items():
        yield Observation(seconds, {ENVIRONMENT: environment})
