"""The files that a browser loads: a fixed list, read from the installed package once."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = "static"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


@cache
def static_files() -> Mapping[str, bytes]:
    """Return every file that may be asked for, by its name; nothing else is ever read."""
    folder = files(__package__).joinpath(_FOLDER)
    found = [each for each in folder.iterdir() if each.is_file() and content_type(each.name)] if folder.is_dir() else []
    return MappingProxyType({each.name: each.read_bytes() for each in sorted(found, key=lambda each: each.name)})


@cache
def static_version() -> str:
    """Return a hash over all files, which is part of their URLs: what is under one URL never changes."""
    hashed = sha256()
    for name, body in static_files().items():
        hashed.update(f"{name}\0{len(body)}\0".encode() + body)
    return hashed.hexdigest()[:16]


def content_type(name: str) -> str | None:
    """Return what a file of this name is to a browser, None if it is not for one."""
    return next((told for suffix, told in _TYPES.items() if name.endswith(suffix)), None)
