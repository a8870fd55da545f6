"""The child's side: it binds itself, then does one job after the other until its parent goes away."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from socket import socket
from typing import Any

from runpin.errors import RunpinError
from runpin.sandbox.confining import allow_cpu, confine, end_with
from runpin.sandbox.wire import Broken, Wire, message


class Desk:
    """What a job may do besides computing: ask the parent, and say what it is looking at."""

    def __init__(self, wire: Wire, cpu: float, together: float) -> None:
        self._wire = wire
        self._cpu = cpu
        self._together = together

    def ask(self, question: Any) -> tuple[Any, list[bytes]]:
        """Return the parent's answer to *question*, a JSON value."""
        self._wire.send(message({"ask": question}))
        return self._wire.receive()

    def at(self, place: str) -> None:
        """
        Begin a step: say where the job is now, so that the parent can tell if it does not come back.

        Each step has the limits on time anew. Without a *place* it is about all files together, and has more.
        """
        allow_cpu(self._cpu if place else self._together)
        self._wire.send(message({"at": place}))


Job = Callable[[Desk, Any, Sequence[bytes]], tuple[Any, Sequence[bytes]]]
"""Does something with a JSON value and bytes, and returns the same."""


def main() -> None:
    """Serve the parent that the command line describes."""
    given = json.loads(sys.argv[1])
    end_with(given["lifeline"])
    wire = Wire(socket(fileno=given["connection"]))
    try:
        wire.send(message({"alone": confine(given["memory"], given["file"])}))
        while True:
            asked, blobs = wire.receive()
            wire.send(_done(Desk(wire, given["cpu"], given["together"]), asked, blobs))
    except Broken:
        return


def _done(desk: Desk, asked: Any, blobs: Sequence[bytes]) -> tuple[bytes, ...]:
    token = asked["token"]
    desk.at("")
    try:
        module, _, name = asked["job"].rpartition(".")
        job: Job = getattr(import_module(module), name)
        answer, parts = job(desk, asked["given"], blobs)
        return message({"answer": answer, "token": token}, parts)
    except Broken:
        raise
    except RunpinError as error:
        return message({"error": error.as_json(), "token": token})
    except MemoryError:
        refused = _refusal("needs more memory than it may")
    except RecursionError:
        refused = _refusal("goes deeper than Python can")
    except Exception as error:  # noqa: BLE001 - libraries raise what they like, and their messages may hold values
        refused = _refusal(f"met an error it does not know: {type(error).__name__}")
    return message({"error": refused, "token": token})


def _refusal(why: str) -> Mapping[str, str | None]:
    return {"kind": "CheckFailed", "what": f"the check {why}", "where": None, "fix": None}
