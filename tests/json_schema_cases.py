"""
What each keyword of JSON Schema means, as documents that fit a schema and documents that do not.

The cases are in the JSON file beside this one, in the form of the official test suite: groups of a schema and values.
All of them were written for this project. A value stands below the key `v` when it is judged, because a document is
always a mapping.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DRAFTS = {
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
    "2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft-07": "http://json-schema.org/draft-07/schema#",
}
"""The drafts that are known, by the names that the cases use."""


@dataclass(frozen=True, slots=True)
class Group:
    """
    One schema, what fits it, and what does not.

    Attributes:
        about: the keyword, and what of it.
        drafts: names of the drafts in which this holds.
        whole: whether the values are whole documents.
    """

    about: str
    drafts: Sequence[str]
    schema: Any
    fits: Sequence[Any]
    breaks: Sequence[Any]
    whole: bool = False

    @property
    def expected(self) -> list[bool]:
        """Whether each value fits, those first that do."""
        return [True] * len(self.fits) + [False] * len(self.breaks)

    @property
    def values(self) -> list[Any]:
        """Every value, those first that fit."""
        return [*self.fits, *self.breaks]


@dataclass(frozen=True, slots=True)
class Refused:
    """A schema that is not used at all, and the rule of the finding about it."""

    about: str
    schema: Any
    rule: str


_FILE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))

GROUPS = tuple(Group(**each) for each in _FILE["groups"])
REFUSED = tuple(Refused(**each) for each in _FILE["refused"])
