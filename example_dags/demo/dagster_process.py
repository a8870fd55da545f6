"""
Starts one process of Dagster as its own command would, but for two things that no setting changes.

Run as a script with the seconds between two looks of the daemon, the module to run, and its arguments.
"""

from __future__ import annotations

import importlib
import runpy
import signal
import sys

LOOKS = (
    ("dagster._daemon.controller", "DEFAULT_DAEMON_INTERVAL_SECONDS"),  # backfills, 30 s
    ("dagster._daemon.sensor", "MIN_INTERVAL_LOOP_TIME"),  # sensors, 5 s
    ("dagster._daemon.asset_daemon", "MIN_INTERVAL_LOOP_SECONDS"),  # automation, 5 s
)
"""What is looked for, and how often Dagster does so by itself; a Dagster without such a name stays as slow as it is."""


def main(pace: float, module: str, *arguments: str) -> None:
    """Run *module* with *arguments*, a daemon looking every *pace* seconds; 0 leaves Dagster's own intervals."""
    # A shell's background job ignores Ctrl-C, and Dagster would then ignore being asked to end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if pace and module == "dagster._daemon":
        for where, name in LOOKS:
            setattr(importlib.import_module(where), name, pace)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
