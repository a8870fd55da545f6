"""The check that asks the rules of today about the configuration that is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_classes import failures, publish_documents, run_job
from dagster_ext.locations.ruled_jobs import ruled
from dagster_reacting import etl, named
from dagster_runpin import RunpinResource, build_config_assets, build_config_checks, config_asset_key
from git_origin import Origin
from runpin.assembly import Runpin

CONFIG = config_asset_key("payments/etl")
ALLOWED = "config_allowed"
MANIFEST = b"""\
format = 1
environments = ["prod"]

[applications.payments]
documents = ["payments/*.yaml"]
schemas = { etl = "etl.schema.json" }
"""


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    """Return a config repository whose rules allow sizes up to 5."""
    made = Origin(tmp_path / "config.git")
    made.commit({"runpin.toml": MANIFEST, "payments/etl.yaml": b"size: 1\n"})
    allow(made, 5)
    return made


def allow(origin: Origin, most: int) -> None:
    """Commit the rule that a size is at most *most*."""
    origin.commit({"etl.schema.json": json.dumps({"properties": {"size": {"maximum": most}}}).encode()})


def execute(
    instance: dg.DagsterInstance, repository: str | None, selection: dg.AssetSelection
) -> dg.ExecuteInProcessResult:
    """Materialise, and check, what is selected."""
    checks = build_config_checks([etl, named, CONFIG], rules=True, repository=repository)
    return dg.materialize(
        [build_config_assets(["payments/etl", "payments/fees"]), etl, named, *checks],
        selection=selection,
        instance=instance,
        resources={"runpin": RunpinResource()},
        raise_on_error=False,
    )


def check_of(key: dg.AssetKey) -> dg.AssetSelection:
    """Select the check of one asset alone."""
    return dg.AssetSelection.checks(dg.AssetCheckKey(key, ALLOWED))


def judged(instance: dg.DagsterInstance, origin: Origin, key: dg.AssetKey) -> dg.AssetCheckEvaluation:
    """Return what the check of one asset says."""
    (found,) = execute(instance, str(origin.path), check_of(key)).get_asset_check_evaluations()
    return found


def worked(result: dg.ExecuteInProcessResult) -> list[str]:
    """Return the assets that were materialised."""
    return [event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key]


def test_rules_are_asked_only_on_demand() -> None:
    """A config asset is never out of sync, so it has the one check only; both kinds have names of their own."""
    plain, ruled = (
        [spec for each in build_config_checks([etl, CONFIG], rules=rules) for spec in each.check_specs]
        for rules in (False, True)
    )

    assert ["config_in_sync"] * 2 == [spec.name for spec in plain]
    assert [
        ("etl", "config_in_sync", False),
        ("etl", ALLOWED, True),
        ("config/payments/etl", ALLOWED, True),
    ] == [(spec.asset_key.to_user_string(), spec.name, spec.blocking) for spec in ruled]


def test_what_was_used_is_judged(core: Runpin, instance: dg.DagsterInstance, origin: Origin) -> None:
    """After the rules became stricter the same materialisation is denied, with the findings and without the value."""
    snapshot = publish_documents(core, {"etl": {"size": 4}})
    execute(instance, str(origin.path), dg.AssetSelection.assets(etl))
    before = judged(instance, origin, etl.key)
    allow(origin, 3)
    after = judged(instance, origin, etl.key)

    assert (True, False) == (before.passed, after.passed)
    assert dg.AssetCheckSeverity.ERROR == after.severity
    assert "- error: `etl#/size: must be at most 3" in str(after.metadata["findings"].value)
    assert (str(snapshot), origin.sha("main")) == (after.metadata["snapshots"].value, after.metadata["commit"].value)
    assert "findings" not in before.metadata
    assert "deny" in (after.description or "")


def test_warnings_are_shown_and_block_nothing(core: Runpin, instance: dg.DagsterInstance, origin: Origin) -> None:
    """A document that is declared no more is worth a look, not a stop."""
    publish_documents(core, {"etl": {"size": 4}, "old": {"a": 1}})
    result = execute(instance, str(origin.path), dg.AssetSelection.assets(etl) | check_of(CONFIG))
    (found,) = [each for each in result.get_asset_check_evaluations() if each.asset_key == CONFIG]

    assert (True, ["etl"]) == (result.success, worked(result))
    assert (False, dg.AssetCheckSeverity.WARN) == (found.passed, found.severity)
    assert "- warning: `old#: payments has no document 'old'" in str(found.metadata["findings"].value)


def test_a_denied_run_does_not_work(core: Runpin, instance: dg.DagsterInstance, origin: Origin) -> None:
    """The check of the config asset judges what this run is pinned to, before the assets behind it start."""
    snapshot = publish_documents(core, {"etl": {"size": 9}})
    result = execute(instance, str(origin.path), dg.AssetSelection.assets(etl) | check_of(CONFIG))
    run = instance.get_run_by_id(result.run_id)
    (found,) = result.get_asset_check_evaluations()

    assert (False, [], False) == (result.success, worked(result), found.passed)
    assert str(snapshot) == found.metadata["snapshots"].value
    assert run is not None
    assert str(snapshot) == run.tags["runpin/payments"]


def test_rules_that_cannot_be_read_let_nothing_pass(core: Runpin, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """The step fails and says why: nobody named the repository, it is not there, or git is missing."""
    publish_documents(core, {"etl": {"size": 1}})
    selection = dg.AssetSelection.assets(etl) | check_of(CONFIG)
    unnamed = execute(instance, None, selection)
    away = execute(instance, str(tmp_path / "nowhere"), selection)
    said = ["\n".join(failures(instance, each.run_id).values()) for each in (unnamed, away)]

    assert [False, False] == [each.success for each in (unnamed, away)]
    assert [[], []] == [worked(each) for each in (unnamed, away)]
    assert "nobody says where" in said[0]
    assert "the rules that judge what is published cannot be read" in said[1]


def test_a_host_without_git_says_so(
    core: Runpin, instance: dg.DagsterInstance, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names what is missing."""
    publish_documents(core, {"etl": {"size": 1}})
    monkeypatch.setenv("PATH", str(tmp_path))
    result = execute(instance, str(origin.path), check_of(CONFIG))

    assert "git is not installed" in "\n".join(failures(instance, result.run_id).values())


