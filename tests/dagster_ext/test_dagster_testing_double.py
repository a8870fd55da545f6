"""The double for users' unit tests: the same interface, values and errors as a run against a store."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from pydantic import BaseModel, ValidationError

import runpin as library
from dagster_runpin import RunpinResource
from dagster_runpin.testing import fixed_config
from runpin.errors import InvalidConfig, ModelRejected, NoRun, UnknownChannel, UnknownDocument
from runpin.handing_over import take_over

DOCUMENTS = {"payments/etl": {"batch_size": 500, "hosts": ["a", "b"]}, "reports/daily": {"title": "Day"}}


class Etl(BaseModel):
    """What the assets here read."""

    batch_size: int


@dg.asset
def payments(runpin: RunpinResource) -> dict[str, Any]:
    """Read in each way there is."""
    etl = runpin.config("payments/etl", model=Etl)
    return {
        "typed": etl.batch_size,
        "mapping": runpin.config("payments/etl")["batch_size"],
        "function": library.get_config("payments/etl")["batch_size"],
        "snapshot": str(runpin.snapshot("payments")),
        "handed": take_over(runpin.pipes_extras("payments/etl")["runpin"]).get_config("payments/etl")["batch_size"],
    }


@dg.op
def batch(runpin: RunpinResource) -> int:
    """Read on both sides of a safe point."""
    before = runpin.config("payments/etl", model=Etl)
    pins = runpin.safe_point()
    after = runpin.config("payments/etl", model=Etl)
    return before.batch_size + after.batch_size + pins["payments"].epoch


@dg.job(tags={"runpin.behavior": "AUTO_UPGRADE"})
def rebuild() -> None:
    """Run one batch."""
    batch()


def test_an_asset_called_directly_reads_the_documents() -> None:
    """A unit test needs no run: the asset is a function, and the double its argument."""
    found = payments(runpin=fixed_config(DOCUMENTS))

    assert found == {
        "typed": 500,
        "mapping": 500,
        "function": 500,
        "snapshot": str(fixed_config(DOCUMENTS).snapshot("payments")),
        "handed": 500,
    }


def test_a_materialisation_says_what_made_it() -> None:
    """In `dg.materialize` the metadata are as in production: the snapshot's id and the document's digest."""
    double = fixed_config(DOCUMENTS)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([payments], resources={"runpin": double}, instance=instance)
    (event,) = result.asset_materializations_for_node("payments")
    told = {key: value.value for key, value in event.metadata.items() if key.startswith("runpin/")}

    assert told == {
        "runpin/payments": str(double.snapshot("payments")),
        "runpin/payments/etl": double.run.snapshot("payments").documents["etl"],
    }


def test_a_job_runs_on_the_double() -> None:
    """Ops get the same, and a safe point changes nothing, whatever the job declares."""
    double = fixed_config(DOCUMENTS)
    with dg.DagsterInstance.ephemeral() as instance:
        result = rebuild.execute_in_process(resources={"runpin": double}, instance=instance)

    assert result.output_for_node("batch") == 1000


def test_the_double_needs_no_run_at_all() -> None:
    """A function of the user's that takes the resource is called with it as it is."""
    double = fixed_config(DOCUMENTS, environment="prod")

    assert double.config("reports/daily") == {"title": "Day"}
    assert str(double.pin("reports").snapshot).startswith("reports.prod.v1.")


def test_a_context_that_is_built_for_the_test_carries_the_double() -> None:
    """Dagster's own way to hand resources over works too."""
    with dg.build_asset_context(resources={"runpin": fixed_config(DOCUMENTS)}) as context:
        found = context.resources.runpin.config("payments/etl", Etl)

    assert found.batch_size == 500


def test_the_same_documents_are_the_same_snapshot() -> None:
    """Ids are safe to compare between tests; another value, and only that, makes another one."""
    first, again = fixed_config(DOCUMENTS), fixed_config(dict(reversed(DOCUMENTS.items())))
    other = fixed_config({**DOCUMENTS, "reports/daily": {"title": "Week"}})

    assert first.pin("reports") == again.pin("reports")
    assert first.snapshot("reports") != other.snapshot("reports")
    assert first.snapshot("payments") == other.snapshot("payments")


def test_values_are_read_only() -> None:
    """Code that would change what others read fails in its unit test, not in production."""
    double = fixed_config(DOCUMENTS)
    value: Any = double.config("payments/etl")
    typed = double.config("payments/etl", Etl)

    with pytest.raises(TypeError):
        value["batch_size"] = 1
    with pytest.raises(ValidationError):
        typed.batch_size = 1
    assert value["hosts"] == ("a", "b")


def test_later_changes_of_the_documents_are_not_seen() -> None:
    """What was handed in was copied."""
    documents = {"payments/etl": {"batch_size": 1}}
    double = fixed_config(documents)
    documents["payments/etl"]["batch_size"] = 2

    assert double.config("payments/etl", Etl).batch_size == 1


def test_errors_are_those_of_the_real_resource() -> None:
    """A misspelt document is told the names there are; a model that does not fit names the field."""
    double = fixed_config({"payments/etl": {"batch_size": "many"}})

    with pytest.raises(UnknownDocument, match="no document 'elt'") as unknown:
        double.config("payments/elt")
    with pytest.raises(ModelRejected, match="batch_size"):
        double.config("payments/etl", Etl)
    with pytest.raises(UnknownChannel, match="reports"):
        double.config("reports/daily")
    assert unknown.value.fix == "it has: etl"


@pytest.mark.parametrize("value", [["secret"], {"at": float("nan")}, {1: "secret"}, {"at": object()}, None])
def test_what_no_document_can_be_is_refused(value: Any) -> None:
    """The error names the document and repeats no value of it."""
    with pytest.raises(InvalidConfig, match="payments/etl") as refused:
        fixed_config({"payments/etl": value})

    assert "secret" not in str(refused.value)


def test_a_path_that_cannot_be_one_is_refused() -> None:
    """A mistake in the test is found where it was made."""
    with pytest.raises(UnknownDocument, match="names no document"):
        fixed_config({"etl": {}})


def test_the_double_opens_no_store() -> None:
    """Code that asks for the wired core does not get the one of whoever runs the tests."""
    with pytest.raises(NoRun, match="has no store"):
        _ = fixed_config(DOCUMENTS).core
