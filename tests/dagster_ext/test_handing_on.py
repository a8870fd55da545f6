"""Pins that a run hands on, by the tags of whatever Dagster launches for it: a sensor, a schedule, a backfill."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from dagster_classes import labels, pins_of, publish
from dagster_queue import LABEL, execute, look_again, submit
from dagster_runpin import RunpinResource, tags
from runpin.model import Asked
from runpin.proposing import read_proposal

if TYPE_CHECKING:
    from runpin.assembly import Runpin

Run = tuple[dg.DagsterRun, Mapping[str, str]]
Asks = Callable[[Mapping[str, str]], Mapping[str, str]]


@dg.op
def handing(runpin: RunpinResource) -> dict[str, str]:
    """Read, and return what a run that this one starts is to have."""
    runpin.config("payments/etl")
    return runpin.handed_on()


@dg.job(resource_defs={"runpin": RunpinResource()})
def reports() -> None:
    """Hand on what it uses."""
    handing()


def run(instance: dg.DagsterInstance, given: Mapping[str, str] | None = None) -> Run:
    """Execute the job, and return its run and what it hands on."""
    result = reports.execute_in_process(instance=instance, tags=given)
    found = instance.get_run_by_id(result.run_id)
    assert found is not None
    return found, result.output_for_node("handing")


def asked_by_a_sensor(handed: Mapping[str, str]) -> Mapping[str, str]:
    """Return the tags of a run that a sensor asks for."""

    @dg.sensor(job=reports)
    def following() -> dg.RunRequest:
        return dg.RunRequest("one", tags=handed)

    (request,) = following.evaluate_tick(dg.build_sensor_context()).run_requests or ()
    return request.tags


def asked_by_a_schedule(handed: Mapping[str, str]) -> Mapping[str, str]:
    """Return the tags of a run that a schedule asks for."""

    @dg.schedule(job=reports, cron_schedule="0 0 * * *")
    def nightly() -> dg.RunRequest:
        return dg.RunRequest("one", tags=handed)

    (request,) = nightly.evaluate_tick(dg.build_schedule_context()).run_requests or ()
    return request.tags


@pytest.mark.parametrize("asked", [asked_by_a_sensor, asked_by_a_schedule])
def test_a_run_that_is_asked_for(core: Runpin, instance: dg.DagsterInstance, asked: Asks) -> None:
    """It uses what it was handed though the channel has moved, hands the same on, and counts how many runs in a row."""
    first, handed = run(instance)
    publish(core)
    second, again = run(instance, asked(handed))
    publish(core)
    third, _ = run(instance, asked(again))
    pins = [pins_of(core, each)[0] for each in (first, second, third)]
    parents = [read_proposal(each.tags[tags.CARRIED], each.run_id).parent for each in (second, third)]

    assert 1 == len({pin.snapshot for pin in pins})
    assert [Asked.CHANNEL, Asked.PARENT, Asked.PARENT] == [pin.asked for pin in pins]
    assert [{LABEL: str(pins[0].snapshot)}] * 3 == [labels(each) for each in (first, second, third)]
    assert [(first.run_id, 1), (second.run_id, 2)] == [(p and p.run.rpartition(":")[2], p and p.depth) for p in parents]


def test_the_coordinator_shows_what_is_handed_on(core: Runpin, queue: dg.DagsterInstance) -> None:
    """Before the first step, also on the runs of a backfill, which agree."""
    first, handed = run(queue)
    publish(core)
    look_again(core, queue)
    asked = asked_by_a_sensor(handed)
    given = [asked, *[{**asked, tags.BACKFILL: "b1"}] * 2]
    submitted = [submit(queue, each) for each in given]
    used = [pins_of(core, execute(queue, each))[0].snapshot for each in submitted]
    (pin,) = pins_of(core, first)

    assert [{LABEL: str(pin.snapshot)}] * 3 == [labels(each) for each in submitted]
    assert [pin.snapshot] * 3 == used
