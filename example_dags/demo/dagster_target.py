"""What a Dagster loads: the code of a location, and how a code server is told where it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Target:
    """
    A code location.

    Attributes:
        code: a Python file that holds `Definitions`, or the name of a module.
        folder: where imports start from; the folder of the file when absent.
        name: the name of the location; that of the file or module when empty.
    """

    code: Path | str
    folder: Path | None = None
    name: str = ""

    @property
    def location(self) -> str:
        """The name of the location."""
        return self.name or (self.code.stem if isinstance(self.code, Path) else self.code)

    def arguments(self) -> tuple[str, ...]:
        """Return how a code server is told what to load."""
        folder = self.folder or (self.code.resolve().parent if isinstance(self.code, Path) else None)
        what = ("-f", str(self.code.resolve())) if isinstance(self.code, Path) else ("-m", self.code)
        return (*what, *(("-d", str(folder)) if folder else ()), "--location-name", self.location)
