"""Models of somebody who reads configuration with pydantic: good ones, and some that do what they must not."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import UUID4, AfterValidator, BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

CANARY = "hunter2-canary"
NO_MODEL = 7


class Disk(BaseModel):
    """A variant."""

    kind: Literal["disk"]
    path: str


class Bucket(BaseModel):
    """A variant."""

    kind: Literal["bucket"]
    name: Annotated[str, Field(min_length=3)]


class Etl(BaseModel):
    """The model of a document, with names, nesting, variants and a validator."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    batch_size: Annotated[int, Field(ge=1, alias="batchSize")]
    source: Annotated[Disk | Bucket, Field(discriminator="kind")]
    limits: dict[str, int] = {}
    tables: list[Annotated[str, Field(pattern="^[a-z]+$")]] = []
    either: int | list[int] = 0
    on: bool = False
    key: UUID4 | None = None
    note: str = ""

    @field_validator("note")
    @classmethod
    def no_secrets(cls, note: str) -> str:
        """Refuse, and quote."""
        if CANARY in note:
            raise ValueError(f"do not write {note}")
        return note


class _Acting(BaseModel):
    """A model whose validator does something."""

    a: Any

    @field_validator("a", mode="before")
    @classmethod
    def acted(cls, a: Any) -> Any:
        """Act."""
        return cls.act(a)

    @classmethod
    def act(cls, a: Any) -> Any:
        """Do nothing."""
        return a


class Exits(_Acting):
    """Ends as scripts do."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Exit."""
        sys.exit(str(a))


class Vanishes(_Acting):
    """Ends at once."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Exit."""
        del a
        os._exit(3)


class Crashes(_Acting):
    """Reads address zero."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Crash."""
        del a
        return ctypes.string_at(0)


class Hangs(_Acting):
    """Waits for ever."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Wait."""
        del a
        Event().wait()


class Prints(_Acting):
    """Prints the value, which harms nobody."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Print to both of Python's streams and to the process's own."""
        sys.stdout.write(str(a))
        sys.stderr.write(str(a))
        os.write(1, str(a).encode())
        os.write(2, str(a).encode())
        return a


class Fails(_Acting):
    """Raises what is no answer."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Raise."""
        raise ZeroDivisionError(str(a))


class FailsHard(_Acting):
    """Raises what `except Exception` does not catch."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Raise."""
        raise BaseException(str(a))  # noqa: TRY002 - the worst there is


class Recurses(_Acting):
    """Calls itself for ever."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Recurse."""
        return cls.act(a)


class Quotes(_Acting):
    """Quotes the value in an error that has the name of one of pydantic's own."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Refuse."""
        raise PydanticCustomError("less_than", "not {what}", {"what": a})


class MakesUp(_Acting):
    """Quotes the value in the name of its error."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Refuse."""
        # The library wants a literal.
        kind: Any = f"Is {a}"
        raise PydanticCustomError(kind, "x")


class Reads(_Acting):
    """Depends on a file of the machine."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Read."""
        del a
        return Path("/etc/hostname").read_text(encoding="utf-8")


class ReadsQuietly(_Acting):
    """Depends on a file of the machine, and says nothing if it cannot."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Read."""
        try:
            return Path("/etc/hostname").read_text(encoding="utf-8")
        except OSError:
            return a


class Starts(_Acting):
    """Starts a process."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Start."""
        del a
        return subprocess.run(["/bin/true"], check=False).returncode


class Zones(_Acting):
    """Reads what is part of Python: a time zone, and a module."""

    @classmethod
    def act(cls, a: Any) -> Any:
        """Import."""
        from xml.dom import minidom

        return str(ZoneInfo("Europe/Zurich")) + str(minidom) + str(a)


def unique(items: list[str]) -> list[str]:
    """Refuse a repetition."""
    if len(set(items)) < len(items):
        raise ValueError("twice")
    return items


class Agreed(BaseModel):
    """The constraints that a test has in JSON Schema and Protobuf, too."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=2, max_length=5, pattern="^[a-zé]+$")]
    batch_size: Annotated[int, Field(ge=1, le=100)]
    ratio: Annotated[float, Field(ge=0, lt=1)] = 0.0
    hosts: Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=2), AfterValidator(unique)] = []
    mode: Literal["fast", "safe"] = "fast"
    limits: Annotated[dict[str, Annotated[int, Field(gt=0)]], Field(max_length=2)] = {}
