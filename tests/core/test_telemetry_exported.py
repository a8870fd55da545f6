"""What leaves a process that has set OpenTelemetry up, as a collector and a Prometheus see it, and what does not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import telemetry_worker
from otlp_receiver import OtlpReceiver, environment, listening
from prometheus_server import PrometheusPrograms, PrometheusServer
from runpin.baggage import extract

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "docs" / "observability" / "grafana-dashboard.json"
RULES = ROOT / "docs" / "observability" / "alert-rules.yml"

OURS = {
    "runpin.pin.duration": "s",
    "runpin.resolve.duration": "s",
    "runpin.cache.age": "s",
    "runpin.watch.lag": "s",
    "runpin.pins": "{pin}",
    "runpin.errors": "{error}",
}


def started(how: str, folder: Path, **variables: str) -> subprocess.Popen[str]:
    """Start the worker as a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "RUNPIN_"))}
    return subprocess.Popen(
        [sys.executable, telemetry_worker.__file__, how, folder],
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(how: str, folder: Path, **variables: str) -> Any:
    """Return what the worker says."""
    out, complaints = started(how, folder, **variables).communicate(timeout=120)

    assert out, complaints
    return json.loads(out)


# OTLP


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OtlpReceiver, dict[str, Any]]]:
    """Run the worker against a receiver, once for all tests."""
    with listening() as receiver:
        yield receiver, answer("otlp", tmp_path_factory.mktemp("otlp"), **environment(receiver))


Exported = tuple[OtlpReceiver, dict[str, Any]]


def test_spans_of_the_run_arrive_with_its_pin(exported: Exported) -> None:
    """The program has set its SDK up and knows nothing of runpin's processor."""
    receiver, said = exported
    (whole,), (part,) = receiver.spans("whole"), receiver.spans("part")

    for span in (whole, part):
        assert (said["snapshot"], said["digest"], "decided") == tuple(
            span.attributes[f"config.{name}"] for name in ("snapshot.id", "digest", "pin.state")
        )


def test_our_own_spans_arrive(exported: Exported) -> None:
    """Pinning and resolving belong to the trace of the program; an error shows its type."""
    receiver, said = exported
    (pinned,) = receiver.spans("runpin.pin", config_snapshot_id=said["snapshot"])
    (failed,) = receiver.spans("runpin.pin", config_application="nosuch")
    (resolved,) = receiver.spans("runpin.resolve", config_application="payments")
    (whole,) = receiver.spans("whole")

    assert {whole.trace_id} == {pinned.trace_id, resolved.trace_id}
    assert ("stable", 1, False) == tuple(resolved.attributes[f"config.{n}"] for n in ("channel", "revision", "stale"))
    assert "UnknownChannel" == failed.attributes["error.type"]


def test_evaluations_of_flags_arrive_with_the_snapshot(exported: Exported) -> None:
    """On the span in which the program has asked OpenFeature."""
    receiver, said = exported
    (part,) = receiver.spans("part")

    assert ("new-ledger", "runpin", "payments", said["snapshot"], True, "static") == tuple(
        part.events["feature_flag.evaluation"][f"feature_flag.{name}"]
        for name in ("key", "provider.name", "set.id", "version", "result.value", "result.reason")
    )


def test_log_records_arrive_with_the_snapshot(exported: Exported) -> None:
    """Through OpenTelemetry's own handler of the logging module."""
    receiver, said = exported

    assert [said["snapshot"]] == [record["config_snapshot"] for record in receiver.logs(telemetry_worker.LINE)]


def test_our_metrics_arrive_with_their_units(exported: Exported) -> None:
    """Each that the reference names, and the pin counts as one of its snapshot."""
    receiver, said = exported
    units = {metric: {point.unit for point in receiver.points(metric)} for metric in OURS}
    # A worker that takes longer than a second exports the same more than once.
    pins = receiver.points("runpin.pins", config_snapshot_id=said["snapshot"])

    assert {metric: {unit} for metric, unit in OURS.items()} == units
    assert {(1, "channel")} == {(each.value, each.attributes["config.pin.asked"]) for each in pins}


def test_baggage_goes_along_while_the_run_is_active(exported: Exported) -> None:
    """Called services get it in the header of the W3C, and nothing stays behind."""
    _, said = exported

    assert said["snapshot"] == said["baggage"]["config.snapshot.payments"]
    assert {"payments": said["snapshot"]} == extract(said["headers"])["pins"]
    assert 1 == extract(said["headers"])["parent"]["depth"]
    assert {} == said["left"]


# Off


