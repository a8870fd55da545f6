"""What the API answers about one run, and about the runs on one snapshot."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airflow_provider_runpin.ui.answers.parts import (
    Answer,
    AskedWord,
    CommitAnswer,
    DagId,
    LiveAnswer,
    ProblemAnswer,
    Text,
)


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
        environment: of which environment it is.
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
    environment: str
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


class RunAnswer(Answer):
    """
    `api/dags/{dag_id}/run`: what one run uses, and how that compares.

    Attributes:
        dag_id: of which DAG.
        run_id: which run.
        environment: the environment of this API server, which is as a rule that of the run's configuration.
        tenant: its tenant; null if there are none. Only configuration of its environment and tenant is compared.
        deployment: the name of this Airflow in pins.
        applications: by name; empty if the run has read nothing and nothing was proposed to it.
        parents: the runs it follows from, at most 100.
        problems: what is missing in this answer because something did not answer; mostly empty.
    """

    dag_id: DagId
    run_id: str
    environment: str
    tenant: str | None
    deployment: str
    applications: list[RunApplicationAnswer]
    parents: list[ParentAnswer]
    problems: list[ProblemAnswer]


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
