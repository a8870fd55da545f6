"""What a scheduler has heard of the ends of its tasks' processes, by its log: Airflow's API tells nothing of that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from demo.engine import AirflowEngine
from demo.processes import wait_until

Attempt = tuple[str, int, int]
"""Task, map index and number of the try."""

_HEARD = re.compile(
    r"executor event with state (?:success|failed) for task instance TaskInstanceKey\(dag_id='([^']*)', "
    r"task_id='([^']*)', run_id='([^']*)', try_number=(\d+), map_index=(-?\d+)\)"
)


def heard(engine: AirflowEngine, dag_id: str, run_id: str) -> Counter[Attempt]:
    """Return how often the scheduler has heard that a process of each try of a run has ended."""
    found = _HEARD.findall(engine.logs("scheduler"))
    return Counter(
        (task, int(index), int(number)) for dag, task, run, number, index in found if (dag, run) == (dag_id, run_id)
    )


def wait_until_heard(
    engine: AirflowEngine, dag_id: str, run_id: str, attempts: Collection[Attempt], times: int = 1
) -> None:
    """
    Wait until the scheduler has heard of the end of a process of each of *attempts*, so that they may be queued again.

    It hears that a moment after the run shows it. A try of the same name that is queued before that is taken for the
    old one, killed, and fails.
    """

    def all_of_them() -> bool:
        told = heard(engine, dag_id, run_id)
        return all(told[each] >= times for each in attempts)

    assert wait_until(all_of_them, 120.0, pause=0.2), (attempts, heard(engine, dag_id, run_id))
