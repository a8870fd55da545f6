"""The rules of a commit: what judges Snapshots that are published already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from runpin.checking.declaring import declared
from runpin.checking.published import check_snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runpin.checking.checked import Checked
    from runpin.checking.circumstances import Circumstances
    from runpin.checking.declaring import Declares
    from runpin.checking.held import Held
    from runpin.model import Commit
    from runpin.ports import Source


class CheckSnapshots(Protocol):
    """Judges published Snapshots: `check_snapshots`, or what `check_snapshots_in` returns."""

    def __call__(
        self, source: Source, commit: Commit, snapshots: Sequence[Held], circumstances: Circumstances
    ) -> tuple[Checked, ...]:
        """Return what came out for each of *snapshots*."""
        ...


class Declare(Protocol):
    """Reads a manifest: `declared`, or what `declared_in` returns."""

    def __call__(self, source: Source, commit: Commit) -> Declares:
        """Return what the manifest declares."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """
    The schemas and gates of the config repository at one commit.

    Attributes:
        source: the config repository.
        commit: the commit, as `source.resolve` returned it.
        check: who reads them and judges; a child process in everything but tests.
        declare: who reads the manifest; likewise.
    """

    source: Source
    commit: Commit
    check: CheckSnapshots = field(default=check_snapshots, repr=False)
    declare: Declare = field(default=declared, repr=False)

    def judge(self, snapshots: Sequence[Held], circumstances: Circumstances) -> tuple[Checked, ...]:
        """
        Return what came out for each of *snapshots*.

        Raises:
            InvalidConfig: the repository cannot be used at this commit, or the check failed.
            SourceError, StoreError
        """
        return self.check(self.source, self.commit, snapshots, circumstances) if snapshots else ()

    @property
    def declares(self) -> Declares:
        """What the manifest declares."""
        return self.declare(self.source, self.commit)
