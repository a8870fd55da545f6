"""Refuses commits that nobody signed whom the publishing host knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.cases import EnforcementPoint
from runpin.model import Finding

if TYPE_CHECKING:
    from runpin.cases import Case

_FIX = (
    "put a commit on top that is signed (git config gpg.format ssh; git commit --allow-empty -S) with a key of the "
    "file that RUNPIN_ALLOWED_SIGNERS names where commits are checked; without that setting nobody counts"
)


@dataclass(frozen=True, slots=True)
class SignedGate:
    """
    The commit is signed by somebody of the list of allowed signers.

    Files that are not committed yet have no signature, so that they pass before the commit and nowhere else.
    """

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return that the commit is not signed, if it is not."""
        if case.commit.signer is not None or not can_be_judged(case):
            return ()
        return (Finding("", "", "gate/signed", "no allowed signer has signed the commit", fix=_FIX),)


def can_be_judged(case: Case) -> bool:
    """Tell whether there is a commit, or whether there should be one by now."""
    return case.commit.reproducible or case.point is not EnforcementPoint.COMMIT
