"""The child's side: it binds itself, then does one job after the other until its parent goes away."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from socket import socket
from typing import Any

from runpin.errors import RunpinError
from runpin.sandbox.limits import allow_cpu, confine
from runpin.sandbox.wire import Broken, Wire

_LONGEST = 256 * 1024 * 1024


class Desk:
    """What a job may do besides computing: ask the parent, and say what it is looking at."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def ask(self, question: Any) -> tuple[Any, list[bytes]]:
        """Return the parent's answer to *question*, a JSON value."""
        self._wire.send({"ask": question})
        return self._wire.receive()

    def at(self, place: str) -> None:
        """Say where the job is now, so that the parent can tell if it does not come back."""
        self._wire.send({"at": place})


Job = Callable[[Desk, Any, Sequence[bytes]], tuple[Any, Sequence[bytes]]]


def main() -> None:
    """Serve the parent whose connection is named on the command line."""
    given = json.loads(sys.argv[1])
    wire = Wire(socket(fileno=given["descriptor"]), _LONGEST)
    alone = confine(given["memory"], given["file"])
    wire.send({"alone": alone})
    while True:
        try:
            asked, blobs = wire.receive()
        except Broken:
            return
        allow_cpu(given["cpu"])
        _serve(wire, asked, blobs)


def _serve(wire: Wire, asked: Any, blobs: Sequence[bytes]) -> None:
    try:
        module, _, name = asked["job"].rpartition(".")
        job: Job = getattr(import_module(module), name)
        answer, parts = job(Desk(wire), asked["given"], blobs)
    except RunpinError as error:
        wire.send({"error": error.as_json()})
    except MemoryError:
        wire.send({"error": _refusal("needs more memory than it may")})
    except RecursionError:
        wire.send({"error": _refusal("goes deeper than Python can")})
    except Exception as error:  # noqa: BLE001 - libraries raise what they like, and their messages may hold values
        wire.send({"error": _refusal(f"met an error it does not know: {type(error).__name__}")})
    else:
        wire.send({"answer": answer}, parts)


def _refusal(why: str) -> Mapping[str, str | None]:
    fix = "simplify what stands there; what cannot be checked is refused"
    return {"kind": "CheckFailed", "what": f"the check {why}", "where": None, "fix": fix}
