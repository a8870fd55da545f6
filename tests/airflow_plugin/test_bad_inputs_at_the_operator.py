"""
`ValidateConfigOperator(ref=...)` answers every bad file with a denial or a verdict, in time, and shows nothing of it.

All cases of the tables run, each as a branch of one real Git repository, with one warm child behind them.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_classes import in_task, starting
from bad_choice import ENDLESS, GOOD, Listener, found_in_lines, listening, table
from bad_doors import Doors, opened_doors
from bad_inputs import DOCUMENT, PLANTED
from runpin.assembly import default

SECONDS = 5.0
"""Of processor time in this process, which people feel as so many seconds where nobody else computes."""

LONG = 60.0
"""Seconds on the clock that nothing takes on the busiest machine; what is not ended goes on for minutes."""

NAMES = tuple(name for name in table() if name != ENDLESS.name)
COUNTS = ("errors", "warnings", "notes")


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How a task ended.

    Attributes:
        xcom: what it answered; None if it failed for good.
        failure: everything that could be shown of its failure.
    """

    xcom: dict[str, Any] | None
    failure: str = ""


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """Return somebody whom no schema may reach."""
    with listening() as found:
        yield found


@pytest.fixture(scope="module")
def doors(airflow_home: None, tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> Iterator[Doors]:
    """Return the repository of all cases; the core of this process gets the warm child."""
    del airflow_home
    with opened_doors(tmp_path_factory.mktemp("doors"), table(listener.address).values()) as made:
        default.cache_clear()
        # Airflow imports most of itself when it is first asked for something, which is nobody's answer.
        judge(made, GOOD)
        yield made
        default().close()
        default.cache_clear()


def judge(doors: Doors, ref: str) -> Outcome:
    """Execute the operator on a branch; whatever it raises that is no final failure is a fault."""
    from airflow.sdk.exceptions import AirflowFailException

    from airflow_provider_runpin.operators.config import ValidateConfigOperator

    operator = ValidateConfigOperator(task_id="validate", ref=ref, repository=str(doors.cli.config))
    try:
        return Outcome(operator.execute(in_task(starting())))
    except AirflowFailException as error:
        return Outcome(None, f"{error!r} {''.join(traceback.format_exception(error))}")


@pytest.mark.parametrize("name", NAMES)
def test_the_operator_answers(
    name: str,
    doors: Doors,
    listener: Listener,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It denies for good and logs rule and file, or accepts; nothing is fetched, and no value is shown or logged."""
    bad = table()[name]
    with caplog.at_level(logging.DEBUG):
        started, used = time.monotonic(), time.process_time()
        outcome = judge(doors, name)
        took, used = time.monotonic() - started, time.process_time() - used
    said = "".join(capfd.readouterr())

    assert sorted(bad.found) == found_in_lines(said)
    assert bool(bad.found) == (outcome.xcom is None)
    assert (used < SECONDS, took < LONG) == (True, True), (used, took)
    assert PLANTED not in json.dumps(outcome.xcom) + outcome.failure + said + caplog.text
    assert listener.nobody_came()


def test_what_takes_exponentially_long_is_a_denial(doors: Doors, capfd: pytest.CaptureFixture[str]) -> None:
    """The child ends at its limit, the log names the document, and the worker's next task has a child again."""
    outcome = judge(doors, ENDLESS.name)
    said = "".join(capfd.readouterr())

    assert outcome.xcom is None
    assert [("CheckFailed", f"{DOCUMENT}.json")] == found_in_lines(said)
    assert PLANTED not in outcome.failure + said
    assert judge(doors, GOOD).xcom is not None


def test_the_worker_still_answers(doors: Doors) -> None:
    """After all of the above a good commit is accepted, without a word against it."""
    xcom = judge(doors, GOOD).xcom

    assert xcom is not None
    assert [0, 0, 0] == [xcom[count] for count in COUNTS]
    assert doors.cli.git("rev-parse", GOOD) == xcom["commit"]
