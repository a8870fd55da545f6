"""
What the API of the Config tab answers: one model for each answer, and a sample of each in the tests.

All routes are GET, below the prefix `/runpin` of Airflow's own base URL. A value of a query is percent-encoded; run ids
and cursors may hold anything. None of them changes anything.

    api/dags/{dag_id}/run?run_id=...                                                  RunAnswer
    api/dags/{dag_id}/diff?run_id=...&application=...&against=live|previous|<snapshot>  DiffAnswer
    api/snapshots/{snapshot}/runs?after=...                                           SnapshotRunsAnswer
    api/applications                                                                  ApplicationsAnswer
    api/applications/{application}/history?channel=...                                HistoryAnswer
    api/problems                                                                      ProblemsAnswer
    static/{version}/{file}                                                           a file of `ui/static`

`{version}` is a hash over those files, which may be cached for ever; they import each other by relative URLs.
The modules that Airflow loads, and what each assigns its component to: `run.js`, `globalThis["Config"]`, for the pages
of a DAG run and a task instance; `nav.js`, `globalThis["Configuration"]`, for the page of the menu; `dashboard.js`,
`globalThis["Configuration problems"]`, for the strip on the start page.

Every other status than 200 has an `ErrorAnswer`: 401 nobody is logged in, 403 who is may not see this, 404 there is no
such run, snapshot or application, 422 the question cannot be read, 503 try again later, 500 anything else.
`after` is optional, and so is `channel`, which is that of the settings unless it is given.

Moments are ISO 8601 in UTC. An id of a snapshot is text such as `payments.prod.v42.3f9a1c2b7d10`. Members may be added.
"""

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


class PinAnswer(Answer):
    """
    One epoch of a run's pin: which snapshot it used from then on, and why that one.

    Attributes:
        epoch: 0 for the first; one more for each switch.
        snapshot: its id.
        digest: all 64 hex digits of it.
        channel: which channel was followed.
        revision: where that stood, null if it was not asked.
        asked: who asked for this snapshot, in one word.
        why: the same in a sentence for people, without a final full stop.
        at: when it was decided.
        confirmed: false if the ledger was away and could not be asked.
        quarantined: whether the snapshot is barred from new pins by now.
        commit: what it was published from, null if that is too long ago or not known.
    """

    epoch: int
    snapshot: Text
    digest: str
    channel: str
    revision: int | None
    asked: AskedWord
    why: str
    at: datetime
    confirmed: bool
    quarantined: bool
    commit: CommitAnswer | None


class OverrideAnswer(Answer):
    """
    What an operator wants of one run, by `runpin override`.

    Attributes:
        snapshot: what it shall use.
        kind: `pinned` until another one is recorded, `once` for one rerun.
        actor: who wants it.
        reason: why.
        at: since when.
        outcome: how it ended, as text for people; null while it waits.
    """

    snapshot: Text
    kind: Literal["pinned", "once"]
    actor: str
    reason: str
    at: datetime
    outcome: str | None


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


class PreviousAnswer(Answer):
    """
    What the run before this one of the same DAG used, by the time they were due.

    Attributes:
        run_id: which run that is.
        snapshot: what it used last; null if it read no configuration of this application.
        differs: whether that is another snapshot than this run's; null if it used none.
    """

    run_id: str
    snapshot: Text | None
    differs: bool | None


class RunApplicationAnswer(Answer):
    """
    One application in one run.

    Attributes:
        application: its name.
        tenant: whose configuration it is, null if there are no tenants.
        epochs: the run's pin, newest first; the first one is what the run uses now. Empty if it has read nothing yet.
        proposed: what was written into the run when it started; null if nothing was. It is what a run without any
            epoch is likely to get.
        override: what an operator wants of it; null if nobody wants anything.
        live: where the pin's channel stands now; null if that is not known.
        differs_from_live: whether the run uses something else than live; null if one of the two is not known.
        previous: the run before; null if there is none.
    """

    application: str
    tenant: str | None
    epochs: list[PinAnswer]
    proposed: Text | None
    override: OverrideAnswer | None
    live: LiveAnswer | None
    differs_from_live: bool | None
    previous: PreviousAnswer | None


class NamedSnapshotAnswer(Answer):
    """The snapshot that another run used of one application."""

    application: str
    snapshot: Text


class ParentAnswer(Answer):
    """
    A run that this one follows from; only runs of DAGs that the reader may see are told.

    Attributes:
        kind: `asset` if it produced what this run waited for, `trigger` if it started this run itself.
        dag_id: of which DAG.
        run_id: which run.
        asset: what it produced; null if it started this run.
        snapshots: what it used, by application; empty if it read no configuration.
    """

    kind: Literal["asset", "trigger"]
    dag_id: DagId
    run_id: str
    asset: str | None
    snapshots: list[NamedSnapshotAnswer]


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


class RunAnswer(Answer):
    """
    `api/dags/{dag_id}/run`: what one run uses, and how that compares.

    Attributes:
        dag_id: of which DAG.
        run_id: which run.
        environment: of which environment its configuration is.
        deployment: the name of this Airflow in pins.
        applications: by name; empty if the run has read nothing and nothing was proposed to it.
        parents: the runs it follows from, at most 100.
        problems: what is missing in this answer because something did not answer; mostly empty.
    """

    dag_id: DagId
    run_id: str
    environment: str
    deployment: str
    applications: list[RunApplicationAnswer]
    parents: list[ParentAnswer]
    problems: list[ProblemAnswer]


class ValueAnswer(Answer):
    """
    One value, as JSON text.

    Attributes:
        json_text: its JSON; of a long one the beginning, at most 2,000 characters.
        cut: whether that is only the beginning.
        length: how many characters there are in all.
    """

    json_text: str
    cut: bool
    length: int


