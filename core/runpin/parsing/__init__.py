"""
Reading one file of the config repository, without trusting it.

Three formats are read, by the file's suffix, and all three give the same thing: a JSON value,
and the line that each part of it came from. What could surprise a reviewer or a reader is refused;
docs/reference/config-repository.md lists it.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from runpin.parsing.building import Parsed
from runpin.parsing.limits import Limits, refusal
from runpin.parsing.text import decode

__all__ = ["SUFFIXES", "Limits", "Parsed", "parse"]

SUFFIXES = (".yaml", ".yml", ".json", ".toml")
"""How the name of a document or schema may end."""

_DEFAULT = Limits()


def parse(path: str, body: bytes, limits: Limits = _DEFAULT) -> Parsed:
    """
    Read the file at *path* of the config repository, whose bytes are *body*.

    Raises:
        ParseError: it is not acceptable YAML, JSON or TOML; `where` is file, line and, mostly, column.
    """
    match PurePosixPath(path).suffix:
        case ".yaml" | ".yml":
            from runpin.parsing.yaml_events import read
        case ".json":
            from runpin.parsing.json_tokens import read
        case ".toml":
            from runpin.parsing.toml_statements import read
        case _:
            raise refusal(
                "the file's suffix names no format that is read", path, fix=f"use one of {', '.join(SUFFIXES)}"
            )
    return read(path, decode(path, body, limits), limits)
