"""What several answers have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field


def _text(value: object) -> object:
    return value if value is None else str(value)


Text = Annotated[str, BeforeValidator(_text)]
"""A snapshot id, or another word of the core, as text."""

DagId = Annotated[str, Field(validation_alias=AliasChoices("dag_id", "job"))]
"""What the core calls a job."""

AskedWord = Literal["channel", "proposal", "parent", "override", "safe_point"]


class Answer(BaseModel):
    """A part of an answer, read from the core's facts by their names."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")


class ErrorAnswer(Answer):
    """
    Why there is no answer.

    Attributes:
        kind: the name of the error in `runpin.errors`, or `Unauthorized`, `Forbidden`, `NotFound`, `Unreadable` or
            `Fault`.
        what: one sentence, without a final full stop.
        where: what the sentence is about.
        fix: what the reader can do now.
    """

    kind: str
    what: str
    where: str | None = None
    fix: str | None = None


class CommitAnswer(Answer):
    """
    The state of the config repository that a snapshot was published from.

    Attributes:
        sha: its name, 40 hex digits for Git.
        ref: the branch or tag that was published.
        author: who wrote it, as `Ada Lovelace <ada@example.com>`.
        message: its first line.
        at: when it was written.
        reproducible: false if it was a plain folder and no commit.
    """

    sha: str
    ref: str
    author: str
    message: str
    at: datetime
    reproducible: bool


class LiveAnswer(Answer):
    """
    Where a channel stands now.

    Attributes:
        channel: its name.
        snapshot: what new runs get.
        digest: all 64 hex digits of it.
        revision: counts the channel's moves.
        moved_at: when it moved there.
        moved_by: who moved it; null if the store does not answer.
        reason: why; null likewise.
        quarantined: whether the snapshot is barred from new pins.
        stale: whether the store did not answer, so that this is what this host saw last.
        age_seconds: how old what this host saw is; 0 if it is not stale.
    """

    channel: str
    snapshot: Text
    digest: str
    revision: int
    moved_at: datetime
    moved_by: str | None
    reason: str | None
    quarantined: bool
    stale: bool
    age_seconds: float


class ProblemAnswer(Answer):
    """
    Something that a person should know, or do something about.

    Attributes:
        kind: in one word.
        severity: `error` where runs are in danger, `warning` where they soon may be, `info` for what just happened.
        what: one sentence, without a final full stop.
        where: what the sentence is about; null if it says so itself.
        fix: what the reader can do now; null if nothing.
        application: which one; null if it is about all of them.
        snapshot: which one; null likewise.
        since: since when, null if that is not known.
    """

    kind: Literal[
        "not_usable",
        "store_away",
        "ledger_away",
        "quarantined",
        "mirror",
        "rolled_back",
    ]
    severity: Literal["error", "warning", "info"]
    what: str
    where: str | None
    fix: str | None
    application: str | None
    snapshot: Text | None
    since: datetime | None
