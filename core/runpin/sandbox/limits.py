"""What the child may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What one job may use.

    A job that looks at many files goes in steps, one for each file, so that a large repository is as welcome as a
    small one, and one file that takes for ever is found out soon.

    Attributes:
        cpu: seconds of processor time for one step; the kernel counts whole ones, so it may be one more.
        wall: seconds on the clock for one step.
        whole: seconds on the clock for all steps together; what the parent does meanwhile does not count.
        memory: bytes of address space.
        answer: bytes of all that the child sends back.
        questions: how often the child may ask the parent for something.
        file: bytes of a file that it may write.
    """

    cpu: int = 5
    wall: float = 20.0
    whole: float = 600.0
    memory: int = 2048 * _MIB
    answer: int = 128 * _MIB
    questions: int = 1000
    file: int = 8 * _MIB

    def as_json(self) -> Mapping[str, int]:
        """Return what the child has to know."""
        return {"cpu": self.cpu, "memory": self.memory, "file": self.file}
