"""What is wrong with a schema itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a schema, at a line of one of its files; 0 if no line is known."""

    path: str
    line: int
    rule: str
    message: str
    fix: str | None = None


class Refused(Exception):
    """
    A schema that cannot be used.

    Attributes:
        faults: why, at least one.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = tuple(faults)
