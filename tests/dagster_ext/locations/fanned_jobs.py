"""Jobs whose steps are processes of their own, while every step publishes a new version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

import runpin
from dagster_classes import publish
from dagster_runpin import RunpinResource
from dagster_sightings import Seen, gate, look, note, shown_now, step_context
from runpin.assembly import Runpin
from runpin.model import STABLE, Scope


class NaiveResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The seeded bug: it looks where the channel stands whenever it is set up."""

    application: str = "payments"
    _found: tuple[str, int] = PrivateAttr(default=("", 0))

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Resolve the channel, as code without pins does."""
        del context
        with Runpin.open() as core:
            channel = core.store.channel(Scope(self.application, core.settings.environment), STABLE)
            snapshot = core.resolver.snapshot(channel.digest, channel.snapshot.sequence)
            self._found = str(channel.snapshot), core.resolver.document(snapshot, "etl")["number"]

    def look(self) -> Seen:
        """Note down what code without pins would use."""
        return note(step_context(), "naive", *self._found)


RESOURCES = {"runpin": RunpinResource(), "naive": NaiveResource()}
FORKED = {"forkserver": {"preload_modules": [__name__]}}
"""Steps are forked from a process that has imported everything, which is faster than Dagster's default by far."""

SOME_AT_ONCE = dg.multiprocess_executor.configured({"max_concurrent": 4, "start_method": FORKED})


def _look(resource: RunpinResource, naive: NaiveResource) -> None:
    publish(resource.core)
    step = step_context()
    shown = shown_now(step)
    number = runpin.get_config("payments/etl")["number"]
    note(step, "module", str(runpin.current_pins()["payments"].snapshot), number, shown)
    look(resource)
    naive.look()
    publish(resource.core)


@dg.op
def root(runpin: RunpinResource, naive: NaiveResource) -> int:
    """Look, beside its equals."""
    _look(runpin, naive)
    return 1


@dg.op(out=dg.DynamicOut(int))
def fan(runpin: RunpinResource, naive: NaiveResource, first: list[int]) -> Iterator[dg.DynamicOutput[int]]:
    """Look, and ask for three more steps."""
    _look(runpin, naive)
    for number in range(len(first) + 1):
        yield dg.DynamicOutput(number, mapping_key=f"n{number}")


@dg.op(retry_policy=dg.RetryPolicy(max_retries=1))
def mapped(runpin: RunpinResource, naive: NaiveResource, number: int) -> int:
    """Look, and fail the first time in one of the three."""
    _look(runpin, naive)
    if number == 1 and step_context().retry_number == 0:
        raise RuntimeError("the first try fails")
    return number


@dg.op
def collect(runpin: RunpinResource, naive: NaiveResource, numbers: list[int]) -> int:
    """Look, and fail until the gate is open."""
    _look(runpin, naive)
    if not gate("collect").exists():
        raise RuntimeError("not yet")
    return sum(numbers)


def fanned_job() -> dg.JobDefinition:
    """Return: parallel roots, a dynamic fan-out by three with one retry, and a step that fails for a while."""

    @dg.job(resource_defs=RESOURCES, executor_def=SOME_AT_ONCE)
    def fanned() -> None:
        roots = [root.alias(f"root_{each}")() for each in range(2)]
        collect(fan(roots).map(mapped).collect())

    return fanned


@dg.op
def early(runpin: RunpinResource) -> int:
    """Look, publish, come to a safe point in a first run only, and look again."""
    look(runpin, "before")
    publish(runpin.core)
    if step_context().run.parent_run_id is None:
        runpin.safe_point()
    look(runpin, "after")
    return 1


@dg.op
def late(runpin: RunpinResource, first: int) -> int:
    """Publish, look, and fail until the gate is open."""
    publish(runpin.core)
    seen = look(runpin, "late")
    step = step_context()
    note(step, "told at the start", step.run.tags.get("runpin/payments", ""), seen.number)
    if not gate("late").exists():
        raise RuntimeError("not yet")
    return first


def _switching(tags: dict[str, Any]) -> dg.JobDefinition:
    @dg.job(resource_defs={"runpin": RunpinResource()}, executor_def=SOME_AT_ONCE, tags=tags)
    def switching() -> None:
        late(early())

    return switching


def upgrading_job() -> dg.JobDefinition:
    """Return a job that may switch at its safe point."""
    return _switching({"runpin.behavior": "AUTO_UPGRADE"})


def keeping_job() -> dg.JobDefinition:
    """Return the same job, which declares nothing."""
    return _switching({})