def test_what_used_no_configuration_passes(core: Runpin, instance: dg.DagsterInstance, origin: Origin) -> None:
    """And so does what was not materialised yet, or says odd things in metadata that look like ours."""
    before = judged(instance, origin, etl.key)
    odd: dict[str, Any] = {"runpin/payments": "nonsense", "runpin/a/b": "payments.prod.v1.000000000000", "runpin/x": 7}
    instance.report_runless_asset_event(dg.AssetMaterialization(etl.key, metadata=odd))

    assert core.settings.environment == "prod"
    assert [True, True] == [each.passed for each in (before, judged(instance, origin, etl.key))]


def test_a_snapshot_that_never_was_is_denied(core: Runpin, instance: dg.DagsterInstance, origin: Origin) -> None:
    """Metadata that names a Snapshot nobody knows is not taken for one that fits."""
    publish_documents(core, {"etl": {"size": 1}})
    forged = {"runpin/payments": "payments.prod.v1.000000000000"}
    instance.report_runless_asset_event(dg.AssetMaterialization(etl.key, metadata=forged))

    assert not judged(instance, origin, etl.key).passed


def test_each_step_in_a_process_of_its_own(
    core: Runpin, instance: dg.DagsterInstance, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check judges what the other steps of its run get, and what it denies keeps their processes from starting."""
    monkeypatch.setenv("RUNPIN_REPOSITORY", str(origin.path))
    outcomes = []
    for size in (4, 9):
        snapshot = publish_documents(core, {"etl": {"size": size}})
        run = run_job(ruled, instance)
        started = {entry.step_key for entry in instance.all_logs(run.run_id, dg.DagsterEventType.STEP_START)}
        outcomes.append((run.is_success, run.tags["runpin/payments"] == str(snapshot), len(started)))

    assert [(True, True, 2), (False, True, 1)] == outcomes
