"""A started Dagster: its daemon launches runs that ask the rules first, and its pages show no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_stage import DagsterEngines
from demo.dagster_engine import DagsterEngine
from git_origin import Origin
from runpin.assembly import Runpin
from runpin.canonical import canonical, snapshot_of
from runpin.model import STABLE, Scope, SnapshotId, digest_of

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

DEFINITIONS = """
import os

import dagster as dg

from dagster_runpin import RunpinResource, build_config_assets, build_config_checks, config_asset_key

CONFIG = config_asset_key("payments/etl")


@dg.asset(deps=[CONFIG])
def settled(runpin: RunpinResource) -> int:
    return runpin.config("payments/etl")["size"]


definitions = dg.Definitions(
    assets=[build_config_assets(["payments/etl"]), settled],
    asset_checks=build_config_checks([CONFIG], rules=True),
    jobs=[
        dg.define_asset_job(
            "ruled", selection=dg.AssetSelection.assets(settled) | dg.AssetSelection.checks_for_assets(CONFIG)
        )
    ],
    resources={"runpin": RunpinResource(environment="prod", store=os.environ["OUR_STORE"])},
    executor=dg.in_process_executor,
)
"""
"""The store's URL is given as a text, which is not what the how-to page says: Dagster then knows it."""

MANIFEST = b"""\
format = 1
environments = ["prod"]

[applications.payments]
documents = ["payments/*.yaml"]
schemas = { etl = "etl.schema.json" }
"""
AT_MOST_5 = json.dumps({"properties": {"size": {"maximum": 5}}}).encode()
SCOPE = Scope("payments", "prod")
PAGE = """
query($r: ResourceSelector!) {
  topLevelResourceDetailsOrError(resourceSelector: $r) { __typename ... on ResourceDetails {
    configuredValues { key value type } configFields { name description defaultValueAsJson } } }
}
"""
LAUNCHPAD = """
query($p: PipelineSelector!) {
  runConfigSchemaOrError(selector: $p) { __typename ... on RunConfigSchema { rootDefaultYaml } }
}
"""


@pytest.fixture(scope="module")
def core(dagster_home: Path) -> Iterator[Runpin]:
    """Return the store that the runs read."""
    dagster_home.mkdir(exist_ok=True)
    store = f"sqlite:///{dagster_home / 'hush-hush.db'}"
    with Runpin.open(home=dagster_home / "runpin", environment="prod", store=store) as opened:
        yield opened


@pytest.fixture(scope="module")
def stage(dagster_engines: DagsterEngines, dagster_home: Path, core: Runpin) -> DagsterEngine:
    """Return a Dagster whose rules allow sizes up to 5."""
    origin = Origin(dagster_home / "config.git")
    origin.commit({"runpin.toml": MANIFEST, "payments/etl.yaml": b"size: 1\n", "etl.schema.json": AT_MOST_5})
    variables = {
        "OUR_STORE": core.settings.store_url.get_secret_value(),
        "RUNPIN_HOME": str(dagster_home / "runpin"),
        "RUNPIN_REPOSITORY": str(origin.path),
    }
    return dagster_engines.start(DEFINITIONS, environment=variables)


def publish(core: Runpin, size: int) -> SnapshotId:
    """Publish a size, which need not be one that the rules allow: they may have been others then."""
    from airflow_classes import COMMIT

    body = canonical({"size": size})
    core.store.put_objects({digest_of(body): body})
    snapshot = core.store.commit(snapshot_of(SCOPE, {"etl": digest_of(body)}), COMMIT, "ada").id
    moves = core.store.moves(SCOPE, STABLE, 1)
    revision = moves[0].channel.revision if moves else 0
    core.store.move(SCOPE, STABLE, snapshot, expected_revision=revision, actor="ada", reason="test")
    return snapshot


def ran(stage: DagsterEngine, run_config: dict[str, Any] | None = None) -> tuple[str, str, set[str]]:
    """Let the daemon launch the job; return how it ended, its Snapshot, and which steps began."""
    run = stage.api.wait_for_run(stage.api.launch("ruled", run_config=run_config or {}).id)
    steps = {event.step for event in stage.api.events(run.id, "STEP_START") if event.step}
    return run.status, run.tags["runpin/payments"], steps


def test_the_daemon_runs_what_the_rules_allow(stage: DagsterEngine, core: Runpin) -> None:
    """The check judges what the run is pinned to, in the process that the daemon launched, and the asset follows."""
    snapshot = publish(core, 4)
    status, pinned, steps = ran(stage)

    assert ("SUCCESS", str(snapshot)) == (status, pinned)
    assert 2 == len(steps)


def test_the_daemons_run_ends_before_it_works(stage: DagsterEngine, core: Runpin) -> None:
    """The rules deny the Snapshot, so the asset behind the check does not begin; the event log says why."""
    snapshot = publish(core, 9)
    status, pinned, steps = ran(stage)

    assert ("FAILURE", str(snapshot)) == (status, pinned)
    assert 1 == len(steps)
    assert "settled" not in steps


def test_no_page_shows_the_secret(stage: DagsterEngine, core: Runpin) -> None:
    """The resource's page and the launchpad show stars, and a run with these stars reads the store all the same."""
    repository = stage.api.repository()
    details = stage.api.query(PAGE, r={**repository, "resourceName": "runpin"})
    begins = stage.api.query(LAUNCHPAD, p={**repository, "pipelineName": "ruled"})
    snapshot = publish(core, 3)
    root = begins["runConfigSchemaOrError"]["rootDefaultYaml"]

    assert "hush-hush" not in json.dumps([details, begins])
    assert {"key": "store", "value": "********", "type": "SECRET"} in details["topLevelResourceDetailsOrError"][
        "configuredValues"
    ]
    assert "********" in root
    assert ("SUCCESS", str(snapshot)) == ran(stage, yaml.safe_load(root))[:2]
