"""Jobs for a sandbox's child that use processor time, for tests of its limits."""

from __future__ import annotations

from collections.abc import Sequence
from time import process_time
from typing import Any

from runpin.sandbox.worker import Desk


def spin(desk: Desk, given: Sequence[Any], _: Sequence[bytes]) -> tuple[Any, Sequence[bytes]]:
    """Compute for so many seconds at each place of *given*, pairs of both."""
    for place, seconds in given:
        desk.at(place)
        until = process_time() + seconds
        while process_time() < until:
            pass
    return "done", ()
