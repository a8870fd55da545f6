"""Documents as assets, and what Dagster shows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import dagster as dg
import pytest

from dagster_classes import COMMIT, bring_back, closing_resources, move_to, publish_documents, take_away
from dagster_reacting import DOCUMENTS, Daemon, etl, fees, location, names, report
from dagster_runpin import RunpinResource, build_config_assets, config_asset_key, runs_filter, runs_url
from runpin.assembly import Runpin
from runpin.canonical import canonical, snapshot_of
from runpin.errors import RunpinError, SettingsError, UnknownDocument, UnknownSnapshot
from runpin.model import Scope, SnapshotId, digest_of

LONG_AGO = SnapshotId("payments", "prod", 42, "3f9a1c2b7d10")


def version(observation: dg.AssetObservation) -> str | None:
    """Return the data version that an observation carries."""
    return observation.tags.get("dagster/data_version")


def metadata(observation: dg.AssetObservation) -> dict[str, object]:
    """Return what an observation tells."""
    return {key: value.value for key, value in observation.metadata.items()}


def test_the_key_says_config_application_and_document() -> None:
    """Assets may name it in their deps."""
    assert dg.AssetKey(["config", "payments", "etl"]) == config_asset_key("payments/etl")


@pytest.mark.parametrize(
    "path", ["", "payments", "payments/", "/etl", "payments/etl/x", "Payments/etl", "payments/../x"]
)
def test_what_cannot_be_a_document_has_no_key(path: str) -> None:
    """The error is raised where the code is loaded, and names what was written."""
    with pytest.raises(UnknownDocument):
        config_asset_key(path)
    with pytest.raises(UnknownDocument):
        build_config_assets(["payments/etl", path])


@pytest.mark.parametrize("documents", [[], ["payments/card-fees", "payments/card_fees"]])
def test_what_dagster_cannot_build_is_refused(documents: Sequence[str]) -> None:
    """With a sentence of ours, for Dagster's would be about its insides."""
    with pytest.raises(SettingsError):
        build_config_assets(documents)


