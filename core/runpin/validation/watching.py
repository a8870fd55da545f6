"""
Keeping an eye on code that shall depend on nothing but the document it is given.

Where a document is checked is not where it is used. A model that reads a file, asks a server or starts a process would
say one thing here and another there.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

_ACTS = {
    "os.exec": "starts a process",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.system": "starts a process",
    "subprocess.Popen": "starts a process",
    "socket.connect": "uses the network",
    "socket.getaddrinfo": "uses the network",
    "socket.sendto": "uses the network",
}
_FILES = frozenset({"open", "os.listdir", "os.scandir"})

_watch = threading.local()


@contextmanager
def watched() -> Iterator[list[str]]:
    """Refuse this thread files, network and processes, and yield the list of what it tried."""
    _install()
    tried: list[str] = []
    _watch.tried = tried
    try:
        yield tried
    finally:
        _watch.tried = None


@lru_cache(maxsize=1)
def _install() -> None:
    sys.addaudithook(_see)


def _see(event: str, arguments: tuple[Any, ...]) -> None:
    tried = getattr(_watch, "tried", None)
    if tried is None:
        return
    act = _ACTS.get(event) or ("reads a file" if event in _FILES and _is_foreign(*arguments[:2]) else None)
    if act is not None:
        tried.append(act)
        raise PermissionError(f"a model {act} while it judges a document")


def _is_foreign(path: Any, mode: Any = None) -> bool:
    """Tell whether *path* is outside of where Python finds packages and their data, or would be written."""
    if not isinstance(path, (str, bytes)):
        return False
    writes = isinstance(mode, str) and mode.strip("rbtU") != ""
    return writes or not os.path.abspath(os.fsdecode(path)).startswith(_homes())  # noqa: PTH100 - no file is touched


def _homes() -> tuple[str, ...]:
    from zoneinfo import TZPATH

    folders = {sys.prefix, sys.base_prefix, *(each for each in sys.path if each), *TZPATH}
    homes = (os.path.abspath(each).rstrip(os.sep) for each in folders)  # noqa: PTH100 - same
    return tuple(home + os.sep for home in homes if home)
