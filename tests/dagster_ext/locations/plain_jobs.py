"""Small jobs: one step that reads, and one that does not know of runpin."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
from dagster_shared.serdes import serialize_value

from dagster_classes import take_away
from dagster_ext.locations.fanned_jobs import SOME_AT_ONCE
from dagster_runpin import RunpinResource
from dagster_sightings import gate, look, step_context
from runpin.model import Scope

RESOURCES = {"runpin": RunpinResource()}


@dg.op
def bystander() -> int:
    """Do work that needs no configuration."""
    return 1


@dg.op
def reader(runpin: RunpinResource) -> int:
    """Look, and fail afterwards while the gate is closed."""
    number = look(runpin).number
    if gate("fail").exists():
        raise RuntimeError("the gate says so")
    return number


@dg.op
def breaker(runpin: RunpinResource) -> int:
    """Look, take the store away, and look again."""
    look(runpin)
    take_away(Path(os.environ["RUNPIN_HOME"]))
    return look(runpin, "store away").number


@dg.op
def follower(runpin: RunpinResource, first: int) -> int:
    """Look, in a process that has never seen the store."""
    return look(runpin).number - first


@dg.op
def loser(runpin: RunpinResource) -> int:
    """Look, and lose the label as a lost update of Dagster's does: the run forgets it, the index does not."""
    number = look(runpin).number
    instance, run = step_context().instance, step_context().run
    database = Path(instance.root_directory) / "history" / "runs.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        statement = "UPDATE runs SET run_body = ? WHERE run_id = ?"
        changed = connection.execute(statement, (serialize_value(run.with_tags({})), run.run_id))
        if changed.rowcount != 1:
            raise RuntimeError("nothing was lost")
    return number


def reading_job() -> dg.JobDefinition:
    """Return a job in one process."""

    @dg.job(resource_defs=RESOURCES, executor_def=dg.in_process_executor)
    def reading() -> None:
        bystander()
        reader()

    return reading


def parallel_job() -> dg.JobDefinition:
    """Return the same, each step as its own process."""

    @dg.job(resource_defs=RESOURCES, executor_def=SOME_AT_ONCE)
    def parallel() -> None:
        bystander()
        reader()

    return parallel


def racing_job() -> dg.JobDefinition:
    """Return a job whose steps read for the first time at once."""

    @dg.job(resource_defs=RESOURCES, executor_def=SOME_AT_ONCE)
    def racing() -> None:
        for number in range(4):
            reader.alias(f"reader_{number}")()

    return racing


def breaking_job() -> dg.JobDefinition:
    """Return a job whose store goes away between its steps."""

    @dg.job(resource_defs=RESOURCES, executor_def=SOME_AT_ONCE)
    def breaking() -> None:
        follower(breaker())

    return breaking


def losing_job() -> dg.JobDefinition:
    """Return a job whose label is lost between its steps."""

    @dg.job(resource_defs=RESOURCES, executor_def=SOME_AT_ONCE)
    def losing() -> None:
        follower(loser())

    return losing


def scope() -> Scope:
    """Return the scope that the jobs read."""
    return Scope("payments", "prod")
