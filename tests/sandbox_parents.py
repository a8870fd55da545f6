"""
Processes that have a sandbox, and end or fork in ways that a test's own process cannot.

Each function is a whole process: it prints one line of JSON about what it saw.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from threading import Event, Thread
from typing import Any

from runpin.clock import SystemClock
from runpin.errors import CheckFailed
from runpin.sandbox import Limits, Sandbox

LIMITS = Limits(cpu=5, wall=20, memory=512 * 1024 * 1024)


def call(sandbox: Sandbox, job: str, given: Any = None) -> Any:
    """Have one of the hostile jobs done and return its answer."""
    return sandbox.call(f"hostile_jobs.{job}", given, serve=lambda _: (None, ()))[0]


def tell(**seen: Any) -> None:
    """Print what was seen."""
    sys.stdout.write(json.dumps(seen) + "\n")
    sys.stdout.flush()


def be_killed() -> None:
    """Have an idle child, and wait to be killed."""
    sandbox = Sandbox(SystemClock(), LIMITS)
    tell(child=call(sandbox, "echo")["pid"])
    Event().wait()


def be_killed_while(job: str) -> None:
    """Have a child that is at *job*, and wait to be killed."""
    sandbox = Sandbox(SystemClock(), LIMITS)
    child = call(sandbox, "echo")["pid"]
    Thread(target=call, args=(sandbox, job), daemon=True).start()
    Event().wait(0.3)
    tell(child=child)
    Event().wait()


def be_killed_with_fork() -> None:
    """Fork a process that lives on, and wait to be killed."""
    sandbox = Sandbox(SystemClock(), LIMITS)
    child = call(sandbox, "echo")["pid"]
    Thread(target=call, args=(sandbox, "sleep"), daemon=True).start()
    Event().wait(0.3)
    forked = os.fork()
    if forked == 0:
        Event().wait()
    tell(child=child, forked=forked)
    Event().wait()


def fork() -> None:
    """Fork while idle; both processes go on, each with a child of its own."""
    with Sandbox(SystemClock(), LIMITS) as sandbox:
        before = call(sandbox, "echo")["pid"]
        forked = _in_fork(lambda: {"pid": call(sandbox, "echo")["pid"]})
        tell(before=before, forked=forked["pid"], after=call(sandbox, "echo")["pid"])


def fork_while_busy() -> None:
    """Fork while another thread's job is under way; the new process is not held up, and the job is done."""
    with Sandbox(SystemClock(), LIMITS) as sandbox:
        before = call(sandbox, "echo")["pid"]
        done: list[Any] = []
        thread = Thread(target=lambda: done.append(call(sandbox, "steps", 3)))
        thread.start()
        Event().wait(0.2)
        forked = _in_fork(lambda: {"pid": call(sandbox, "echo")["pid"]})
        thread.join()
        tell(before=before, forked=forked["pid"], after=call(sandbox, "echo")["pid"], done=done)


def fork_and_leave() -> None:
    """Fork a process that ends as scripts do; the parent's child must survive that."""
    with Sandbox(SystemClock(), LIMITS) as sandbox:
        before = call(sandbox, "echo")["pid"]
        if os.fork() == 0:
            sys.exit(0)
        os.wait()
        tell(before=before, after=call(sandbox, "echo")["pid"])


def ignore_children() -> None:
    """Let the system collect all children, as some daemons do."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with Sandbox(SystemClock(), LIMITS) as sandbox:
        before = call(sandbox, "echo")["pid"]
        try:
            call(sandbox, "crash")
        except CheckFailed as error:
            tell(before=before, what=error.what, where=error.where, after=call(sandbox, "echo")["pid"])


def look_around() -> None:
    """Tell what the child can see."""
    with Sandbox(SystemClock(), LIMITS) as sandbox:
        seen = call(sandbox, "look_around", os.getpid())
        tell(alone=sandbox.alone, **seen)


def connect(port: str) -> None:
    """Tell whether the child can reach a port of this machine."""
    with Sandbox(SystemClock(), LIMITS) as sandbox:
        how = call(sandbox, "connect", ["127.0.0.1", int(port)])
        tell(alone=sandbox.alone, how=how)


def import_from(folder: str, module: str) -> None:
    """Tell whether the child can import what lies in a folder."""
    sys.path.append(folder)
    with Sandbox(SystemClock(), LIMITS) as sandbox:
        tell(answer=sandbox.call(f"{module}.job", None, serve=lambda _: (None, ()))[0])


def no_interpreter() -> None:
    """Tell what is said where no child can be started."""
    failures = []
    for executable in ("/nowhere/python", "/bin/false"):
        sys.executable = executable
        with Sandbox(SystemClock(), LIMITS) as sandbox:
            try:
                call(sandbox, "echo")
            except CheckFailed as error:
                failures.append([error.what, error.fix])
    tell(failures=failures)


def _in_fork(work: Any) -> Mapping[str, Any]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, json.dumps(work()).encode())
        # As multiprocessing ends its processes: without the interpreter's last rites.
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        answer: Mapping[str, Any] = json.loads(told.read())
    os.waitpid(pid, 0)
    return answer


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