def test_they_are_observed_and_not_materialised() -> None:
    """One definition holds them all, each can be observed alone, and the second mention of one changes nothing."""
    assets = build_config_assets([*DOCUMENTS, DOCUMENTS[0]], group_name="settings")
    graph = dg.Definitions(assets=[assets], resources={"runpin": RunpinResource()}).get_repository_def().asset_graph

    assert ["config/payments/etl", "config/payments/fees"] == names(graph.get_all_asset_keys())
    assert graph.observable_asset_keys == set(graph.get_all_asset_keys())
    assert {"settings"} == {graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert assets.can_subset


def test_an_observation_is_the_documents_digest(core: Runpin, instance: dg.DagsterInstance) -> None:
    """What people want to know stands beside it, and no run is pinned."""
    snapshot = publish_documents(core, {"etl": {"n": 1}, "fees": {"n": 2}})
    daemon = Daemon(instance, location())
    found = daemon.observe(*DOCUMENTS)["payments/etl"]
    digest = digest_of(canonical({"n": 1}))

    assert digest == version(found)
    assert {
        "runpin/payments": str(snapshot),
        "runpin/payments/etl": digest,
        "channel": "stable",
        "revision": 2,
        "commit": COMMIT.sha,
        "repository": COMMIT.repository,
        "author": COMMIT.author,
        "message": COMMIT.message,
    } == metadata(found)
    assert () == core.ledger.runs_of(snapshot).pins


def test_a_repository_on_the_web_is_a_link_without_credentials(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Even when whoever published it wrote some into its address."""
    body = canonical({"n": 1})
    commit = replace(COMMIT, repository="https://ada:secret@git.example.org/config.git")
    core.store.put_objects({digest_of(body): body})
    given = snapshot_of(Scope("payments", "prod"), {"etl": digest_of(body)})
    move_to(core, core.store.commit(given, commit, "ada").id)
    found = Daemon(instance, location()).observe("payments/etl")["payments/etl"]

    assert dg.MetadataValue.url("https://git.example.org/config.git") == found.metadata["repository"]


def test_a_document_that_is_not_there_is_absent(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Whether the snapshot lacks it or nothing was published, and it is a change when it comes."""
    publish_documents(core, {"etl": 1})
    assets = build_config_assets([*DOCUMENTS, "billing/etl"])
    daemon = Daemon(instance, dg.Definitions(assets=[assets], resources={"runpin": RunpinResource()}))
    absent = daemon.observe("payments/fees", "billing/etl")
    publish_documents(core, {"fees": 1})
    present = daemon.observe("payments/fees")["payments/fees"]

    assert ["absent", "absent"] == [version(each) for each in absent.values()]
    assert digest_of(canonical(1)) == version(present)


def test_nothing_is_observed_while_the_store_is_away(core: Runpin, instance: dg.DagsterInstance) -> None:
    """What this host remembers may be old, so the observation fails with a sentence and reports no version."""
    core.database.close()
    daemon = Daemon(instance, location())
    with closing_resources():
        take_away(core.settings.home)
        job = daemon.definitions.resolve_implicit_global_asset_job_def()
        keys = [config_asset_key("payments/etl")]
        result = job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)
        bring_back(core.settings.home)

    assert not result.success
    assert daemon.seen("payments/etl") is None


def test_only_what_reads_a_changed_document_becomes_stale(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Not what reads another document of the application; and it is fresh after its run."""
    publish_documents(core, {"etl": 1, "fees": 1})
    daemon = Daemon(instance, location())
    daemon.observe(*DOCUMENTS)
    everything = dg.RunRequest(job_name="__ASSET_JOB", asset_selection=[etl.key, fees.key, report.key])
    daemon.execute(everything)
    fresh = daemon.stale()
    publish_documents(core, {"etl": 2, "fees": 1})
    daemon.observe(*DOCUMENTS)
    stale = daemon.stale()
    daemon.execute(dg.RunRequest(job_name="__ASSET_JOB", asset_selection=[etl.key]))

    assert [] == fresh
    assert ["etl"] == stale
    assert "etl" not in daemon.stale()


def test_runs_are_found_by_their_snapshot(core: Runpin, instance: dg.DagsterInstance) -> None:
    """By the id or its text, and only those."""
    first = publish_documents(core, {"etl": 1})
    daemon = Daemon(instance, location())
    run = daemon.execute(dg.RunRequest(job_name="reprice"))
    second = publish_documents(core, {"etl": 2})
    daemon.execute(dg.RunRequest(job_name="reprice"))

    assert [run.run_id] == [found.run_id for found in instance.get_runs(runs_filter(first))]
    assert [run.run_id] == [found.run_id for found in instance.get_runs(runs_filter(str(first)))]
    assert 1 == instance.get_runs_count(runs_filter(second))


@pytest.mark.parametrize("base", ["https://dagster.example.org", "https://dagster.example.org/"])
def test_the_page_of_a_snapshots_runs_has_an_address(base: str) -> None:
    """Encoded as the page's own filter writes it."""
    expected = "https://dagster.example.org/runs?q%5B0%5D=tag%3Arunpin%2Fpayments%3Dpayments.prod.v42.3f9a1c2b7d10"

    assert expected == runs_url(base, LONG_AGO) == runs_url(base, str(LONG_AGO))


@pytest.mark.parametrize("text", ["", "payments", "payments.prod.v42", f"{LONG_AGO}&q[1]=tag:x"])
def test_what_is_no_snapshot_finds_nothing(text: str) -> None:
    """A mistake is an error, not an empty list of runs."""
    for search in (lambda: runs_filter(text), lambda: runs_url("http://x", text)):
        with pytest.raises(UnknownSnapshot) as raised:
            search()

        assert isinstance(raised.value, RunpinError)
