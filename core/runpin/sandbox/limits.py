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
        cpu: seconds of processor time for one step that is about a file. A hostile file is answered after them, and
            after the second that the start of everything takes, so that people wait less than 5 s. The slowest file
            that is welcome, 256 KiB of small YAML mappings read without libyaml, takes 1.6 s where this was
            measured; a machine that is half as fast still reads it.
        together: seconds of processor time for a step that is about no file. That is the writing of the answer, which
            no single file makes long: 128 MiB of it take 3.3 s.
        wall: seconds on the clock for one step; more than `cpu`, because on a busy machine processor time takes its
            time, and no file can make the child wait.
        whole: seconds on the clock for all steps together; what the parent does meanwhile does not count.
        memory: bytes of address space.
        answer: bytes of all that the child sends back.
        questions: how often the child may ask the parent for something. It asks once what is live in each scope, which
            are as many as there are applications times tenants.
        file: bytes of a file that it may write.
    """

    cpu: float = 3.5
    together: float = 15.0
    wall: float = 20.0
    whole: float = 600.0
    memory: int = 2048 * _MIB
    answer: int = 128 * _MIB
    questions: int = 10_000
    file: int = 8 * _MIB

    def as_json(self) -> Mapping[str, float]:
        """Return what the child has to know."""
        return {"cpu": self.cpu, "together": self.together, "memory": self.memory, "file": self.file}
