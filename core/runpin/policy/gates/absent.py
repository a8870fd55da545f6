"""Stands in for a gate whose library is not installed, so that its silence is not taken for a pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.cases import ERROR, NOTE
from runpin.model import Finding, Origin

if TYPE_CHECKING:
    from runpin.cases import Case


@dataclass(frozen=True, slots=True)
class AbsentGate:
    """
    Says that the gate did not run: a note if nobody asked for it, an error if the manifest names it.

    Args:
        name: the gate.
        extra: the extra of runpin that brings its library.
        origin: where the manifest names it, None if it does not.
    """

    name: str
    extra: str
    origin: Origin | None = None

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return that nothing was judged; the same for every scope, so that it is read once."""
        del case
        return (
            Finding(
                "",
                "",
                f"gate/{self.name}/absent",
                f"the gate {self.name} did not run: its library is not installed",
                self.origin,
                severity=ERROR if self.origin else NOTE,
                fix=f"pip install 'runpin[{self.extra}]', or set {self.name} = \"off\" below [gates] of the manifest",
            ),
        )
