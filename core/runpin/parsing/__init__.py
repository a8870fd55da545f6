"""
Reading one file of the config repository, without trusting it.

Three formats are read, by the file's suffix, and all three give the same thing: a JSON value,
and the line that each part of it came from. What could surprise a reviewer or a reader is refused;
docs/reference/config-repository.md lists it.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from runpin.parsing import json_tokens, toml_statements
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
    suffix = PurePosixPath(path).suffix
    if suffix not in SUFFIXES:
        raise refusal("the file's suffix names no format that is read", path, fix=f"use one of {', '.join(SUFFIXES)}")
    text = decode(path, body, limits)
    if suffix == ".json":
        return json_tokens.read(path, text, limits)
    if suffix == ".toml":
        return toml_statements.read(path, text, limits)
    from runpin.parsing import yaml_events

    return yaml_events.read(path, text, limits)
