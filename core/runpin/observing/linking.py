"""What the runs used that a run follows from, without using it itself: those that made the assets that started it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.observing.attributes import MOST_NAMED
from runpin.observing.telling import current_span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpin.model import Pin

LINKS = "config.links"
"""A Snapshot's id and the run that used it, for each; a link of spans needs the other trace, which is unknown."""


def link(pins: Sequence[Pin]) -> None:
    """Let the current span say what other runs used; nothing where nobody traces."""
    span = current_span()
    if span is not None and pins:
        said = [f"{pin.snapshot} {pin.run.job}/{pin.run.run_id}" for pin in pins[:MOST_NAMED]]
        span.set_attribute(LINKS, said)
