"""Trying again while others are faster, until the call is over."""

from __future__ import annotations

from collections.abc import Callable
from random import uniform
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from runpin.errors import StoreUnavailable

if TYPE_CHECKING:
    from runpin.ports import Clock

T = TypeVar("T")

# Their number ends the attempts even under a clock that stands still.
_ROUNDS = 200


def until_done(step: Callable[[], T | None], clock: Clock, ends: float, where: str, apart: float) -> T:
    """
    Return what *step* returns, as soon as that is not None.

    A step reads, and then writes on condition that nothing has changed; None means that something had.

    Args:
        step: what is tried.
        clock: measures the call.
        ends: when the call is over, in the clock's monotonic seconds.
        where: the server, for the error.
        apart: at most so many seconds lie between two tries.

    Raises:
        StoreUnavailable: there was always somebody faster.
    """
    for _ in range(_ROUNDS):
        done = step()
        if done is not None:
            return done
        if clock.monotonic() >= ends:
            break
        Event().wait(uniform(0, apart))  # noqa: S311 - spreads attempts, keeps no secret
    raise StoreUnavailable("others changed the same record all the time", where=where, fix="try again in a while")
