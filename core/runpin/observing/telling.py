"""
Where the core says what happens: a pin is seen, a step took its time, a run begins and ends, a channel was looked at.

Somebody listens only where the process has set OpenTelemetry up by itself; runpin never imports it first. Nothing here
raises, and hot reads do not come by.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, Self

from runpin.observing.logs import mark_records
from runpin.observing.sightings import Run, run_of, seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from opentelemetry.trace import Span

    from runpin.model import Pin, Scope, SnapshotId
    from runpin.observing.recording import Recorder
    from runpin.watching import ChannelWatch

_log = logging.getLogger("runpin.observing")

_switched_off = os.environ.get("RUNPIN_TELEMETRY", "").strip().lower() in {"0", "false", "no", "off", "f", "n"}
_followers: list[Callable[[Run], None]] = []


class Step(Protocol):
    """Something that takes its time: `runpin.pin` or `runpin.resolve`."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End, with or without an error."""
        ...

    def got(self, **said: Any) -> None:
        """Say what came of it."""
        ...


class _Unobserved:
    """A step that nobody looks at."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def got(self, **_: Any) -> None:
        pass


_UNOBSERVED = _Unobserved()


def switch(*, on: bool) -> None:
    """Let this process tell, or not."""
    global _switched_off  # noqa: PLW0603 - a switch of the process
    _switched_off = not on


def current_span() -> Span | None:
    """Return the span in which something may be told; None where nobody traces, or this process does not tell."""
    trace = sys.modules.get("opentelemetry.trace")
    return None if trace is None or _switched_off else trace.get_current_span()


def step(what: str, scope: Scope) -> Step:
    """Return what measures one step; it costs nothing where nobody looks."""
    recorder = _recorder()
    return _UNOBSERVED if recorder is None else recorder.step(what, scope)


def tell(pin: Pin, depth: int = 0) -> None:
    """
    Say that this process sees the *pin* of a run for the first time, or after a switch.

    Args:
        pin: what the run uses.
        depth: how many runs before this one have started each other.
    """
    if _switched_off:
        return
    seen.saw(pin, depth)
    _say_anew(run_of(pin.run))
    recorder = _recorder()
    if recorder is not None:
        recorder.pinned(pin)


def decided(pin: Pin) -> None:
    """Say that this process decided what a run uses: it did not find the *pin* on record. `tell` follows."""
    if not _switched_off:
        seen.decided(run_of(pin.run))


def entered(run: Run, proposed: Iterable[SnapshotId] = (), *, mark: bool = True) -> None:
    """
    Say that the code of this context belongs to *run* from now on.

    Args:
        run: which one.
        proposed: the snapshots that it carries.
        mark: let log records name its snapshots; False where the engine does that by itself.
    """
    if _switched_off:
        return
    if mark:
        mark_records()
    seen.saw_proposed(run, proposed)
    seen.enter(run)
    _recorder()
    _say_anew(run)


def left(run: Run) -> None:
    """Say that the code of this context does not belong to *run* any longer."""
    if seen.here() == run:
        recorder = _recorder()
        if recorder is not None:
            recorder.left(run)
    seen.leave(run)


def looked(watch: ChannelWatch, environment: str) -> None:
    """Say that *watch* looked at the channels of *environment*, or tried to."""
    recorder = _recorder()
    if recorder is not None:
        recorder.looked(watch, environment)


def follow(follower: Callable[[Run], None]) -> Callable[[], None]:
    """Call *follower* whenever something new is known of a run, until the answer is called."""
    _followers.append(follower)

    def unfollow() -> None:
        with suppress(ValueError):
            _followers.remove(follower)

    return unfollow


def attach() -> None:
    """Look for an OpenTelemetry that this process has set up, and listen for it; fine when there is none."""
    _recorder()


def _say_anew(run: Run) -> None:
    for follower in tuple(_followers):
        try:
            follower(run)
        except Exception:  # noqa: BLE001 - telemetry must not keep a run from its configuration
            _log.debug("a follower of pins failed", exc_info=True)


def _recorder() -> Recorder | None:
    # Whoever configures an SDK has imported the API, so that there is nothing to import where it is not used.
    if _switched_off or not ("opentelemetry.trace" in sys.modules or "opentelemetry.metrics" in sys.modules):
        return None
    try:
        from runpin.observing.recording import recorder

        return recorder()
    except Exception:  # noqa: BLE001 - as above
        _log.debug("telemetry cannot be recorded", exc_info=True)
        return None
