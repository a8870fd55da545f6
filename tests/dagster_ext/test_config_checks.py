"""The check that compares what a materialisation used with what stands now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from dagster_classes import bring_back, closing_resources, publish_documents, take_away
from dagster_reacting import Daemon, etl, fees, location, named
from dagster_runpin import RunpinResource, build_config_assets, build_config_checks
from runpin.assembly import Runpin
from runpin.canonical import canonical
from runpin.model import digest_of


@dg.asset
def both(runpin: RunpinResource) -> None:
    """Read two documents of one application, and one of another."""
    for path in ("payments/etl", "payments/fees", "reports/etl"):
        runpin.config(path)


def execute(instance: dg.DagsterInstance, selection: Any) -> dg.ExecuteInProcessResult:
    """Materialise, or check, some of the assets here."""
    assets = [build_config_assets(["payments/etl"]), etl, fees, named, both]
    checks = build_config_checks([etl, "named", both.key])
    return dg.materialize(
        [*assets, *checks], selection=selection, instance=instance, resources={"runpin": RunpinResource()}
    )


def check(instance: dg.DagsterInstance, asset: dg.AssetsDefinition) -> dg.AssetCheckEvaluation:
    """Run the check of *asset* alone."""
    key = dg.AssetCheckKey(asset.key, "config_in_sync")
    result = execute(instance, dg.AssetSelection.checks(key))
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def test_each_asset_has_one_check_that_blocks_nothing() -> None:
    """Definitions and keys may name it, twice as well; a multi-asset has one for each of its assets."""

    @dg.multi_asset(specs=[dg.AssetSpec("one"), dg.AssetSpec("two")])
    def pair() -> Iterator[Any]:
        yield from ()

    checks = build_config_checks([etl, etl.key, "etl", pair, dg.AssetSpec("outside")])
    specs = [spec for each in checks for spec in each.check_specs]

    assert ["etl", "one", "two", "outside"] == [spec.asset_key.to_user_string() for spec in specs]
    assert {("config_in_sync", False)} == {(spec.name, spec.blocking) for spec in specs}


def test_it_passes_in_the_run_that_materialises(core: Runpin, instance: dg.DagsterInstance) -> None:
    """And after it, as long as nothing moves."""
    publish_documents(core, {"etl": 1, "fees": 1})
    result = execute(instance, [etl])

    assert [True] == [each.passed for each in result.get_asset_check_evaluations()]
    assert check(instance, etl).passed


def test_it_warns_when_a_document_moved_on(core: Runpin, instance: dg.DagsterInstance) -> None:
    """With a table of what was used and what stands now; documents that are the same are not in it."""
    publish_documents(core, {"etl": 1, "fees": 1})
    execute(instance, [both])
    snapshot = publish_documents(core, {"etl": 2, "fees": 1})
    found = check(instance, both)
    used, present = (digest_of(canonical(number))[:12] for number in (1, 2))
    table = f"| document | used | present |\n|---|---|---|\n| payments/etl | `{used}` | `{present}` |"

    assert (False, dg.AssetCheckSeverity.WARN) == (found.passed, found.severity)
    assert dg.MetadataValue.md(table) == found.metadata["difference"]
    assert str(snapshot) == found.metadata["runpin/payments"].value
    assert "Of 3 document(s) that were used, 1 differ(s) from what stands now." == found.description


def test_a_run_on_an_older_snapshot_is_noticed(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Dagster calls the asset fresh, for the newest observation came before its run."""
    old = publish_documents(core, {"etl": 1})
    publish_documents(core, {"etl": 2})
    daemon = Daemon(instance, location())
    daemon.observe("payments/etl")
    tags = {"runpin.override": str(old)}
    daemon.execute(dg.RunRequest(job_name="__ASSET_JOB", asset_selection=[etl.key], tags=tags))

    assert [] == daemon.stale()
    assert not check(instance, etl).passed


def test_a_document_that_went_is_absent(core: Runpin, instance: dg.DagsterInstance) -> None:
    """That is a difference too."""
    publish_documents(core, {"etl": 1})
    execute(instance, [etl])
    publish_documents(core, {"fees": 1})

    assert "| `absent` |" in str(check(instance, etl).metadata["difference"].value)


def test_what_used_no_configuration_is_in_sync(core: Runpin, instance: dg.DagsterInstance) -> None:
    """And so is what was not materialised yet, or says odd things in metadata that look like ours."""
    before = check(instance, etl)
    odd: dict[str, Any] = {
        "runpin/payments/etl": "x",
        "runpin/a/b/c": "f" * 64,
        "runpin/payments": "f" * 64,
        "runpin/X/y": 7,
    }
    instance.report_runless_asset_event(dg.AssetMaterialization(etl.key, metadata=odd))
    execute(instance, [named])

    assert core.settings.environment == "prod"
    assert [True, True, True] == [each.passed for each in (before, check(instance, etl), check(instance, named))]


def test_a_store_that_is_away_warns_and_fails_no_run(core: Runpin, instance: dg.DagsterInstance) -> None:
    """The check is a part of somebody's run; it says what it could not tell."""
    publish_documents(core, {"etl": 1})
    execute(instance, [etl])
    core.database.close()
    with closing_resources():
        take_away(core.settings.home)
        found = check(instance, etl)
        bring_back(core.settings.home)

    assert (False, dg.AssetCheckSeverity.WARN) == (found.passed, found.severity)
    assert "cannot be told" in (found.description or "")
