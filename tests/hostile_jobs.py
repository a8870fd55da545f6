"""
Jobs for a sandbox's child that misbehave in every way a library, or whoever has taken it over, might.

Each says first that it is looking at `PLACE`. Nothing here is ever called in the process of the tests.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from time import process_time
from typing import Any

from runpin.errors import ParseError, SourceError
from runpin.sandbox.wire import message
from runpin.sandbox.worker import Desk

PLACE = "payments/etl.yaml"
PLANTED = "hunter2-planted"

Answer = tuple[Any, Sequence[bytes]]


def echo(_: Desk, given: Any, blobs: Sequence[bytes]) -> Answer:
    """Behave: give back what came, and say which process this is."""
    return {"given": given, "pid": os.getpid()}, blobs


def questions(desk: Desk, given: Any, _: Sequence[bytes]) -> Answer:
    """Behave: ask each of the given questions."""
    answers = [desk.ask(question) for question in given]
    return [answer for answer, _ in answers], [blob for _, blobs in answers for blob in blobs]


def steps(desk: Desk, given: int, _: Sequence[bytes]) -> Answer:
    """Behave: take more processor time than one step may, in many steps."""
    for number in range(given):
        desk.at(f"{number}.yaml")
        until = process_time() + 0.3
        while process_time() < until:
            pass
    return "done", ()


def refuse(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Behave: find something wrong with the file."""
    desk.at(PLACE)
    raise ParseError("a key is set twice", where=f"{PLACE}:3", fix="keep one")


