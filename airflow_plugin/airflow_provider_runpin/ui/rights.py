"""Who may ask: for every question Airflow's own rights decide, whatever auth manager there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow.api_fastapi.app import get_auth_manager  # noqa: TID253 - only the API server imports this module
from airflow.api_fastapi.auth.managers.models.resource_details import (  # noqa: TID253 - likewise
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag  # noqa: TID253 - likewise
from fastapi import HTTPException

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

reads_runs_of_the_dag = requires_access_dag("GET", DagAccessEntity.RUN)
"""Lets pass who may read the runs of the DAG that the path names."""


def reads_dags(user: GetUserDep) -> None:
    """Let pass who may read DAGs in general."""
    _reads_in_general(user, None)


def reads_runs(user: GetUserDep) -> None:
    """Let pass who may read runs in general."""
    _reads_in_general(user, DagAccessEntity.RUN)


GUARDS: frozenset[Callable[..., None]] = frozenset({reads_runs_of_the_dag, reads_dags, reads_runs})
"""Each route has one of them."""


def readable(user: GetUserDep) -> set[str]:
    """Return the DAGs that the reader may see."""
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET")


def _reads_in_general(user: BaseUser, entity: DagAccessEntity | None) -> None:
    # Airflow's own `requires_access_dag` would ask about any DAG that the reader adds to the query.
    if not get_auth_manager().is_authorized_dag(method="GET", access_entity=entity, details=DagDetails(), user=user):
        raise HTTPException(403, "Forbidden")
