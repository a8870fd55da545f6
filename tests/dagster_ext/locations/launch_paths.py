"""Everything that Dagster can launch, each step noting down the configuration that it sees."""

from __future__ import annotations

import json
from collections.abc import Iterator

import dagster as dg

from dagster_runpin import RunpinResource
from dagster_sightings import gate, look, pass_gate, step_context

READS = {"runpin.reads": "payments"}
PARTS = dg.StaticPartitionsDefinition(["a", "b", "c", "d"])


@dg.op(retry_policy=dg.RetryPolicy(max_retries=1))
def first(runpin: RunpinResource) -> int:
    """Look, and fail once."""
    seen = look(runpin)
    if seen.attempt == 0:
        raise RuntimeError("the first try fails")
    return seen.number


@dg.op
def beside(runpin: RunpinResource) -> int:
    """Look."""
    return look(runpin).number


@dg.op
def last(runpin: RunpinResource, left: int, right: int) -> int:
    """Look, and fail unless the run is a re-execution."""
    look(runpin)
    if step_context().run.parent_run_id is None:
        raise RuntimeError("the first run fails")
    return left + right


@dg.op
def once(runpin: RunpinResource) -> int:
    """Look."""
    return look(runpin).number


@dg.op
def stubborn(runpin: RunpinResource) -> None:
    """Look, and fail until the run is the retry of a retry."""
    look(runpin)
    run = step_context().run
    if run.parent_run_id == run.root_run_id:
        raise RuntimeError("a retry has to do it")


@dg.job(tags=READS, executor_def=dg.multiprocess_executor)
def parallel() -> None:
    """Run each step as a process of its own."""
    last(first(), beside())


@dg.job(tags=READS)
def failing() -> None:
    """Fail, and succeed when executed again."""
    last(once.alias("left")(), once.alias("right")())


@dg.job(tags=READS)
def reading() -> None:
    """Look once."""
    once()


@dg.job(tags={**READS, "dagster/max_retries": "2"})
def retried() -> None:
    """Fail until Dagster has retried it twice."""
    stubborn()


@dg.op
def waiting(runpin: RunpinResource, done: int) -> None:
    """Look, and fail in the first run, once the gate is open."""
    look(runpin)
    if step_context().run.parent_run_id is None:
        pass_gate("waiting")
        raise RuntimeError(f"a retry has to go beyond {done}")


@dg.job(tags={**READS, "runpin.rerun": "latest"})
def latest() -> None:
    """Fail, and use the latest when all of it is executed again."""
    last(once.alias("left")(), once.alias("right")())


@dg.job(tags={**READS, "dagster/max_retries": "1", "dagster/retry_strategy": "ALL_STEPS"})
def retried_whole() -> None:
    """Fail until Dagster has retried all of it."""
    waiting(once())


@dg.job(tags={**READS, "dagster/max_retries": "1"})
def retried_in_part() -> None:
    """Fail, and let Dagster retry what failed."""
    waiting(once())


@dg.op
def handing(runpin: RunpinResource) -> None:
    """Look, and leave the tags for a run that this one could start."""
    look(runpin)
    gate("handed").write_text(json.dumps(runpin.handed_on()))


@dg.job(tags=READS)
def parent() -> None:
    """Hand on what it uses."""
    handing()


@dg.op
def nothing() -> None:
    """Know nothing of runpin."""


@dg.job
def bystander() -> None:
    """Know nothing of runpin."""
    nothing()


@dg.asset
def plain(runpin: RunpinResource) -> None:
    """Look."""
    look(runpin)


@dg.asset(partitions_def=PARTS)
def parted(runpin: RunpinResource) -> None:
    """Look."""
    look(runpin)


@dg.asset(partitions_def=PARTS, deps=[parted])
def parted_on(runpin: RunpinResource) -> None:
    """Look."""
    look(runpin)


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-01-01"))
def dated(runpin: RunpinResource) -> None:
    """Look."""
    look(runpin)


@dg.asset
def cause() -> None:
    """Be what others depend on."""


@dg.asset(deps=[cause], automation_condition=dg.AutomationCondition.any_deps_updated())
def effect(runpin: RunpinResource) -> None:
    """Look, whenever its cause was made."""
    look(runpin)


@dg.sensor(job=reading, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def looking() -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for a run for each gate that was opened to it, with the tags that the gate's file holds."""
    opened = sorted(file.name for file in gate("").glob("sensor*"))
    for name in opened:
        yield dg.RunRequest(name, tags={"by": name, **json.loads(gate(name).read_text() or "{}")})
    if not opened:
        yield dg.SkipReason("no gate is open")


automation = dg.AutomationConditionSensorDefinition(
    "automation", target=[effect], default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=1
)

each_minute = dg.ScheduleDefinition(
    name="each_minute", job=reading, cron_schedule="* * * * *", default_status=dg.DefaultScheduleStatus.RUNNING
)

definitions = dg.Definitions(
    assets=[plain, parted, parted_on, dated, cause, effect],
    jobs=[parallel, failing, reading, retried, latest, retried_whole, retried_in_part, parent, bystander],
    sensors=[looking, automation],
    schedules=[each_minute],
    resources={"runpin": RunpinResource()},
    executor=dg.in_process_executor,
)
