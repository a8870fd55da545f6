"""The parent's side: starts the child, asks it one job at a time, and survives whatever becomes of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from socket import socketpair
from typing import TYPE_CHECKING, Any, Self
from weakref import finalize

from runpin.errors import CheckFailed, rebuilt
from runpin.sandbox.limits import Limits
from runpin.sandbox.wire import Broken, OutOfTime, Wire

if TYPE_CHECKING:
    from socket import socket

    from runpin.ports import Clock

Serve = Callable[[Any], tuple[Any, Sequence[bytes]]]
"""Answers what the child asks while it works, for files of the config repository for one."""

_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from runpin.sandbox.worker import main; main()"
_START = 30.0
"""Seconds that a child may take to come up, on a machine that is busy with other things."""


class Sandbox:
    """
    One warm child, started when it is first needed and anew after it has died.

    It serves one job at a time; threads wait for each other. After a fork of this process the new one has a child of
    its own.

    Attributes:
        alone: whether the child has no network, None before the first start.
    """

    def __init__(self, clock: Clock, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.alone: bool | None = None
        self._clock = clock
        self._child: _Child | None = None
        self._turn = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def call(self, job: str, given: Any, blobs: Sequence[bytes] = (), *, serve: Serve) -> tuple[Any, list[bytes]]:
        """
        Have the child do *job* and return its answer.

        Args:
            job: the name of one of the worker's jobs.
            given: its arguments as a JSON value.
            blobs: bytes that go with them.
            serve: answers the child's questions.

        Raises:
            CheckFailed: the child crashed, used more than it may, or gave no proper answer.
            RunpinError: the job raised it.
        """
        with self._turn:
            child = self._ready()
            child.deadline.set(self.limits.wall)
            try:
                return child.ask(job, given, blobs, child.deadline.paused_in(serve))
            except (Broken, OutOfTime) as error:
                self._child = None
                raise _failure(error, child, self.limits) from None
            except BaseException:
                # What the child is at is unknown now, so nobody may ask it again.
                if not child.idle:
                    self._child = None
                    child.kill()
                raise

    def close(self) -> None:
        """End the child."""
        with self._turn:
            child, self._child = self._child, None
            if child is not None:
                child.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ready(self) -> _Child:
        if self._child is None or not self._child.lives:
            if self._child is not None:
                self._child.kill()
            child = _Child(self.limits, Deadline(self._clock))
            child.deadline.set(_START)
            try:
                self.alone = child.greeting()
            except (Broken, OutOfTime) as error:
                raise _failure(error, child, self.limits) from None
            self._child = child
        return self._child

    def _forget(self) -> None:
        # The child belongs to the process that started it; this one only closes its copy of the connection.
        self._turn = threading.Lock()
        if self._child is not None:
            self._child.disown()
            self._child = None


class Deadline:
    """When the child has to be done; what the parent does meanwhile does not count."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = 0.0

    def set(self, seconds: float) -> None:
        """Give the child *seconds* from now."""
        self._at = self._clock.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left."""
        return self._at - self._clock.monotonic()

    def paused_in(self, serve: Serve) -> Serve:
        """Return *serve*, whose time is given back to the child."""

        def timed(question: Any) -> tuple[Any, Sequence[bytes]]:
            left = self.left()
            answer = serve(question)
            self.set(left)
            return answer

        return timed


class _Child:
    """The process and the connection to it."""

    def __init__(self, limits: Limits, deadline: Deadline) -> None:
        ours, theirs = socketpair()
        self.deadline = deadline
        self.place = ""
        self.idle = True
        self._end = ours
        self._wire = Wire(ours, limits.answer, deadline.left)
        with theirs:
            given = json.dumps({"descriptor": theirs.fileno(), **limits.as_json()})
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and our own module
                [sys.executable, "-I", "-B", "-c", _BOOT, given, json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                # What libraries print may hold values of documents.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"LANG": "C.UTF-8"},
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._end_of_life = finalize(self, _end, self._process, ours)

    @property
    def lives(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def greeting(self) -> bool:
        """Wait until the child is up, and return whether it has no network."""
        return bool(self._wire.receive()[0]["alone"])

    def ask(self, job: str, given: Any, blobs: Sequence[bytes], serve: Serve) -> tuple[Any, list[bytes]]:
        """Send the job, answer questions, and return the answer or raise the error."""
        self.idle, self.place = False, ""
        self._wire.send({"job": job, "given": given}, blobs)
        while True:
            said, parts = self._wire.receive()
            match said:
                case {"at": str(place)}:
                    self.place = place
                case {"ask": question}:
                    self._wire.send(*serve(question))
                case {"error": error}:
                    self.idle = True
                    raise rebuilt(error)
                case {"answer": answer}:
                    self.idle = True
                    return answer, parts
                case _:
                    raise Broken("an answer cannot be read")

    def kill(self) -> int:
        """End the process and return its exit code, negative for a signal."""
        self._end_of_life()
        return self._process.returncode

    def disown(self) -> None:
        """Leave the process to who started it."""
        self._end_of_life.detach()
        self._end.close()
        self._process.returncode = 0  # so that nobody waits for it or warns about it


def _end(process: subprocess.Popen[bytes], end: socket) -> None:
    end.close()
    try:
        # A crash closes the connection a moment before the process is gone, and its exit code says what it was.
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _failure(error: Exception, child: _Child, limits: Limits) -> CheckFailed:
    late = isinstance(error, OutOfTime)
    if late:
        child._process.kill()  # noqa: SLF001 - both are this module's
    code = child.kill()
    causes: Mapping[int, str] = {
        -signal.SIGXCPU: f"used more than {limits.cpu} s of processor time",
        -signal.SIGSEGV: "crashed a parser",
        -signal.SIGKILL: "was killed, for want of memory perhaps",
    }
    why = f"took longer than {limits.wall:g} s" if late else causes.get(code, f"ended the checker: {error}")
    return CheckFailed(
        f"the check {why}",
        where=child.place or None,
        fix="simplify what stands there; what cannot be checked is refused",
    )
