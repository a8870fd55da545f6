"""What a check knows beside the files: at which point it judges, and what is there now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runpin.cases import IN_USE, Case, EnforcementPoint, Present
from runpin.model import STABLE, Commit, Document, Scope

if TYPE_CHECKING:
    from runpin.checking.held import Held


def _nothing(_: Scope) -> Present | None:
    """Look nowhere."""
    return None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """
    What a check knows beside the files.

    Attributes:
        point: the moment that is judged at.
        channel: where the Snapshots would go, or are.
        strategy: the rollout that was asked for, as JSON values; None for all at once.
        look: returns what the channel holds now for a scope; None if nothing, or if there is no store to ask.
    """

    point: EnforcementPoint = EnforcementPoint.COMMIT
    channel: str = STABLE
    strategy: Mapping[str, Any] | None = None
    look: Callable[[Scope], Present | None] = field(default=_nothing, repr=False)

    @property
    def looks(self) -> bool:
        """Whether there is anything to ask what is live."""
        return self.look is not _nothing

    def case(self, scope: Scope, documents: Mapping[str, Document], commit: Commit) -> Case:
        """Return what gates judge: these documents, under these circumstances."""
        return Case(
            scope=scope,
            point=self.point,
            documents=documents,
            commit=commit,
            channel=self.channel,
            present=self.look(scope),
            strategy=self.strategy,
        )

    def case_of(self, held: Held, documents: Mapping[str, Document], commit: Commit) -> Case:
        """Return what gates judge of a published Snapshot; one that is in use already is compared with itself."""
        is_in_use = self.point in IN_USE
        present = Present(held.snapshot, held.documents) if is_in_use else self.look(held.scope)
        return Case(held.scope, self.point, documents, commit, held.channel, present, self.strategy)


AT_COMMIT = Circumstances()
"""Those of a commit that nobody has published yet, on a host without a store."""
