"""Objects of Kubernetes in files: several may stand in one YAML file, and each keeps its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from runpin.parsing import parse
from runpin.policy.files import PolicyTable

if TYPE_CHECKING:
    from runpin.parsing import Parsed

TEMPLATES = ("templates.gatekeeper.sh/v1", "templates.gatekeeper.sh/v1beta1", "templates.gatekeeper.sh/v1alpha1")
CONSTRAINTS = ("constraints.gatekeeper.sh/v1beta1", "constraints.gatekeeper.sh/v1alpha1")
SUITES = ("test.gatekeeper.sh/v1alpha1",)
"""The versions of each kind that are read."""

# Such a line begins a document wherever it stands; in a block of text it would have to be indented.
_BEGIN = re.compile(rb"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Object:
    """
    One object of a file.

    Attributes:
        path: the file.
        table: the object; it knows its lines.
        lines: the lines of the file.
    """

    path: str
    table: PolicyTable
    lines: list[str] = field(repr=False)

    @property
    def value(self) -> dict[str, Any]:
        """The object as a JSON value."""
        return dict(self.table.value)

    @property
    def version(self) -> str:
        """Its `apiVersion`."""
        return str(self.table.value.get("apiVersion"))

    @property
    def kind(self) -> str:
        """Its `kind`."""
        return str(self.table.value.get("kind"))

    @property
    def line(self) -> int:
        """The line that it begins on."""
        return self.table.origin(None).line


def objects_in(path: str, body: bytes) -> Iterator[Object]:
    """
    Yield each object of the file at *path*.

    Raises:
        ParseError: one of them is not acceptable YAML or JSON.
    """
    lines = body.decode(errors="replace").splitlines()
    for part in _parts(body) if path.endswith((".yaml", ".yml")) else [body]:
        parsed: Parsed = parse(path, part)
        yield Object(path, PolicyTable.root(parsed), lines)


def _parts(body: bytes) -> Iterator[bytes]:
    """Yield the documents of a YAML file, each after as many empty lines as stood before it."""
    starts = [0, *(found.start() for found in _BEGIN.finditer(body)), len(body)]
    parts = [(start, body[start:end]) for start, end in pairwise(starts)]
    held = [(start, part) for start, part in parts if any(map(_says_something, part.splitlines()))]
    for start, part in held or [(0, body)]:
        yield b"\n" * body.count(b"\n", 0, start) + part


def _says_something(line: bytes) -> bool:
    text = line.removeprefix(b"---").strip()
    return text not in (b"", b"...") and not text.startswith(b"#")