@pytest.mark.parametrize("how", ["bare", "off"])
def test_where_nobody_observes_nothing_is_loaded(how: str, tmp_path: Path) -> None:
    """Neither without OpenTelemetry nor where an engine has loaded its API and configured nothing."""
    assert [] == answer(how, tmp_path)


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """With RUNPIN_TELEMETRY off, a configured SDK gets nothing from us; the run is as good."""
    with listening() as receiver:
        said = answer("otlp", tmp_path, **environment(receiver), RUNPIN_TELEMETRY="off")
        names = {span.name for span in receiver.spans()}
        (whole,) = receiver.spans("whole")

    assert 7 == said["batch_size"]
    assert {"whole", "part"} == names
    assert {} == whole.attributes
    assert all(not receiver.points(metric) for metric in OURS)


def test_a_collector_that_is_away_keeps_no_run_from_its_configuration(tmp_path: Path) -> None:
    """Nobody listens at its address; the read is answered all the same."""
    with listening() as receiver:
        gone = environment(receiver)
    said = answer("otlp", tmp_path, **gone, OTEL_EXPORTER_OTLP_TIMEOUT="1")

    assert 7 == said["batch_size"]


# Prometheus, the dashboard and the alerts


@pytest.fixture(scope="module")
def scraped(prometheus: PrometheusPrograms, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """Let a real Prometheus scrape the worker while it goes through changes, errors and an outage."""
    worker = started("prometheus", tmp_path_factory.mktemp("scraped"))
    assert worker.stdin is not None
    assert worker.stdout is not None
    port = int(worker.stdout.readline())
    with worker, prometheus.scraping(port, RULES) as server:
        for number in range(2):
            worker.stdin.write("\n")
            worker.stdin.flush()
            assert f"{number}\n" == worker.stdout.readline()
            expected = f'sum(runpin_pins_total{{config_application="payments"}}) == {number + 1}'
            assert server.wait_for(expected), "a pin did not arrive"
        yield server
        worker.stdin.write("stop\n")
        worker.stdin.flush()


def expressions() -> dict[str, str]:
    """Return what the panels of the dashboard ask, by title and letter, as for all environments of the last minutes."""
    dashboard = json.loads(DASHBOARD.read_text())
    chosen = {"$__rate_interval": "5m", "$environment": ".*", "$application": ".*"}
    return {
        f"{panel['title']} {target['refId']}": re.sub(
            "|".join(map(re.escape, chosen)), lambda found: chosen[found[0]], target["expr"]
        )
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }


@pytest.mark.prometheus
@pytest.mark.parametrize("panel", expressions())
def test_every_panel_shows_something(panel: str, scraped: PrometheusServer) -> None:
    """The dashboard asks for metrics and labels that exist, under the names that Prometheus gives them."""
    expression = expressions()[panel]
    asked = set(re.findall(r"runpin_[a-z_]+(?=[{\[ )])", expression)) - {"runpin_step"}

    assert asked
    # The last scrape may have come in the middle of what the worker did.
    assert all(scraped.wait_for(metric) for metric in asked), asked - scraped.metrics()
    assert scraped.wait_for(expression)


def test_the_dashboard_is_one() -> None:
    """Every panel has an id and a place of its own, a unit, a source that can be chosen, and a legend that exists."""
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    variables = {each["name"] for each in dashboard["templating"]["list"]}

    assert len(panels) == len({panel["id"] for panel in panels})
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    for panel in panels:
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert "${datasource}" == panel["datasource"]["uid"]
        for target in panel["targets"]:
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables
            labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert labels <= set(re.findall(r"\w+", target["expr"].partition("(")[0] + target["expr"]))


@pytest.mark.prometheus
def test_the_alerts_are_rules(prometheus: PrometheusPrograms) -> None:
    """`promtool` reads them, and they fire on the series that its tests make up, and on no healthy ones."""
    assert "5 rules found" in prometheus.promtool("check", "rules", RULES)
    prometheus.promtool("test", "rules", RULES.with_name("alert-rules-test.yml"))


@pytest.mark.prometheus
def test_alerts_fire_on_what_really_happened(scraped: PrometheusServer) -> None:
    """The worker asked for what nobody published, which is the one thing that no minutes are waited for."""
    found = scraped.wait_for('ALERTS{alertname="RunpinPinsFail", alertstate="firing"}')

    assert {"UnknownChannel"} == {each["metric"]["error_type"] for each in found}
    assert {"runpin_pins_total", "runpin_errors_total"} <= scraped.metrics()
