"""One disagreement between a document and the class it is read with, and where in the document it is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_LONGEST = 120
_MOST = 12


@dataclass(frozen=True, slots=True)
class Problem:
    """
    Something that is wrong at one place of a document.

    Attributes:
        path: the keys and indices that lead there, as they are written in the document.
        rule: what is broken, in the words of the schema's language.
        message: what was expected; never what was found.
    """

    path: tuple[str | int, ...]
    rule: str
    message: str
    fix: str | None = None


def shown(value: Any) -> str:
    """Return a value of a schema for print, cut where it gets long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def listed(values: Iterable[str]) -> str:
    """Return some names of a schema for print."""
    names = list(values)
    return ", ".join(map(shown, names[:_MOST])) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
