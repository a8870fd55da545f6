"""What is shown, as values: the facts that an engine gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runpin.comparing import Kind
from runpin.model import Asked, Commit, Digest, Origin, SnapshotId
from runpin.overrides import Override


@dataclass(frozen=True, slots=True)
class Problem:
    """
    Something that a person should know, or do something about.

    Attributes:
        kind: `store_away`, `ledger_away`, `quarantined`, `mirror`, `rolled_back` or `not_usable`.
        severity: `error`, `warning` or `info`.
        what: one sentence, without a final full stop.
        where: what it is about, None if the sentence says so.
        fix: what the reader can do now, None if nothing.
        application: which one, None if it is about all of them.
        snapshot: which one, None likewise.
        since: since when, None if that is not known.
    """

    kind: str
    severity: str
    what: str
    where: str | None = None
    fix: str | None = None
    application: str | None = None
    snapshot: SnapshotId | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class PinFacts:
    """One epoch of a run's pin; `why` says in words what `asked` says, and `commit` is None if it is not known."""

    epoch: int
    snapshot: SnapshotId
    digest: Digest
    channel: str
    revision: int | None
    asked: Asked
    why: str
    at: datetime
    confirmed: bool
    quarantined: bool
    commit: Commit | None


@dataclass(frozen=True, slots=True)
class Live:
    """Where a channel stands, who moved it there and why, as far as that is known, and how far it can be trusted."""

    channel: str
    snapshot: SnapshotId
    digest: Digest
    revision: int
    moved_at: datetime
    moved_by: str | None
    reason: str | None
    quarantined: bool
    stale: bool
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Previous:
    """What the run before used, None if nothing, and whether that is something else."""

    run_id: str
    snapshot: SnapshotId | None
    differs: bool | None


@dataclass(frozen=True, slots=True)
class RunApplication:
    """One application in one run; `epochs` are newest first."""

    application: str
    environment: str
    tenant: str | None
    epochs: tuple[PinFacts, ...]
    proposed: SnapshotId | None
    override: Override | None
    live: Live | None
    differs_from_live: bool | None
    previous: Previous | None


@dataclass(frozen=True, slots=True)
class NamedSnapshot:
    """The snapshot that some run used of an application."""

    application: str
    snapshot: SnapshotId


@dataclass(frozen=True, slots=True)
class Parent:
    """A run that another one follows from, and what it used."""

    kind: str
    job: str
    run_id: str
    asset: str | None
    snapshots: tuple[NamedSnapshot, ...]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What one run uses, and how that compares; environment and tenant are those of whoever shows it."""

    job: str
    run_id: str
    environment: str
    tenant: str | None
    deployment: str
    applications: tuple[RunApplication, ...]
    parents: tuple[Parent, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """One value as JSON text, of which only the beginning is told if it is long."""

    json_text: str
    cut: bool
    length: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that differs, and the lines that set it on both sides."""

    document: str
    pointer: str
    kind: Kind
    before: Value | None
    after: Value | None
    before_origin: Origin | None
    after_origin: Origin | None


@dataclass(frozen=True, slots=True)
class Side:
    """One of two snapshots that are compared; `lines_missing` says why its lines are not known, None if they are."""

    role: str
    snapshot: SnapshotId
    digest: Digest
    commit: Commit | None
    lines_missing: str | None


@dataclass(frozen=True, slots=True)
class DiffFacts:
    """What differs between two snapshots; of many changes only the first are told, and how many there are."""

    application: str
    before: Side
    after: Side
    changes: tuple[Difference, ...]
    total: int


@dataclass(frozen=True, slots=True)
class PinnedRun:
    """One epoch of a run that used a snapshot."""

    job: str
    run_id: str
    epoch: int
    asked: Asked
    why: str
    at: datetime
    confirmed: bool


@dataclass(frozen=True, slots=True)
class SnapshotRuns:
    """One page of the runs that used a snapshot; `elsewhere` counts those on it that are of other installations."""

    snapshot: SnapshotId
    digest: Digest
    quarantined: bool
    commit: Commit | None
    runs: tuple[PinnedRun, ...]
    elsewhere: int
    next: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are; if `more`, at least so many."""

    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class ChannelFacts(Live):
    """A channel, what its snapshot was published from, and how many pins name that."""

    commit: Commit | None
    pins: Count | None


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    """One application and its channels."""

    application: str
    channels: tuple[ChannelFacts, ...]


@dataclass(frozen=True, slots=True)
class ApplicationsFacts:
    """What is live in an environment, for a tenant."""

    environment: str
    tenant: str | None
    channel: str
    applications: tuple[ApplicationFacts, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of history: a `publication`, a `move` of a channel, or a `rollback`."""

    kind: str
    at: datetime
    actor: str
    snapshot: SnapshotId
    quarantined: bool
    commit: Commit | None
    previous: SnapshotId | None
    revision: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class HistoryFacts:
    """Publications of an application, and moves of one of its channels, newest first."""

    application: str
    environment: str
    tenant: str | None
    channel: str
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class ProblemsFacts:
    """What is wrong, the worst first, and when that was found out."""

    problems: tuple[Problem, ...]
    checked_at: datetime
