"""
How a process binds itself, before it reads anything that it does not trust.

Everything here is Linux. Elsewhere the limits on memory, files and processor time hold as far as the system knows
them, and the network and the parent's end are not taken care of.
"""

from __future__ import annotations

import ctypes
import fcntl
import math
import os
import resource
import signal
from contextlib import suppress

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITIES_3 = 0x20080522
_CAP_DAC_READ_SEARCH = 1 << 2


def end_with(lifeline: int) -> None:
    """
    Have the kernel kill this process and its children when the other end of the pipe *lifeline* is closed.

    That is when the parent is gone, however it went and whatever this process is at. The kernel's own signal for it
    (PDEATHSIG) comes when the *thread* that started us ends, which a parent may well outlive.
    """
    if not hasattr(fcntl, "F_SETSIG"):
        return
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def confine(memory: int, file: int) -> bool:
    """
    Bind this process for good and return whether it has no network.

    Args:
        memory: bytes of address space that it may have.
        file: bytes of a file that it may write.
    """
    _mortal()
    alone = _isolated()
    for what, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, file), (resource.RLIMIT_CORE, 0)):
        # Systems that are not Linux refuse some of them.
        with suppress(ValueError):
            resource.setrlimit(what, (most, most))
    return alone


def allow_cpu(seconds: float) -> None:
    """
    Let this process use *seconds* of processor time more than it has; the kernel ends it after that.

    The kernel's limit on processor time knows whole seconds only, so a timer comes before it.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds)
    times = os.times()
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(times.user + times.system + seconds) + 1, hard))


def _mortal() -> None:
    """Make the signals of both limits on processor time deadly; whoever started us may have ignored or held them."""
    signals = (signal.SIGPROF, signal.SIGXCPU)
    for number in signals:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


def _isolated() -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        return False
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Who may leave the network by itself does; others need a user namespace, which some kernels and containers forbid.
    alone: bool = libc.unshare(_CLONE_NEWNET) == 0 or libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0
    _drop_capabilities(libc)
    return alone


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    # Root keeps the right to read, because Python's own files may belong to somebody else.
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) == 0:
        permitted = sets[1] & _CAP_DAC_READ_SEARCH
        libc.capset(header, (ctypes.c_uint32 * 6)(permitted, permitted, 0, 0, 0, 0))
