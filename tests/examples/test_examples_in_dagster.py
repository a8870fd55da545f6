"""The example project in this process, on the sample configuration: what a reader copies does what it says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import dagster as dg  # noqa: TID253 - only pytest imports this module
import pytest

from command_line import PROD, ROOT, CommandLine
from dagster_classes import closing_resources, open_instance
from dagster_reacting import Daemon, names
from dagster_runpin import RunpinResource, config_asset_key, runs_filter

if TYPE_CHECKING:
    from runpin.declining import Offer
from runpin.model import Pin

FILE = ROOT / "example_dags" / "dagster" / "definitions.py"
ASSETS = ["payments_extract", "payments_fees", "payments_report", "payments_settlement"]
FEES = "payments/fees.yaml"

# Dagster's own Pipes client asks its own context in the old way, and uses a preview of its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore:AssetExecutionContext.run_id is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Function `PipesMessageReader.expected_writer_count`:dagster.PreviewWarning"),
]


@dataclass(frozen=True, slots=True)
class Stage:
    """The example project, a Dagster of its own, and the sample configuration published for prod."""

    runpin: CommandLine
    instance: dg.DagsterInstance
    example: ModuleType

    @property
    def defs(self) -> dg.Definitions:
        """What the project defines."""
        found: dg.Definitions = self.example.defs
        return found

    def change(self, path: str, before: str, after: str) -> str:
        """Publish the sample with one document changed, and return the new snapshot of payments."""
        text = (self.runpin.config / path).read_text()
        self.runpin.commit({path: text.replace(before, after)})
        self.runpin.publish()
        return self.runpin.present()

    def run(self, name: str, **how: Any) -> dg.ExecuteInProcessResult:
        """Run a job of the project."""
        return self.defs.resolve_job_def(name).execute_in_process(instance=self.instance, **how)

    def told(self, asset: str) -> dict[str, Any]:
        """Return what the newest materialisation of *asset* says."""
        event = self.instance.get_latest_materialization_event(dg.AssetKey(asset))

        assert event is not None
        assert event.asset_materialization is not None
        return {key: value.value for key, value in event.asset_materialization.metadata.items()}


@pytest.fixture(scope="module")
def example() -> ModuleType:
    """Load the project as Dagster does, from its file; no setting is there and no store."""
    spec = spec_from_file_location("example_definitions", FILE)

    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stage(example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Return the stage, with the settings in this process's environment."""
    for name in [name for name in os.environ if name.startswith(("RUNPIN_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    line = CommandLine(tmp_path)
    line.start()
    line.publish()
    monkeypatch.setenv("RUNPIN_HOME", str(line.home))
    monkeypatch.setenv("RUNPIN_ENVIRONMENT", "prod")
    with closing_resources(), open_instance(tmp_path / "dagster") as instance:
        yield Stage(line, instance, example)


def test_the_daily_job_uses_one_snapshot_of_each_application(stage: Stage) -> None:
    """Each asset says what it was made with, the Pipes script's included, and the run is found by its tag."""
    done = stage.run("payments_daily")
    payments, reports = stage.runpin.present("payments"), stage.runpin.present("reports")
    (found,) = stage.instance.get_runs(runs_filter(payments))
    used = {asset: {key: value for key, value in stage.told(asset).items() if "." in str(value)} for asset in ASSETS}
    mail = done.output_for_node("payments_report")

    assert found.run_id == done.run_id
    assert found.tags["runpin/reports"] == reports
    assert used == {
        "payments_extract": {"runpin/payments": payments},
        "payments_fees": {"runpin/payments": payments},
        "payments_report": {"runpin/reports": reports},
        "payments_settlement": {"runpin/payments": payments},
    }
    assert mail.startswith("finance@example.com: Payments of the day, ")
    assert stage.told("payments_settlement")["currency"] == "EUR"


def test_the_graph_shows_which_document_makes_what(stage: Stage) -> None:
    """Each asset depends on the documents it reads, which are assets in a group of their own."""
    graph = stage.defs.resolve_asset_graph()
    parents = {asset: names(graph.get(dg.AssetKey(asset)).parent_keys) for asset in ASSETS}
    groups = {key: graph.get(key).group_name for key in graph.get_all_asset_keys()}

    assert parents == {
        "payments_extract": ["config/payments/etl"],
        "payments_fees": ["config/payments/fees", "payments_extract"],
        "payments_report": ["config/reports/daily", "payments_extract", "payments_fees"],
        "payments_settlement": ["config/payments/etl", "payments_extract"],
    }
    assert {key.to_user_string() for key, group in groups.items() if group == "payments"} == set(ASSETS)


def test_only_what_a_change_concerns_is_made_again(stage: Stage) -> None:
    """The sensor asks for the one asset that reads the document, which is then no longer out of date."""
    daemon = Daemon(stage.instance, stage.defs)
    daemon.tick("payments_config_sensor")
    stage.run("payments_daily")
    fresh = daemon.stale()
    changed = stage.change(FEES, "card: 1.4", "card: 1.9")
    (request,) = daemon.tick("payments_config_sensor").run_requests or ()
    stale = daemon.stale()
    stage.run("payments_daily", asset_selection=request.asset_selection, tags=request.tags)

    assert fresh == []
    assert stale == ["payments_fees"]
    assert names(request.asset_selection) == ["payments_fees"]
    assert stage.told("payments_fees")["runpin/payments"] == changed
    assert "payments_fees" not in daemon.stale()


def test_a_change_of_one_application_leaves_the_other_alone(stage: Stage) -> None:
    """The reports' sensor has nothing to do when payments move."""
    payments, reports = (Daemon(stage.instance, stage.defs) for _ in range(2))
    payments.tick("payments_config_sensor")
    reports.tick("reports_config_sensor")
    stage.change(PROD, "batch_size: 2000", "batch_size: 1000")
    (request,) = payments.tick("payments_config_sensor").run_requests or ()

    assert names(request.asset_selection) == ["payments_extract", "payments_settlement"]
    assert not reports.tick("reports_config_sensor").run_requests
    assert stage.instance.get_latest_materialization_event(config_asset_key("payments/etl")) is None


class Interrupted(RunpinResource):
    """The resource, with something that happens before each safe point."""

    happens: ClassVar[Iterator[Callable[[], object]]]

    def safe_point(self, accept: Callable[[Offer], bool] | None = None) -> Mapping[str, Pin]:
        """Let it happen."""
        next(self.happens)()
        return super().safe_point(accept)


@pytest.mark.parametrize("behavior", ["AUTO_UPGRADE", "PINNED"])
def test_the_long_job_takes_on_a_change_between_batches(stage: Stage, behavior: str) -> None:
    """After a publication the next batch sees the new snapshot, unless whoever launches the run says otherwise."""
    first = stage.runpin.present()
    Interrupted.happens = iter([dict, partial(stage.change, PROD, "batch_size: 2000", "batch_size: 1000"), dict])
    done = stage.run("payments_rebuild", resources={"runpin": Interrupted()}, tags={"runpin.behavior": behavior})
    second = stage.runpin.present()
    run = stage.instance.get_run_by_id(done.run_id)
    labels = {} if run is None else {name: value for name, value in run.tags.items() if name.startswith("runpin/")}
    switched = {"runpin/payments": second, "runpin/payments.before": first}

    assert first != second
    assert done.output_for_node("rebuild") == ([first, second, second] if behavior == "AUTO_UPGRADE" else [first] * 3)
    assert labels == (switched if behavior == "AUTO_UPGRADE" else {"runpin/payments": first})
