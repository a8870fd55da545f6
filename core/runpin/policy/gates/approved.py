"""Refuses commits that nobody but their author stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.model import Finding
from runpin.policy.gates.signed import can_be_judged
from runpin.policy.options import must_be_whole

if TYPE_CHECKING:
    from runpin.cases import Case

_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")


@dataclass(frozen=True, slots=True)
class ApprovedGate:
    """
    Two pairs of eyes: somebody other than the author approved the commit.

    Who counts is told by `Commit.approvers`; one address counts once, and the author's never does.

    Args:
        approvals: how many people it takes.

    Raises:
        ValueError: an option cannot be used.
    """

    approvals: int = 1

    def __post_init__(self) -> None:
        must_be_whole(approvals=self.approvals)

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return that approvals are missing, if they are."""
        if not can_be_judged(case):
            return ()
        people = {address for each in case.commit.approvers if (address := _address(each))}
        people.discard(_address(case.commit.author))
        if len(people) >= self.approvals:
            return ()
        what = f"{len(people)} of {self.approvals} people other than the author approved the commit"
        return (Finding("", "", "gate/approved", what, fix=_FIX),)


_FIX = "have it reviewed, and let its message end with a line `Approved-by: Name <address>` for each of them"


def _address(person: str) -> str | None:
    found = _ADDRESS.findall(person)
    return found[-1].casefold() if found else None
