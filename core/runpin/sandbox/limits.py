"""What the child may use, and how it is held to it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Mapping
from dataclasses import dataclass

_MIB = 1024 * 1024
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What one job may use.

    Attributes:
        cpu: seconds of processor time.
        wall: seconds on the clock, from the question to the answer.
        memory: bytes of address space.
        answer: bytes of all that the child sends back.
        file: bytes of a file that it may write.
    """

    cpu: int = 10
    wall: float = 20.0
    memory: int = 1024 * _MIB
    answer: int = 64 * _MIB
    file: int = 8 * _MIB

    def as_json(self) -> Mapping[str, int | float]:
        """Return what the child has to know."""
        return {"cpu": self.cpu, "memory": self.memory, "file": self.file}


def confine(memory: int, file: int) -> bool:
    """
    Bind this process for good, before it reads anything, and return whether it has no network.

    A kernel or container that forbids user namespaces leaves the network; `runpin doctor` says so.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    # The parent may be killed without a chance to tell us.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    alone: bool = libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0
    for what, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, file), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (most, most))
    return alone


def allow_cpu(seconds: int) -> None:
    """Let this process use *seconds* of processor time more than it has; the kernel ends it after that."""
    times = os.times()
    used = int(times.user + times.system) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, hard))
