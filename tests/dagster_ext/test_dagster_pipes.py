"""Pinned configuration in a process that Dagster starts through Pipes, and that has neither Dagster nor a store."""

import hashlib
import json
import sys
from typing import Any

import dagster as dg
import pytest

from dagster_runpin import RunpinResource
from dagster_runpin.testing import fixed_config

# Dagster's own Pipes client asks its own context in the old way, and uses a preview of its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore:AssetExecutionContext.run_id is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Function `PipesMessageReader.expected_writer_count`:dagster.PreviewWarning"),
]

DOCUMENTS = {
    "payments/etl": {"batch_size": 500, "password_from": "the-value-of-this"},
    "reports/daily": {"title": "Day"},
}

WORKER = """
import hashlib, json, sys
from dagster_pipes import open_dagster_pipes
from runpin.handing_over import take_over

with open_dagster_pipes() as pipes:
    extra = pipes.get_extra("runpin")
    config = take_over(extra)
    bodies = {path: each["body"].encode() for path, each in extra["documents"].items()}
    seen = {
        "digests": {path: hashlib.sha256(body).hexdigest() for path, body in bodies.items()},
        "rows": len(config.get_config("payments/etl").get("rows", ())),
        "snapshots": {name: str(snapshot) for name, snapshot in config.snapshots.items()},
        "loaded": sorted({name.partition(".")[0] for name in sys.modules}),
    }
    pipes.report_asset_materialization(metadata={"seen": {"type": "json", "raw_value": seen}})
"""
"""Does nothing to show which snapshot it used: that is the adapter's."""


def tampered(extras: dict[str, Any]) -> dict[str, Any]:
    """Return *extras* with another batch size."""
    return json.loads(json.dumps(extras).replace("500", "501"))  # type: ignore[no-any-return]


class Settlement(dg.Config):
    """What is handed over, and whether somebody changes it on its way."""

    paths: list[str]
    tampered: bool = False


@dg.asset
def settlement(
    context: dg.AssetExecutionContext, config: Settlement, runpin: RunpinResource, pipes: dg.PipesSubprocessClient
) -> dg.MaterializeResult[Any]:
    """Leave the work to another process."""
    extras = runpin.pipes_extras(*config.paths)
    done = pipes.run(
        command=[sys.executable, "-c", WORKER],
        context=context,
        extras=tampered(extras) if config.tampered else extras,
    )
    return done.get_materialize_result()


def settle(runpin: RunpinResource, *paths: str, changed: bool = False) -> dg.ExecuteInProcessResult:
    """Materialise it."""
    config = {"ops": {"settlement": {"config": {"paths": list(paths), "tampered": changed}}}}
    resources = {"runpin": runpin, "pipes": dg.PipesSubprocessClient()}
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [settlement], resources=resources, run_config=config, instance=instance, raise_on_error=False
        )


def told(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Return the metadata of the one materialisation."""
    (event,) = result.asset_materializations_for_node("settlement")
    return {key: value.value for key, value in event.metadata.items()}


def test_both_sides_use_the_same_documents() -> None:
    """The bytes that the other process read hash to what this run's snapshot says, and ids agree."""
    double = fixed_config(DOCUMENTS)
    metadata = told(settle(double, "payments/etl", "reports/daily"))
    digests = {path: double.run.snapshot(path.split("/")[0]).documents[path.split("/")[1]] for path in DOCUMENTS}

    assert metadata["seen"]["digests"] == digests
    assert metadata["seen"]["snapshots"] == {name: str(double.snapshot(name)) for name in ("payments", "reports")}


def test_the_materialisation_carries_the_snapshot() -> None:
    """The worker reports something of its own; the run adds what it handed over, and only that."""
    double = fixed_config(DOCUMENTS)
    metadata = told(settle(double, "payments/etl"))
    added = {key: value for key, value in metadata.items() if key.startswith("runpin/")}

    assert added == {
        "runpin/payments": str(double.snapshot("payments")),
        "runpin/payments/etl": metadata["seen"]["digests"]["payments/etl"],
    }


def test_the_other_side_needs_nothing_heavy() -> None:
    """It imports `dagster_pipes` and the core, but no Dagster, no database and no model library."""
    loaded = set(told(settle(fixed_config(DOCUMENTS), "payments/etl"))["seen"]["loaded"])

    assert loaded >= {"dagster_pipes", "runpin"}
    assert not loaded & {"dagster", "dagster_runpin", "sqlalchemy", "alembic", "jsonschema", "pydantic", "yaml"}


def test_a_document_of_megabytes_arrives() -> None:
    """Pipes writes extras into a file, so a document has no such limit as a command line's."""
    rows = [hashlib.sha256(str(each).encode()).hexdigest() for each in range(46_000)]
    double = fixed_config({"payments/etl": {"rows": rows}})
    metadata = told(settle(double, "payments/etl"))

    assert len(double.run.body("payments/etl")) > 3_000_000
    assert (metadata["seen"]["rows"], metadata["seen"]["digests"]["payments/etl"]) == (
        len(rows),
        double.run.snapshot("payments").documents["etl"],
    )


def test_what_was_changed_on_the_way_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    """The other side fails with a typed error, and no value gets into its output or the run's log."""
    result = settle(fixed_config(DOCUMENTS), "payments/etl", changed=True)
    said = "".join(capfd.readouterr()) + "".join(str(event) for event in result.all_events)

    assert not result.success
    assert "StoreCorrupt" in said
    assert "document payments/etl as handed over" in said
    assert [value for value in ("the-value-of-this", "501") if value in said] == []


def test_an_unknown_document_is_not_handed_over() -> None:
    """The step fails before a process is started, and says which documents there are."""
    result = settle(fixed_config(DOCUMENTS), "payments/elt")
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    error = failure.step_failure_data.error

    assert error is not None
    assert "it has: etl" in error.to_string()


def test_a_call_outside_of_an_asset_works() -> None:
    """Extras are plain JSON values, so that a unit test can look at them without any process."""
    extras = fixed_config(DOCUMENTS).pipes_extras("payments/etl")

    assert extras == json.loads(json.dumps(extras))
    assert list(extras["runpin"]["documents"]) == ["payments/etl"]