def crash(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Read address zero."""
    desk.at(PLACE)
    ctypes.string_at(0)
    return None, ()


def abort(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """End as C++ does when nobody catches."""
    desk.at(PLACE)
    os.abort()


def loop(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Compute for ever."""
    desk.at(PLACE)
    while True:
        pass


def loop_in_c(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Compute for ever in one call, in which no other thread of Python runs."""
    desk.at(PLACE)
    return bool(re.match("^(a+)+$", "a" * 60 + "!")), ()


def loop_on(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Compute for ever, and hear no signal that can be ignored."""
    for number in (signal.SIGXCPU, signal.SIGTERM, signal.SIGINT, signal.SIGIO):
        signal.signal(number, signal.SIG_IGN)
    return loop(desk, None, ())


def sleep(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Wait for ever."""
    desk.at(PLACE)
    Event().wait()
    return None, ()


def linger(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Begin steps for ever."""
    while True:
        desk.at(PLACE)
        Event().wait(0.05)


def eat(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Take all memory there is."""
    desk.at(PLACE)
    held = []
    while True:
        held.append(bytearray(16 * 1024 * 1024))


def recurse(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Call itself for ever."""
    desk.at(PLACE)
    return recurse(desk, None, ())


def answer_long(desk: Desk, given: int, _: Sequence[bytes]) -> Answer:
    """Send more bytes than an answer may have."""
    desk.at(PLACE)
    return None, [bytes(given)]


def answer_in_pieces(desk: Desk, given: int, _: Sequence[bytes]) -> Answer:
    """Send more bytes than an answer may have, a few at a time."""
    while True:
        desk.at(PLACE * (given // 100 // len(PLACE)))


def answer_no_json(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Return what cannot be sent."""
    desk.at(PLACE)
    return {PLANTED: {PLANTED.encode()}}, ()


def send_garbage(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Send what is no message: the lengths fit, the rest is noise."""
    desk.at(PLACE)
    connection().sendall(bytes(7) + b"\x04" + b"\xff" * 4)
    return sleep(desk, None, ())


def send_lengths(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Announce four gigabytes."""
    desk.at(PLACE)
    connection().sendall(b"\xff" * 1000)
    return sleep(desk, None, ())


def send_nesting(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Send JSON that goes deeper than a parser can."""
    desk.at(PLACE)
    body = b"[" * 100_000
    connection().sendall(len(body).to_bytes(4) + bytes(4) + body)
    return sleep(desk, None, ())


def send_half(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Stop in the middle of an answer."""
    desk.at(PLACE)
    connection().sendall(b"".join(message({"answer": "x" * 100}))[:50])
    os.kill(os.getpid(), signal.SIGSTOP)
    return None, ()


def send_nonsense(desk: Desk, given: Any, _: Sequence[bytes]) -> Answer:
    """Send a message that means nothing."""
    desk.at(PLACE)
    connection().sendall(b"".join(message(given)))
    return sleep(desk, None, ())


def answer_twice(_: Desk, given: Any, __: Sequence[bytes]) -> Answer:
    """Answer, and leave a second answer lying there for whoever asks next."""
    answer = b"".join(message({"answer": given}))
    until_here = json.loads(sys.argv[1])["connection"]
    if os.fork() == 0:
        # The grandchild waits until the answer below is out.
        Event().wait(0.2)
        os.write(until_here, answer)
        os._exit(0)
    return given, ()


def close(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Close the connection and stay."""
    desk.at(PLACE)
    connection().shutdown(socket.SHUT_RDWR)
    Event().wait()
    return None, ()


def leave(desk: Desk, given: int, _: Sequence[bytes]) -> Answer:
    """End at once."""
    desk.at(PLACE)
    os._exit(given)


def leave_politely(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """End as scripts do."""
    desk.at(PLACE)
    sys.exit(PLANTED)


def fail(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Raise what nobody knows, with a value in its text."""
    desk.at(PLACE)
    raise ZeroDivisionError(f"cannot divide {PLANTED}")


def fail_otherwise(desk: Desk, _: Any, __: Sequence[bytes]) -> Answer:
    """Raise one of our own errors that a check has no business with."""
    desk.at(PLACE)
    raise SourceError(f"cannot read {PLANTED}")


def raise_as(desk: Desk, given: str, _: Sequence[bytes]) -> Answer:
    """Raise an error that calls itself *given*."""

    class Forged(ParseError):
        def as_json(self) -> dict[str, str | None]:
            return {**super().as_json(), "kind": given}

    desk.at(PLACE)
    raise Forged(PLANTED, where=PLANTED)


def write(desk: Desk, given: str, _: Sequence[bytes]) -> Answer:
    """Fill the disk."""
    desk.at(PLACE)
    with Path(given).open("wb") as file:
        while True:
            file.write(bytes(1024 * 1024))


def breed(_: Desk, __: Any, ___: Sequence[bytes]) -> Answer:
    """Leave a process behind, and say which."""
    child = os.fork()
    if child == 0:
        Event().wait()
    return child, ()


def breed_and_crash(desk: Desk, given: str, _: Sequence[bytes]) -> Answer:
    """Leave a process behind, write down which, and crash."""
    grandchild, _ = breed(desk, None, ())
    Path(given).write_text(str(grandchild))
    return crash(desk, None, ())


def connect(_: Desk, given: Any, __: Sequence[bytes]) -> Answer:
    """Try to reach somebody, and say how it went."""
    try:
        socket.create_connection(tuple(given), timeout=5).close()
    except OSError as error:
        return type(error).__name__, ()
    return "connected", ()


def look_around(_: Desk, given: Any, __: Sequence[bytes]) -> Answer:
    """Say what of the parent can be seen: variables, files, rights."""
    return {
        "environment": dict(os.environ),
        "arguments": " ".join(sys.argv),
        "parent": _readable(f"/proc/{given}/environ"),
        "descriptors": sorted(int(path.name) for path in Path("/proc/self/fd").iterdir()),
        "capabilities": re.findall(r"CapEff:\s*(\w+)", Path("/proc/self/status").read_text(encoding="utf-8")),
        "privileges": re.findall(r"NoNewPrivs:\s*(\d)", Path("/proc/self/status").read_text(encoding="utf-8")),
        "standard": [str(Path(f"/proc/self/fd/{number}").readlink()) for number in range(3)],
    }, ()


def talk(_: Desk, __: Any, ___: Sequence[bytes]) -> Answer:
    """Print, as libraries do."""
    sys.stdout.write(PLANTED)
    sys.stderr.write(PLANTED)
    os.write(1, PLANTED.encode())
    os.write(2, PLANTED.encode())
    return "talked", ()


def connection() -> socket.socket:
    """Return a second handle on the connection to the parent."""
    return socket.socket(fileno=os.dup(json.loads(sys.argv[1])["connection"]))


def _readable(path: str) -> bool:
    try:
        return bool(Path(path).read_bytes())
    except OSError:
        return False
