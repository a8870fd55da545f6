"""Programs that tests need and the system lacks, installed where we may, by one process at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def installed(package: str, found: Callable[[], T | None], *, update: bool = False) -> T | None:
    """
    Return what *found* finds, after *package* was installed if it found nothing.

    Args:
        package: its name at the system.
        found: looks for the program.
        update: ask first which packages there are.
    """
    present = found()
    apt = shutil.which("apt-get")
    if present is not None or apt is None or os.geteuid() != 0:
        return present
    # Other processes may run tests as well, and need the same.
    with Path(tempfile.gettempdir(), "runpin-tests-apt-get.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if found() is None:
            quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            install = ("install", "-y", "-qq", "--no-install-recommends", package)
            for arguments in [("update",), install] if update else [install]:
                subprocess.run([apt, *arguments], env=quietly, check=False, capture_output=True, timeout=600)
    return found()
