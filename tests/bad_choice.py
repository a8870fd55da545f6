"""The tables of bad files by name, a choice of them for slow entry points, and what engines have to tell of each."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from bad_doors import Found
from bad_inputs import DOCUMENT, EXPONENTIAL, MESSAGES, PLANTED, SCHEMAS, BadInput, deep, references
from bad_texts import TEXTS

ENDLESS = replace(
    EXPONENTIAL,
    files={**EXPONENTIAL.files, f"{DOCUMENT}.json": json.dumps(deep(40, {"planted": PLANTED})).encode()},
)
"""A schema that takes exponentially long for its document; only the limit on processor time ends it."""

CHOICE = (
    *("65-each-other", "66-recursive-data", "67-redos", "67-redos-key", "69-no-regex", "71-line-end", "76-true"),
    *("78-unknown-draft", "81-format", "86-secret-const", "86-secret-any", "deep-schema", "large-pattern"),
    *("92-unknown-field", "94-wrong-type", "94-no-utf-8", "proto-broken", "proto-elsewhere"),
    *("23-object", "26-laughs", "43-brackets", "3-norway", "59-brackets", "60-http", "64-stalled"),
)
"""One of each kind, hostile ones included."""

KINDS = {"parse": "ParseError", "check": "CheckFailed"}
"""The kind of error by the code that lines have instead."""

GOOD = "72-anywhere"
"""What has to be accepted after all the others."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody who waits for a connection that must not come."""

    server: socket.socket

    @property
    def address(self) -> str:
        """Where it waits."""
        return f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def nobody_came(self) -> bool:
        """Tell whether nobody opened a connection."""
        try:
            self.server.accept()[0].close()
        except BlockingIOError:
            return True
        return False


@contextmanager
def listening() -> Iterator[Listener]:
    """Yield somebody who waits for a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield Listener(server)


def table(address: str = "") -> dict[str, BadInput]:
    """Return every bad file by the name of its case; some refer to *address*."""
    return {bad.name: bad for bad in (*SCHEMAS, *MESSAGES, *TEXTS, *references(address), ENDLESS)}


def published_of(bad: BadInput) -> Any:
    """Return what was published before the repository became bad: its document, or a good one if that is unreadable."""
    body = bad.files.get(f"{DOCUMENT}.json")
    if body is None or _unreadable(bad) in bad.found:
        return {"a": 1, "planted": PLANTED}
    return json.loads(body)


def found_in_published(bad: BadInput) -> Found:
    """Return what is wrong with what was published; that nobody can read the document's file today is not."""
    return sorted(set(bad.found) - {_unreadable(bad)})


def found_in_lines(text: str) -> Found:
    """Return rule and file of each line that an engine shows."""
    found = re.findall(r"\[([^\[\]\s]+)\], at ([^:;,\s]+)", text)
    return sorted((KINDS.get(rule, rule), file) for rule, file in found)


def _unreadable(bad: BadInput) -> tuple[str, str]:
    (path,) = (path for path in bad.files if path.startswith(DOCUMENT))
    return "ParseError", path
