"""What an engine tells about a run that somebody looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from runpin.model import RunKey
from runpin.proposing import Proposal


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run as its engine knows it, and what it carries."""

    key: RunKey
    proposal: Proposal = field(default_factory=Proposal)


@dataclass(frozen=True, slots=True)
class SeenLink:
    """
    A run that another one follows from.

    Attributes:
        kind: `asset` if it produced what the other one waited for, `trigger` if it started it.
        run: which run.
        asset: what it produced, None if it started the other one.
    """

    kind: str
    run: SeenRun
    asset: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """
    What an engine knows about a run that somebody looks at.

    Attributes:
        run: the run itself.
        previous: the run of the same job before it, None if there is none.
        parents: the runs it follows from.
    """

    run: SeenRun
    previous: SeenRun | None = None
    parents: Sequence[SeenLink] = ()
