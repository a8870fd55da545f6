"""
Named places where a test may stop the process, to show that a second attempt finishes the work.

`RUNPIN_FAILPOINT=after_objects:kill` ends the process there as SIGKILL would; `:raise` raises instead, and `:stop`
holds it up until it is sent SIGCONT.
The variable is read once, when this module is imported. Without it a failpoint is an empty function.
"""

from __future__ import annotations

import os
import signal
import threading

from runpin.errors import RunpinError

VARIABLE = "RUNPIN_FAILPOINT"

FAILPOINTS = (
    *("after_objects", "after_snapshot", "before_channel", "after_channel", "before_pin", "after_pin"),
    *("after_mirror_objects", "after_mirror_snapshot", "before_mirror_channel", "after_mirror_channel"),
)
"""Every name that the code passes to `failpoint`."""

_name, _, _action = os.environ.get(VARIABLE, "").partition(":")


def failpoint(name: str) -> None:
    """
    Stop here if the environment asks for it.

    Raises:
        RunpinError: the action is `raise`.
    """
    if name != _name:
        return
    # Sent to this thread: sent to the process, another thread may get it while this one goes on for a moment.
    if _action == "kill":
        signal.pthread_kill(threading.get_ident(), signal.SIGKILL)
    if _action == "stop":
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return
    raise RunpinError(f"the failpoint {name!r} was reached", where=VARIABLE, fix=f"unset {VARIABLE}")
