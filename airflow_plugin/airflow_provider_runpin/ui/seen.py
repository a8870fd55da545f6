"""
What Airflow's own database tells about a run: the run before it, and the runs it follows from.

Airflow's models are asked, each time in a session that ends before runpin is asked anything: a store that takes its
time must not hold connections that the API server needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun  # noqa: TID253 - only the API server imports this module
from airflow.utils.session import create_session  # noqa: TID253 - only the API server imports this module

from runpin.errors import InvalidProposal, NotFound
from runpin.model import RunKey
from runpin.proposing import KEY, Proposal, read_proposal
from runpin.showing import SeenLink, SeenRun, Story

if TYPE_CHECKING:
    from collections.abc import Collection

_MOST_PARENTS = 100


def story_of(dag_id: str, run_id: str, deployment: str, readable: Collection[str]) -> Story:
    """
    Return what is known about a run.

    Args:
        dag_id: of which DAG.
        run_id: which run.
        deployment: the name of this Airflow in pins.
        readable: the DAGs that the reader may see; what runs of others produced is left out.

    Raises:
        NotFound: there is no such run.
    """
    with create_session(scoped=False) as session:
        run = DagRun.find_duplicate(dag_id, run_id, session=session)
        if run is None:
            raise NotFound("there is no such run", where=f"DAG {dag_id[:250]}")
        before = _before(session, run)
        seen = _seen(run, deployment)
        parents = [*_starter(session, seen, deployment, readable), *_makers(session, run, deployment, readable)]
        return Story(seen, None if before is None else _seen(before, deployment), parents)


def _before(session: Any, run: DagRun) -> DagRun | None:
    # By when they were due and not by logical date, which runs that assets or people start need not have.
    same_moment = (DagRun.run_after == run.run_after) & (DagRun.id < run.id)
    earlier = session.query(DagRun).filter(
        DagRun.dag_id == run.dag_id, (DagRun.run_after < run.run_after) | same_moment
    )
    found: DagRun | None = earlier.order_by(DagRun.run_after.desc(), DagRun.id.desc()).first()
    return found


def _starter(session: Any, child: SeenRun, deployment: str, readable: Collection[str]) -> list[SeenLink]:
    # Whoever triggers a run may write what they like, so only a run that there is, and that may be seen, is told.
    parent, here = child.proposal.parent, f"airflow:{deployment}:"
    if parent is None or not parent.run.startswith(here):
        return []
    dag_id, _, run_id = parent.run.removeprefix(here).partition(":")
    found = DagRun.find_duplicate(dag_id, run_id, session=session) if dag_id in readable else None
    return [] if found is None else [SeenLink("trigger", _seen(found, deployment))]


def _makers(session: Any, run: Any, deployment: str, readable: Collection[str]) -> list[SeenLink]:
    assets: dict[tuple[str, str], str] = {}
    for event in run.consumed_asset_events:
        if event.source_dag_id in readable and event.source_run_id and len(assets) < _MOST_PARENTS:
            assets.setdefault((event.source_dag_id, event.source_run_id), event.asset.uri if event.asset else "")
    if not assets:
        return []
    dags, runs = ({place[part] for place in assets} for part in (0, 1))
    found = {(each.dag_id, each.run_id): each for each in DagRun.find(list(dags), runs, session=session)}
    return [SeenLink("asset", _seen(found[each], deployment), assets[each]) for each in assets if each in found]


def _seen(run: DagRun, deployment: str) -> SeenRun:
    try:
        proposal = read_proposal((run.conf or {}).get(KEY), run.run_id)
    except InvalidProposal:
        # Its tasks say so; it has no pin.
        proposal = Proposal()
    # As `context.run_of` does for the run's tasks.
    incarnation = proposal.incarnation or run.run_after.isoformat()
    return SeenRun(RunKey("airflow", deployment, run.dag_id, run.run_id, incarnation), proposal)
