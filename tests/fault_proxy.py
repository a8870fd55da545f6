"""
A TCP proxy on the loopback interface that harms what passes, one way at a time, switchable while it runs.

It speaks no protocol: PostgreSQL, etcd's gateway, HTTP and gRPC pass alike. Faults that are answers of HTTP (a page, a
status, a body without end) are sent in place of the server's answer, and are noise to who speaks something else.

toxiproxy was weighed. It is a program in Go that no package registry of Python carries, so a contributor would have to
fetch it by hand, and it has no answers of HTTP, no noise and no flipped bytes. What it does have, pauses and slowness,
are few lines of asyncio.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from random import Random
from threading import Thread
from typing import Any

_CHUNK = 65536
_LINGER_NOT = struct.pack("ii", 1, 0)
_PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body><form>Who are you?</form></body></html>"


class Mode(Enum):
    """What happens to the bytes."""

    PASS = "they pass"  # noqa: S105 - no password
    REFUSE = "nobody listens, and what was connected is reset"
    BLACKHOLE = "connections are taken and bytes too, and nothing comes back until the mode changes"
    DRIP = "one byte of an answer in a second"
    RESET = "a connection is reset as soon as somebody says something"
    GARBAGE = "noise instead of an answer, then the end"
    CUT = "half of an answer, then the end"
    CORRUPT = "one bit of an answer is another one"
    PAGE = "a page of HTML to sign in, with status 200"
    BROKEN = "status 500"
    THROTTLED = "status 429, to be repeated after a second"
    ENDLESS = "a body without an end, as fast as it is taken"
    LATE = "each answer takes longer"


CANNED = {
    Mode.GARBAGE: Random(7).randbytes(4096),  # noqa: S311 - noise, the same each time
    Mode.PAGE: b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b" % (len(_PAGE), _PAGE),
    Mode.BROKEN: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    Mode.THROTTLED: b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
}


class FaultProxy:
    """
    A port in front of another one.

    Attributes:
        port: where it listens. It stays ours while nobody listens there.
        latency: seconds that each answer takes longer in `LATE`.
        mark: where `CORRUPT` flips the lowest bit, the last byte of the first of these that passes; without one it is
            the middle of each answer.
        lead: what `ENDLESS` begins with; the head of an answer of HTTP by default.
        choose: asked for each connection, by its number from 0; None leaves it to the mode of all.
        connections: how many were taken.
        requests: how often a client spoke, first or after an answer.
        flips: how many bits were flipped.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._server = (host, port)
        self._mode = Mode.PASS
        self._claim = socket.socket()
        self._claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._claim.bind(("127.0.0.1", 0))
        self.port: int = self._claim.getsockname()[1]
        self.latency = 0.05
        self.mark: tuple[bytes, ...] = ()
        self.dice = Random(7)  # noqa: S311 - the same each time
        self.lead = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n["
        self.choose: Callable[[int], Mode | None] = lambda _: None
        self.connections = self.requests = self.flips = 0
        self._listener: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._do(self._listen())

    @property
    def mode(self) -> Mode:
        """What happens now; may be set at any time, and connections that are open are treated so too."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._do(self._switch(mode))

    def close(self) -> None:
        """Stop listening, and let go of every connection."""
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._claim.close()

    @contextmanager
    def faulty(self, mode: Mode) -> Iterator[None]:
        """Let *mode* happen for a while."""
        self.mode = mode
        try:
            yield
        finally:
            self.mode = Mode.PASS

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self._listener = await asyncio.start_server(self._taken, sock=listener, backlog=512)

    async def _deafen(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for each in list(self._open):
            each.reset()

    async def _switch(self, mode: Mode) -> None:
        before, self._mode = self._mode, mode
        if mode is Mode.REFUSE and before is not Mode.REFUSE:
            await self._deafen()
        elif before is Mode.REFUSE and mode is not Mode.REFUSE:
            await self._listen()
        for each in self._open:
            each.changed.set()

    async def _stop(self) -> None:
        await self._deafen()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        connection = _Connection(self, number, reader, writer)
        self._open.add(connection)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await connection.serve(*self._server)
        finally:
            connection.close()
            self._open.discard(connection)


class _Connection:
    """One client, and the server behind."""

    def __init__(
        self, proxy: FaultProxy, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.changed = asyncio.Event()
        self._proxy = proxy
        self._number = number
        self._client = reader, writer
        self._beyond: asyncio.StreamWriter | None = None
        self._spoken = False

    @property
    def mode(self) -> Mode:
        return self._proxy.choose(self._number) or self._proxy.mode

    async def serve(self, host: str, port: int) -> None:
        """Carry bytes to and fro until one side ends."""
        await self._thawed()
        answers, self._beyond = await asyncio.open_connection(host, port)
        ways = [asyncio.ensure_future(each) for each in (self._questions(), self._answers(answers))]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            for each in ways:
                each.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def reset(self) -> None:
        """End it as a crash does."""
        writer = self._client[1]
        with suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        writer.transport.abort()
        self.close()

    def close(self) -> None:
        """End both sides."""
        self._client[1].close()
        if self._beyond is not None:
            self._beyond.close()

    async def _thawed(self) -> None:
        while self.mode is Mode.BLACKHOLE:
            self.changed.clear()
            await self.changed.wait()

    async def _questions(self) -> None:
        reader, _ = self._client
        while chunk := await reader.read(_CHUNK):
            if not self._spoken:
                self._proxy.requests += 1
            await self._thawed()
            if self.mode is Mode.RESET:
                return self.reset()
            if self.mode in CANNED:
                return await self._send(CANNED[self.mode])
            if self.mode is Mode.ENDLESS:
                return await self._flood()
            assert self._beyond is not None
            self._beyond.write(chunk)
            await self._beyond.drain()
        return None

    async def _answers(self, answers: asyncio.StreamReader) -> None:
        while chunk := await answers.read(_CHUNK):
            self._spoken = False
            await self._thawed()
            match self.mode:
                case Mode.DRIP:
                    await self._drip(chunk)
                case Mode.CUT:
                    return await self._send(chunk[: len(chunk) // 2])
                case Mode.RESET:
                    return self.reset()
                case Mode.ENDLESS:
                    return await self._flood()
                case Mode.CORRUPT:
                    await self._send(self._corrupted(chunk))
                case Mode.LATE:
                    await asyncio.sleep(self._proxy.latency)
                    await self._send(chunk)
                case other:
                    await self._send(CANNED.get(other, chunk))
                    if other in CANNED:
                        return None
        return None

    async def _drip(self, chunk: bytes) -> None:
        for place in range(len(chunk)):
            if self.mode is not Mode.DRIP:
                return await self._send(chunk[place:])
            await self._send(chunk[place : place + 1])
            with suppress(TimeoutError):
                self.changed.clear()
                await asyncio.wait_for(self.changed.wait(), 1.0)
        return None

    async def _flood(self) -> None:
        await self._send(self._proxy.lead)
        while self.mode is Mode.ENDLESS:
            await self._send(b'"' + b"x" * (_CHUNK - 3) + b'",')

    def _corrupted(self, chunk: bytes) -> bytes:
        place = self._place(chunk)
        if place is None:
            return chunk
        self._proxy.flips += 1
        return chunk[:place] + bytes([chunk[place] ^ 1]) + chunk[place + 1 :]

    def _place(self, chunk: bytes) -> int | None:
        if not self._proxy.mark:
            return self._proxy.dice.randrange(len(chunk))
        found = next((each for each in self._proxy.mark if each in chunk), None)
        return None if found is None else chunk.index(found) + len(found) - 1

    async def _send(self, data: bytes) -> None:
        _, writer = self._client
        writer.write(data)
        await writer.drain()


@contextmanager
def in_front_of(port: int, host: str = "127.0.0.1") -> Iterator[FaultProxy]:
    """Put a proxy in front of a port of this machine."""
    proxy = FaultProxy(port, host)
    try:
        yield proxy
    finally:
        proxy.close()
