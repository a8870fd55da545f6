"""Policies that the owners of the configuration write, in files of the config repository."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runpin.cases import Enforcement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpin.cases import Case
    from runpin.compiling import Repository
    from runpin.model import Finding, Origin


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as a gate."""

    name: str
    enforcement: Enforcement = field(default_factory=Enforcement)
    origin: Origin | None = None

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return what it finds."""
        del case
        raise NotImplementedError


def policies_of(repository: Repository) -> tuple[tuple[Policy, ...], tuple[Finding, ...]]:
    """Return the policies that can be trusted, and what is wrong with the others."""
    del repository
    return (), ()
