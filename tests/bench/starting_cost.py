"""Starting: what the imports cost, alone and in a process that has Airflow already, and what a proposal costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from measuring import Row, interleave

from runpin.proposing import complete, read_proposal
from runpin.watching import ChannelWatch
from world import World

TIMES = 5
FIRST_READ = (
    "airflow_provider_runpin.context, runpin.settings, runpin.stores.sql, runpin.ledgers.sql, runpin.stores.disk"
)


def rows(folder: Path) -> Iterator[Row]:
    """Measure imports in fresh processes, and the work of the listener in this one."""
    bare = _import_cost("runpin", "")
    yield Row("import", "runpin", bare, budget="<= 40 ms")
    parse = _import_cost("airflow_provider_runpin, runpin", "import airflow.sdk")
    yield Row("import", "what a DAG file adds to airflow.sdk", parse, budget="<= 5 ms")
    yield Row("import", "what the first read in a task adds", _import_cost(FIRST_READ, "import airflow.sdk"))
    yield Row(
        "import",
        "peer: sqlalchemy + jsonschema + pydantic_settings",
        _import_cost("sqlalchemy, jsonschema, pydantic_settings", ""),
    )
    yield from _propose(folder)


def _import_cost(module: str, before: str) -> float:
    code = f"{before}\nimport time\nt = time.perf_counter()\nimport {module}\nprint(time.perf_counter() - t)"
    taken = []
    for _ in range(TIMES):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        taken.append(float(done.stdout.split()[-1]))
    return statistics.median(taken)


def _propose(folder: Path) -> Iterator[Row]:
    world = World(folder)
    world.publish({"etl": {"batch_size": 1}})
    watch = ChannelWatch(
        world.store, world.ledger, world.host().resolver, world.clock, environment="prod", tenant=None, interval=60
    )
    watch.wait_for_view(5)
    taken = interleave(
        {"propose": lambda: complete(read_proposal(None, "r1"), "r1", watch.present(["payments"])).as_json()}
    )
    watch.stop()
    yield Row("propose", "one application, warm view", taken["propose"], budget="<= 1 ms")
