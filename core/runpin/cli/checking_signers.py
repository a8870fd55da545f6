"""What `runpin doctor` looks at for the gate `signed`: the list of allowed signers, and the program that reads it."""

from __future__ import annotations

import shutil
import stat
from typing import TYPE_CHECKING

from runpin.cli.checks import Check, Status, doubtful, failed, fine
from runpin.errors import RunpinError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check_signers(signers: Path | None) -> Iterator[Check]:
    """Look at the file that lists allowed signers, if one is set."""
    from runpin.sources.git_people import usable

    if signers is None:
        return
    try:
        file = usable(signers, None)
    except RunpinError as error:
        yield failed("signers", error)
        return
    if shutil.which("ssh-keygen") is None:
        what = "ssh-keygen is not on the PATH, so that no signature counts"
        yield Check("signers", Status.FAIL, what, "install OpenSSH's client programs")
    elif file.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield doubtful("signers", f"others may write to {file}", f"chmod go-w {file}")
    else:
        lines = [line for line in file.read_text("utf-8", "replace").splitlines() if line.strip(" \t")]
        yield fine("signers", f"{sum(not line.startswith('#') for line in lines)} in {file}")
