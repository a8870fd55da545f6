"""What the API answers about applications, their channels and history, and about problems."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airflow_provider_runpin.ui.answers.parts import Answer, CommitAnswer, LiveAnswer, ProblemAnswer, Text


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
