"""
What gates judge, and how strictly: a case, the moment it is judged at, and the mode that a verdict is taken in.

Frozen values only, like `runpin.model`. The words of modes and points are Gatekeeper's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from runpin.model import STABLE, Commit, Document, Finding, Scope, SnapshotId

ERROR, WARNING, NOTE = SEVERITIES = ("error", "warning", "note")
"""How much a finding matters, the most serious first. An error denies."""


class EnforcementPoint(StrEnum):
    """The moments at which configuration is judged."""

    COMMIT = "commit"
    PUBLISH = "publish"
    PROMOTE = "promote"
    RUN_START = "run_start"
    AUDIT = "audit"


IN_USE = frozenset({EnforcementPoint.RUN_START, EnforcementPoint.AUDIT})
"""The moments at which nothing is about to change: what is judged is in use already."""


class EnforcementMode(StrEnum):
    """What a gate's verdict does: refuse, warn, or be written down only."""

    DENY = "deny"
    WARN = "warn"
    DRYRUN = "dryrun"
    OFF = "off"

    def soften(self, finding: Finding) -> Finding:
        """Return *finding* no more serious than this mode lets it be."""
        most = {EnforcementMode.WARN: WARNING, EnforcementMode.DRYRUN: NOTE}.get(self, ERROR)
        milder = max(SEVERITIES.index(finding.severity), SEVERITIES.index(most))
        return replace(finding, severity=SEVERITIES[milder])


@dataclass(frozen=True, slots=True)
class Enforcement:
    """
    The mode of one gate at every point.

    Attributes:
        default: the mode where `at` says nothing.
        at: the mode at single points.
    """

    default: EnforcementMode = EnforcementMode.DENY
    at: Mapping[EnforcementPoint, EnforcementMode] = field(default_factory=dict)

    def mode(self, point: EnforcementPoint) -> EnforcementMode:
        """Return the mode at *point*."""
        return self.at.get(point, self.default)


@dataclass(frozen=True, slots=True)
class Present:
    """
    What a channel holds now.

    Attributes:
        snapshot: its name.
        documents: its documents, by name, without their origins; those that the store lost are left out.
        pinned: how many runs were pinned to it lately, and may still be reading; None if nobody counted.
        since: the moment from which runs were counted.
    """

    snapshot: SnapshotId
    documents: Mapping[str, Document]
    pinned: int | None = None
    since: datetime | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "documents", MappingProxyType(self.documents))


@dataclass(frozen=True, slots=True)
class Case:
    """
    One Snapshot to judge, with everything that a gate may look at.

    No gate can take anything out of it that the gates after it have to see.

    Attributes:
        scope: what it is for.
        point: the moment.
        documents: its documents, by name.
        commit: the commit it comes from; for a Snapshot that is published, the one whose rules judge it.
        channel: where it would go, or is.
        present: what the channel holds now; None if nothing, or if nobody looked: a commit is judged without a store.
            At run start and in an audit it is the Snapshot itself, because nothing is about to change.
        strategy: the rollout that was asked for, as JSON values; None for all at once.
    """

    scope: Scope
    point: EnforcementPoint
    documents: Mapping[str, Document]
    commit: Commit
    channel: str = STABLE
    present: Present | None = None
    strategy: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "documents", MappingProxyType(self.documents))
