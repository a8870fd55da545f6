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

from airflow_provider_runpin.ui.answers.channels import (
    ApplicationAnswer,
    ApplicationsAnswer,
    ChannelAnswer,
    CountAnswer,
    EventAnswer,
    HistoryAnswer,
    ProblemsAnswer,
)
from airflow_provider_runpin.ui.answers.diffs import ChangeAnswer, DiffAnswer, OriginAnswer, SideAnswer, ValueAnswer
from airflow_provider_runpin.ui.answers.parts import Answer, CommitAnswer, ErrorAnswer, LiveAnswer, ProblemAnswer
from airflow_provider_runpin.ui.answers.runs import (
    NamedSnapshotAnswer,
    OverrideAnswer,
    ParentAnswer,
    PinAnswer,
    PinnedRunAnswer,
    PreviousAnswer,
    RunAnswer,
    RunApplicationAnswer,
    SnapshotRunsAnswer,
)

__all__ = [
    "Answer",
    "ApplicationAnswer",
    "ApplicationsAnswer",
    "ChangeAnswer",
    "ChannelAnswer",
    "CommitAnswer",
    "CountAnswer",
    "DiffAnswer",
    "ErrorAnswer",
    "EventAnswer",
    "HistoryAnswer",
    "LiveAnswer",
    "NamedSnapshotAnswer",
    "OriginAnswer",
    "OverrideAnswer",
    "ParentAnswer",
    "PinAnswer",
    "PinnedRunAnswer",
    "PreviousAnswer",
    "ProblemAnswer",
    "ProblemsAnswer",
    "RunAnswer",
    "RunApplicationAnswer",
    "SideAnswer",
    "SnapshotRunsAnswer",
    "ValueAnswer",
]
