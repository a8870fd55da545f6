"""Messages between two processes come whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from socket import socket, socketpair
from threading import Thread
from typing import Any

import pytest

from runpin.sandbox.wire import Broken, OutOfTime, Wire, message

Ends = tuple[socket, Wire]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Return a socket to write anything to, and the other end's wire."""
    raw, other = socketpair()
    with raw, other:
        yield raw, Wire(other)


def framed(head: Any, body: bytes = b"", claimed: int | None = None) -> bytes:
    """Return a message with this header as it stands, and a body that may not be as long as it says."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return len(text).to_bytes(4) + (len(body) if claimed is None else claimed).to_bytes(4) + text + body


def test_what_is_sent_is_received(ends: Ends) -> None:
    """Header and blobs come as they went, a large one and empty ones too, one message after the other."""
    raw, wire = ends
    blobs = [b"", b"x" * 3_000_000, b"", b"y"]
    sender = Thread(target=Wire(raw).send, args=([*message({"n": 0}, blobs), *message({"n": 1}, blobs)],))
    sender.start()
    received = [wire.receive(), wire.receive()]
    sender.join()

    assert [({"n": 0}, blobs), ({"n": 1}, blobs)] == received


@pytest.mark.parametrize(
    "bad",
    [
        framed(b"{"),
        framed(b"\xff"),
        framed([]),
        framed(7),
        framed({"is": 1}),
        framed({"blobs": []}),
        framed({"is": 1, "blobs": [1]}),
        framed({"is": 1, "blobs": []}, b"left over"),
        framed({"is": 1, "blobs": [5, -1]}, b"four"),
        framed({"is": 1, "blobs": [1.5, 2.5]}, b"four"),
        framed({"is": 1, "blobs": ["4"]}, b"four"),
        framed({"is": 1, "blobs": {"4": 4}}, b"four"),
        framed({"is": 1, "blobs": None}),
        framed(b'{"is": ' + b"9" * 5000 + b', "blobs": []}'),
        framed(b"[" * 100_000),
    ],
)
def test_what_is_no_message_is_refused(ends: Ends, bad: bytes) -> None:
    """Lengths that do not fit, and headers that are none, are one kind of error."""
    raw, wire = ends
    raw.sendall(bad)
    with pytest.raises(Broken, match="cannot be read"):
        wire.receive()


def test_an_end_in_the_middle_is_an_end(ends: Ends) -> None:
    """A connection that closes between two bytes of a message, or before one, gave no message."""
    raw, wire = ends
    raw.sendall(framed({"is": 1, "blobs": [9]}, b"four", claimed=9))
    raw.close()
    with pytest.raises(Broken, match="closed"):
        wire.receive()
    with pytest.raises(Broken, match="closed"):
        wire.send(message("x"))
    assert wire.unread()


def test_nobody_waits_for_ever() -> None:
    """Neither for bytes that do not come, nor for a reader that does not read."""
    ours, theirs = socketpair()
    with ours, theirs:
        wire = Wire(ours, lambda: 0.05)
        with pytest.raises(OutOfTime):
            wire.receive()
        with pytest.raises(OutOfTime):
            wire.send(message("x", [bytes(50_000_000)]))
        with pytest.raises(OutOfTime):
            Wire(ours, lambda: 0).receive()


def test_lengths_are_checked_before_anything_is_read(ends: Ends) -> None:
    """A message that announces more than is allowed is refused at once, and messages count together."""
    raw, wire = ends
    wire.allowance = 100
    raw.sendall(framed({"is": 1, "blobs": []}) * 4)
    wire.receive()
    wire.receive()
    wire.receive()
    with pytest.raises(Broken, match="longer"):
        wire.receive()


def test_silence_can_be_told_from_words(ends: Ends) -> None:
    """An end knows whether there is something to read, without reading it."""
    raw, wire = ends

    assert not wire.unread()
    raw.sendall(framed({"is": "said", "blobs": []}))
    assert wire.unread()
    assert ("said", []) == wire.receive()
    assert not wire.unread()


def test_what_is_no_json_cannot_be_sent() -> None:
    """The sender finds out, before anything is on its way."""
    with pytest.raises(TypeError):
        message({1, 2})
