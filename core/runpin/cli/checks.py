"""What a check of `runpin doctor` answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runpin.cli.shapes import Shape
    from runpin.errors import RunpinError


class Status(StrEnum):
    """`warn` is for what works and will surprise; `fail` for what does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, how it is, and what to do about it."""

    name: str
    status: Status
    detail: str
    fix: str | None = None

    @property
    def shape(self) -> Shape:
        """The JSON form."""
        return {"name": self.name, "status": str(self.status), "detail": self.detail, "fix": self.fix}


def fine(name: str, detail: str) -> Check:
    """Say that all is well."""
    return Check(name, Status.OK, detail)


def doubtful(name: str, detail: str, fix: str | None = None) -> Check:
    """Say that something will surprise."""
    return Check(name, Status.WARN, detail, fix)


def failed(name: str, error: RunpinError) -> Check:
    """Say what does not work."""
    detail = f"{error.what} ({error.where})" if error.where else error.what
    return Check(name, Status.FAIL, detail, error.fix)