class OriginAnswer(Answer):
    """The file, within the config repository, and the line, counted from 1, that set a value."""

    file: str
    line: int


class ChangeAnswer(Answer):
    """
    One value that differs.

    Attributes:
        document: in which document.
        pointer: where in it, an RFC 6901 JSON pointer; empty if the whole document came or went.
        kind: what happened to it from `before` to `after`.
        before: its value before; null if it was added.
        after: its value after; null if it was removed.
        before_origin: what set it before; null if that is not known, see `SideAnswer.lines_missing`.
        after_origin: what set it after; null likewise.
    """

    document: str
    pointer: str
    kind: Literal["added", "changed", "removed"]
    before: ValueAnswer | None
    after: ValueAnswer | None
    before_origin: OriginAnswer | None
    after_origin: OriginAnswer | None


class SideAnswer(Answer):
    """
    One of two snapshots that are compared.

    Attributes:
        role: what it is to the reader: this run's, live, the previous run's, or one that was named.
        snapshot: its id.
        digest: all 64 hex digits of it.
        commit: what it was published from; null if that is not known.
        lines_missing: why files and lines are not known, a clause for people; null if they are.
    """

    role: Literal["run", "live", "previous", "named"]
    snapshot: Text
    digest: str
    commit: CommitAnswer | None
    lines_missing: str | None


class DiffAnswer(Answer):
    """
    `api/dags/{dag_id}/diff`: what differs between a run's snapshot and another one, value by value.

    `live` is compared as what would come after the run; `previous` and a named snapshot as what came before it.

    Attributes:
        application: of which application.
        before: the older side, which changes start from.
        after: the newer side.
        changes: by document and pointer, at most 500.
        total: how many there are in all.
    """

    application: str
    before: SideAnswer
    after: SideAnswer
    changes: list[ChangeAnswer]
    total: int


class PinnedRunAnswer(Answer):
    """
    One epoch of one run that used a snapshot; a DAG run of this Airflow.

    Attributes:
        dag_id: of which DAG.
        run_id: which run; it may be deleted by now.
        epoch: of the run's pin; a run that came back to a snapshot is listed once for each epoch.
        asked: who asked for it, in one word.
        why: the same in a sentence for people.
        at: when it was decided.
        confirmed: false if the ledger could not be asked.
    """

    dag_id: DagId
    run_id: str
    epoch: int
    asked: AskedWord
    why: str
    at: datetime
    confirmed: bool


class SnapshotRunsAnswer(Answer):
    """
    `api/snapshots/{snapshot}/runs`: which runs used a snapshot, exactly, oldest first, page by page.

    Attributes:
        snapshot: its id.
        digest: all 64 hex digits of it.
        quarantined: whether it is barred from new pins.
        commit: what it was published from; null if that is not known.
        runs: at most 100, of DAGs that the reader may see; a page may be empty although there are more.
        elsewhere: how many on this page are runs of other installations, or backfills as a whole.
        next: `after` of the page that follows; null at the end.
    """

    snapshot: Text
    digest: str
    quarantined: bool
    commit: CommitAnswer | None
    runs: list[PinnedRunAnswer]
    elsewhere: int
    next: str | None


class CountAnswer(Answer):
    """How many pins name a snapshot; if `more`, at least so many, because counting stopped there."""

    count: int
    more: bool


class ChannelAnswer(LiveAnswer):
    """
    A channel of an application.

    Attributes:
        commit: what its snapshot was published from; null if that is not known.
        pins: how many runs, of any installation, were given its snapshot; null if the ledger does not answer.
    """

    commit: CommitAnswer | None
    pins: CountAnswer | None


class ApplicationAnswer(Answer):
    """One application and its channels, by name."""

    application: str
    channels: list[ChannelAnswer]


class ApplicationsAnswer(Answer):
    """
    `api/applications`: what is live in the environment and for the tenant of this Airflow.

    Attributes:
        environment: which environment.
        tenant: which tenant; null if there are none.
        channel: the channel that runs follow unless their DAG says otherwise.
        applications: by name, at most 200.
        problems: what is missing in this answer because something did not answer; mostly empty.
    """

    environment: str
    tenant: str | None
    channel: str
    applications: list[ApplicationAnswer]
    problems: list[ProblemAnswer]


class EventAnswer(Answer):
    """
    One line of an application's history.

    Attributes:
        kind: `publication` of a snapshot, `move` of the channel, or `rollback`, a move to an older snapshot.
        at: when.
        actor: who did it.
        snapshot: which snapshot was published, or the channel was moved to.
        quarantined: whether it is barred from new pins by now.
        commit: of a publication, what it was made from; null of a move.
        previous: of a move, where the channel was moved from; null if it is the first one, or a publication.
        revision: of a move, the channel's revision after it; null of a publication.
        reason: of a move, why; null of a publication.
    """

    kind: Literal["publication", "move", "rollback"]
    at: datetime
    actor: str
    snapshot: Text
    quarantined: bool
    commit: CommitAnswer | None
    previous: Text | None
    revision: int | None
    reason: str | None


class HistoryAnswer(Answer):
    """
    `api/applications/{application}/history`: publications, and moves of one channel.

    Attributes:
        application: which one.
        environment: in which environment.
        tenant: for which tenant; null if there are none.
        channel: whose moves these are.
        events: newest first, at most 100.
    """

    application: str
    environment: str
    tenant: str | None
    channel: str
    events: list[EventAnswer]


class ProblemsAnswer(Answer):
    """
    `api/problems`: what is wrong now; empty when all is well. It may be some seconds old.

    Attributes:
        problems: the worst first, at most 20.
        checked_at: when this was found out.
    """

    problems: list[ProblemAnswer]
    checked_at: datetime
