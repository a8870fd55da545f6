"""The child as its parent sees it: a process, a connection to it, and a pipe whose end is its end."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from socket import socket, socketpair
from threading import Event
from typing import TYPE_CHECKING, Any
from weakref import finalize

from runpin.errors import CheckFailed, InvalidConfig, NotFound, RunpinError, ValidationFailed, rebuilt
from runpin.sandbox.deadline import Deadline, Serve
from runpin.sandbox.wire import Broken, OutOfTime, Wire, message

if TYPE_CHECKING:
    from runpin.ports import Clock
    from runpin.sandbox.limits import Limits

_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from runpin.sandbox.worker import main; main()"
_START = 30.0
"""Seconds that a child may take to come up, on a machine that is busy with other things."""

_FIX = "simplify what stands there; what cannot be checked is refused"
_CRASHES = frozenset((signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL))


class Child:
    """
    A process that does jobs.

    Attributes:
        idle: whether it can be asked; never again once an answer did not come as it should.

    Raises:
        CheckFailed: the process cannot be started.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self.idle = True
        self._limits = limits
        self._place = ""
        self._deadline = Deadline(clock)
        self._owner = os.getpid()
        try:
            self._process, self._end, self._lifeline = _started(limits)
        except OSError as error:
            raise CheckFailed(
                "the process that checks cannot be started", fix=f"see why the system says: {error.strerror}"
            ) from error
        self._wire = Wire(self._end, self._deadline.left)
        self._end_of_life = finalize(self, _end, self._owner, self._process, self._end, self._lifeline)

    @property
    def usable(self) -> bool:
        """Whether it is this process's own, lives, and waits for a job in silence."""
        return self.idle and self._owner == os.getpid() and not self._wire.unread() and not self._ended()

    def greeting(self) -> bool:
        """
        Wait until the child is up, and return whether it has no network.

        Raises:
            CheckFailed: it does not come up.
        """
        self._deadline.begin(_START, _START)
        self.idle = False
        try:
            said, _ = self._wire.receive()
        except (Broken, OutOfTime):
            code = self._exit_code()
            how = "it does not answer" if code is None else f"it ended with code {code}"
            raise CheckFailed(
                f"the process that checks does not come up: {how}",
                fix="try again; if it stays so, see whether memory is left and whether runpin is installed whole",
            ) from None
        self.idle = True
        return bool(said["alone"])

    def ask(self, job: str, given: Any, blobs: Sequence[bytes], serve: Serve) -> tuple[Any, list[bytes]]:
        """
        Send the job, answer questions, and return the answer.

        Raises:
            CheckFailed: no proper answer came; the child must not be asked again.
            RunpinError: the job raised it.
        """
        limits = self._limits
        self.idle, self._place = False, ""
        self._deadline.begin(limits.whole, limits.wall)
        self._wire.allowance = limits.answer
        try:
            return self._converse(job, given, blobs, self._deadline.paused_in(serve))
        except (Broken, OutOfTime) as error:
            raise CheckFailed(f"the check {self._why(error)}", where=self._place or None, fix=_FIX) from None

    def end(self) -> None:
        """End the process and whatever it started."""
        self.idle = False
        self._end_of_life()

    def _converse(self, job: str, given: Any, blobs: Sequence[bytes], serve: Serve) -> tuple[Any, list[bytes]]:
        token, questions = secrets.token_hex(8), self._limits.questions
        self._wire.send(message({"job": job, "given": given, "token": token}, blobs))
        while True:
            said, parts = self._wire.receive()
            match said:
                case {"at": str(place)}:
                    self._place = place
                    self._deadline.step(self._limits.wall)
                case {"ask": question}:
                    if questions == 0:
                        raise Broken("it asks for too much")
                    questions -= 1
                    self._wire.send(message(*serve(question)))
                case {"error": dict(error), "token": str(said_token)} if said_token == token:
                    raise self._raised(error)
                case {"answer": answer, "token": str(said_token)} if said_token == token:
                    self.idle = True
                    return answer, parts
                case _:
                    raise Broken("an answer cannot be read")

    def _raised(self, content: Mapping[str, Any]) -> RunpinError:
        error = rebuilt(content)
        if isinstance(error, CheckFailed):
            # Libraries that failed once may be in any state.
            return CheckFailed(error.what, where=error.where or self._place or None, fix=error.fix or _FIX)
        if not isinstance(error, (InvalidConfig, NotFound)) or isinstance(error, ValidationFailed):
            raise Broken("it raised what is no error of a check")
        self.idle = True
        return error

    def _why(self, error: Exception) -> str:
        if isinstance(error, OutOfTime):
            seconds = self._limits.whole if self._deadline.over else self._limits.wall
            return f"took longer than {seconds:g} s"
        code = self._exit_code()
        if code in (-signal.SIGPROF, -signal.SIGXCPU):
            seconds = self._limits.cpu if self._place else self._limits.together
            return f"used more than {seconds:g} s of processor time"
        if code == -signal.SIGKILL:
            return "was killed, for want of memory perhaps"
        if code is not None and -code in _CRASHES:
            return "crashed a library"
        return f"failed: {error}" if code is None else f"ended without an answer, with code {code}"

    def _exit_code(self) -> int | None:
        """Return how the process ended by itself, negative for a signal; None if it has not, in a moment."""
        for _ in range(50):
            # A crash closes the connection a little before the process is gone.
            ended = self._ended()
            if ended is not None:
                return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            Event().wait(0.01)
        return None

    def _ended(self) -> os.waitid_result | None:
        # It stays a zombie until `end`, so that nobody else can have its number while we may still send signals to it.
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            # This process lets the system, or somebody else, collect its children.
            return None


def _started(limits: Limits) -> tuple[subprocess.Popen[bytes], socket, int]:
    with ExitStack() as on_failure, ExitStack() as theirs:
        ours, connection = socketpair()
        on_failure.enter_context(ours)
        theirs.enter_context(connection)
        lifeline, our_lifeline = os.pipe()
        theirs.callback(os.close, lifeline)
        on_failure.callback(os.close, our_lifeline)
        given = {"connection": connection.fileno(), "lifeline": lifeline, **limits.as_json()}
        path = [os.path.abspath(each) for each in sys.path]  # noqa: PTH100 - entries are texts, and may be zip files
        process = subprocess.Popen(  # noqa: S603 - this interpreter and our own module
            [sys.executable, "-I", "-B", "-c", _BOOT, json.dumps(given), json.dumps(path)],
            stdin=subprocess.DEVNULL,
            # What libraries print may hold values of documents.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"LANG": "C.UTF-8"},
            cwd="/",
            pass_fds=[connection.fileno(), lifeline],
            start_new_session=True,
        )
        on_failure.pop_all()
        return process, ours, our_lifeline


def _end(owner: int, process: subprocess.Popen[bytes], connection: socket, lifeline: int) -> None:
    connection.close()
    os.close(lifeline)
    if owner != os.getpid():
        # A fork of the parent closes its copies; the process is not its own, and nobody shall warn about it.
        process.returncode = 0
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
