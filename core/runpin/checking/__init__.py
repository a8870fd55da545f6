"""
Checking a commit: compile it, validate it, ask the gates, and say everything that is wrong in one answer.

`check` does it in this process. `check_in` has a child do it, which is what everything but tests should use: the
files come from people. The child asks for the files it needs, by the paths that the parent has listed.

`check_snapshots` and `check_snapshots_in` judge Snapshots that are published already by the rules of a commit.
"""

from __future__ import annotations

from runpin.checking.checked import Check, Checked
from runpin.checking.circumstances import Circumstances
from runpin.checking.declaring import Declares, declared
from runpin.checking.held import Held
from runpin.checking.in_process import check
from runpin.checking.published import check_snapshots
from runpin.checking.rules import Rules
from runpin.checking.sandboxed import check_in, in_child
from runpin.checking.sandboxed_rules import check_snapshots_in, declared_in, declared_in_child, snapshots_in_child

__all__ = [
    "Check",
    "Checked",
    "Circumstances",
    "Declares",
    "Held",
    "Rules",
    "check",
    "check_in",
    "check_snapshots",
    "check_snapshots_in",
    "declared",
    "declared_in",
    "declared_in_child",
    "in_child",
    "snapshots_in_child",
]
