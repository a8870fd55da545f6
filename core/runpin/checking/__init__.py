"""
Checking a commit: compile it, validate it, ask the gates, and say everything that is wrong in one answer.

`check` does it in this process. `check_in` has a child do it, which is what everything but tests should use: the
files come from people. The child asks for the files it needs, by the paths that the parent has listed.
"""

from __future__ import annotations

from runpin.checking.checked import Check, Checked
from runpin.checking.circumstances import Circumstances
from runpin.checking.in_process import check
from runpin.checking.sandboxed import check_in, in_child

__all__ = ["Check", "Checked", "Circumstances", "check", "check_in", "in_child"]
