"""What somebody who wrote an unknown name probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_COMPARED = 1000
_LISTED = 12
_PATIENCE = 100_000


class Guesses:
    """
    What somebody meant by the unknown names of one document.

    Comparing takes time. Who has thousands of names to mend reads no advice for each, so that after some there is none.
    """

    def __init__(self) -> None:
        self._left = _PATIENCE

    def nearest(self, name: str, known: Iterable[str]) -> str | None:
        """Return what `nearest` does, or None after many names."""
        if self._left <= 0:
            return None
        names = list(islice(known, _COMPARED))
        self._left -= len(names)
        return nearest(name, names)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like *name*, if one looks like it at all."""
    matches = get_close_matches(name[:200], islice(known, _COMPARED), n=1)
    return matches[0] if matches else None


def advice(name: str, known: Iterable[str]) -> str:
    """Return the sentence that leads from the unknown *name* to the *known* ones."""
    names = sorted(known)
    if not names:
        return "none is known here"
    listed = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
    match = nearest(name, names)
    return f"did you mean {match!r}? known: {listed}" if match else f"known: {listed}"
