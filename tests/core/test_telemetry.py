"""Spans, log records and metrics say what a run uses: the truth, for as long as it is one, and never too much of it."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from featuremanagement import FeatureManager  # noqa: TID253 - as a user of it does
from opentelemetry.sdk.metrics import MeterProvider  # noqa: TID253 - the SDK of a host
from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: TID253 - the SDK of a host
from opentelemetry.sdk.trace import Tracer, TracerProvider  # noqa: TID253 - the SDK of a host
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: TID253 - the SDK of a host
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: TID253 - the SDK of a host
    InMemorySpanExporter,
)

from runpin import Behavior
from runpin.model import Asked, Pin, RunKey, Scope, SnapshotId, digest_of
from runpin.observing import (
    ConfigSnapshotFilter,
    add_config_snapshot,
    attributes,
    flag_attributes,
    flag_listener,
    mark_records,
    seen,
)
from runpin.observing.attributes import MOST_NAMED
from runpin.observing.linking import LINKS
from runpin.observing.measuring import MOST_APPLICATIONS, MOST_SNAPSHOTS, OTHER, Meters, PinCounts
from runpin.observing.sightings import Sightings, run_of
from runpin.observing.spans import ConfigSpanProcessor
from runpin.pinning import Pinner
from runpin.proposing import Proposal
from runpin.testing import MemoryLedger
from world import Host, World, carried, run_key

ROOT = Path(__file__).resolve().parents[2]
LEDGER = Scope("ledger", "prod")
MEASURED = (
    "runpin.pin.duration",
    "runpin.resolve.duration",
    "runpin.pins",
    "runpin.errors",
    "runpin.cache.age",
    "runpin.watch.lag",
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two applications, one version of each."""
    world = World(tmp_path)
    world.publish({"etl": {"batch_size": 1}})
    world.publish({"etl": {"book": 1}}, scope=LEDGER)
    return world


@pytest.fixture
def host(world: World) -> Host:
    """A process."""
    return world.host()


@dataclass
class Tracing:
    """What a host's tracing is like, with nobody who knows of runpin."""

    tracer: Tracer
    exporter: InMemorySpanExporter

    def of(self, name: str) -> dict[str, Any]:
        """Return the attributes of the only span *name* that has ended."""
        (found,) = [span for span in self.exporter.get_finished_spans() if span.name == name]
        return dict(found.attributes or {})


@pytest.fixture
def tracing() -> Iterator[Tracing]:
    """A provider of the test's own, so that the process has none."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.add_span_processor(ConfigSpanProcessor())
    yield Tracing(provider.get_tracer("test"), exporter)  # type: ignore[arg-type]
    provider.shutdown()


def pin_of(number: int, application: str = "payments", run_id: str = "r") -> Pin:
    """Return a pin of the snapshot with this number."""
    scope, digest = Scope(application, "prod"), digest_of(f"{application}{number}".encode())
    key = RunKey("test", "default", "nightly", run_id)
    return Pin(key, scope, SnapshotId.of(scope, number, digest), digest, datetime(2026, 1, 1, tzinfo=UTC))


# What is said of a pin


def test_every_attribute_is_the_pins() -> None:
    """Nothing is made up, and a pin that the ledger has not confirmed says so."""
    pin = replace(pin_of(42), epoch=3, channel="canary", asked=Asked.SAFE_POINT)

    assert {
        "config.application": "payments",
        "config.environment": "prod",
        "config.snapshot.id": str(pin.snapshot),
        "config.version": 42,
        "config.digest": pin.digest,
        "config.channel": "canary",
        "config.pin.epoch": 3,
        "config.pin.asked": "safe_point",
        "config.pin.state": "decided",
    } == attributes(pin)
    assert "unconfirmed" == attributes(replace(pin, confirmed=False))["config.pin.state"]


def test_the_reference_names_everything() -> None:
    """Every attribute, metric and label, and the page of the alerts every alert."""
    page = (ROOT / "docs" / "reference" / "telemetry.md").read_text()
    alerts = re.findall(r"alert: (\w+)", (ROOT / "docs" / "observability" / "alert-rules.yml").read_text())
    reader = InMemoryMetricReader()
    meters = Meters(MeterProvider(metric_readers=[reader]), "runpin")
    meters.took("resolve", LEDGER, 0.1, "StoreUnavailable", stale=True)
    meters.pinned(pin_of(1))
    labels = {name for metric in MEASURED for series in series_of(reader, metric) for name in series} - {"value"}
    flag = flag_attributes(
        "flag", "payments", "payments.prod.v1", variant="a", value=True, reason="split", error="general"
    )
    named = {*attributes(pin_of(1)), *flag, LINKS}

    assert {"config.stale", "error.type", "runpin.step", "config.pin.asked"} <= labels
    assert [] == [name for name in sorted(named | labels | set(MEASURED)) if f"`{name}`" not in page]
    assert [] == [name for name in alerts if name not in (ROOT / "docs" / "how-to" / "telemetry.md").read_text()]


# Spans


def test_a_span_around_the_first_read_has_the_pin(host: Host, tracing: Tracing) -> None:
    """It began before anybody knew, as the span of an Airflow task does, and so did the one around it."""
    with tracing.tracer.start_as_current_span("worker"), tracing.tracer.start_as_current_span("execute"):
        pin = host.run("around").pin("payments")

    assert dict(attributes(pin)).items() <= tracing.of("worker").items()
    assert dict(attributes(pin)).items() <= tracing.of("execute").items()


def test_a_span_that_begins_later_has_the_pin(host: Host, tracing: Tracing) -> None:
    """In the run's own context and in threads that it starts, which have none."""
    run = host.run("later")
    with run.active(), ThreadPoolExecutor(1) as threads:
        run.pin("payments")
        tracing.tracer.start_span("here").end()
        threads.submit(lambda: tracing.tracer.start_span("thread").end()).result()
    tracing.tracer.start_span("after the run").end()

    assert tracing.of("here") == tracing.of("thread")
    assert str(run.pin("payments").snapshot) == tracing.of("here")["config.snapshot.payments"]
    assert {} == tracing.of("after the run")


def test_two_runs_in_one_process_do_not_get_each_others(world: World, host: Host, tracing: Tracing) -> None:
    """A span belongs to the run of its context; without one, and with two runs about, it belongs to none."""
    runs = [host.run("one"), host.run("two")]
    with runs[0].active():
        runs[0].pin("payments")
        world.version(2)
        with runs[1].active():
            runs[1].pin("payments")
            tracing.tracer.start_span("of two").end()
            with ThreadPoolExecutor(1) as threads:
                threads.submit(lambda: tracing.tracer.start_span("of nobody").end()).result()
        tracing.tracer.start_span("of one").end()

    assert [1, 2] == [tracing.of(f"of {name}").get("config.version") for name in ("one", "two")]
    assert {} == tracing.of("of nobody")


def test_a_proposal_is_said_until_the_pin_is_known(world: World, host: Host, tracing: Tracing) -> None:
    """A task that reads nothing shows what its run carries, marked as such; an open span is put right."""
    first, second = world.version(2), world.version(3)
    world.ledger.bar(first, actor="ada", reason="bad")
    run = host.run("proposed", carried(first))
    with run.active(), tracing.tracer.start_as_current_span("whole"):
        tracing.tracer.start_span("before").end()
        run.pin("payments")

    before, whole = tracing.of("before"), tracing.of("whole")
    assert (str(first), "proposed") == (before["config.snapshot.id"], before["config.pin.state"])
    assert "config.digest" not in before
    assert (str(second), "decided") == (whole["config.snapshot.id"], whole["config.pin.state"])


def test_a_switch_shows_on_the_open_span(world: World, host: Host, tracing: Tracing) -> None:
    """A span that has ended before the safe point keeps what was true then."""
    run = host.run("switching", behavior=Behavior.AUTO_UPGRADE)
    with run.active(), tracing.tracer.start_as_current_span("whole"):
        run.pin("payments")
        tracing.tracer.start_span("before").end()
        world.version(2)
        run.safe_point()

    epochs = [
        (tracing.of(name)["config.pin.epoch"], tracing.of(name)["config.version"]) for name in ("before", "whole")
    ]
    assert [(0, 1), (1, 2)] == epochs


def test_several_applications_are_all_named(host: Host, tracing: Tracing) -> None:
    """The plain names are those of the first one; each has a name of its own beside them."""
    run = host.run("several")
    with run.active(), tracing.tracer.start_as_current_span("whole"):
        pins = [run.pin("payments"), run.pin("ledger")]

    said = tracing.of("whole")
    assert [str(pin.snapshot) for pin in pins] == [said["config.snapshot.payments"], said["config.snapshot.ledger"]]
    assert ("payments", str(pins[0].snapshot)) == (said["config.application"], said["config.snapshot.id"])


def test_any_number_of_applications_leaves_room_on_a_span(tracing: Tracing) -> None:
    """An SDK that has a hundred and twenty-eight attributes throws the user's out for ours."""
    for number in range(200):
        seen.saw(pin_of(1, f"app{number}", run_id="wide"))
    with tracing.tracer.start_as_current_span("mine", attributes={"mine": True}):
        seen.enter(("nightly", "wide"))
        tracing.tracer.start_span("whole", attributes={"mine": True}).end()
        seen.leave(("nightly", "wide"))

    said = tracing.of("whole")
    assert said["mine"]
    assert MOST_NAMED == sum(name.startswith("config.snapshot.app") for name in said)
    assert said["config.snapshot.app0"] == said["config.snapshot.id"]


def test_airflows_span_of_a_run_is_known_by_its_own_attributes(tracing: Tracing) -> None:
    """It is made in the scheduler, where the run has no context."""
    pin = pin_of(7, run_id="scheduled")
    seen.saw_proposed(("nightly", "scheduled"), [pin.snapshot])
    named = {"airflow.dag_id": "nightly", "airflow.dag_run.run_id": "scheduled"}
    tracing.tracer.start_span("dag_run.nightly", attributes=named).end()

    assert (str(pin.snapshot), "proposed") == (
        tracing.of("dag_run.nightly")["config.snapshot.id"],
        tracing.of("dag_run.nightly")["config.pin.state"],
    )


def test_what_a_process_remembers_of_runs_is_bounded() -> None:
    """A scheduler sees any number of runs; the newest are known."""
    sightings = Sightings(most=3)
    for number in range(1, 100):
        sightings.saw(pin_of(number, run_id=f"r{number}"))

    known = [number for number in range(1, 100) if sightings.of(("nightly", f"r{number}"))]
    assert [97, 98, 99] == known


class Overtaken(MemoryLedger):
    """Another process decides just before a candidate is recorded, after this one found nothing."""

    def __init__(self, ledger: MemoryLedger, decide: Callable[[], object]) -> None:
        super().__init__()
        self.__dict__.update(ledger.__dict__)
        self._decide = decide

    def put_if_absent(self, pin: Pin) -> Pin:
        """Record *pin*, too late."""
        self._decide()
        return super().put_if_absent(pin)


def test_of_processes_that_read_at_once_one_has_decided(world: World) -> None:
    """Though all of them found nothing on record; whoever asks for it in that process is answered once."""

    def decide() -> None:
        world.clock.advance(1)
        world.host("b").run("r").pin("payments")
        claimed.append(seen.claims(run))
        seen.clear()

    claimed: list[bool] = []
    host, ledger, run = world.host(), Overtaken(world.ledger, decide), run_of(run_key("r"))
    late = Pinner(ledger, world.ledger, host.resolver, host.cache, world.clock)
    Host(host.cache, host.resolver, late).run("r").pin("payments")
    claimed.append(seen.claims(run))
    host.run("r").pin("payments")
    claimed.append(seen.claims(run))
    host.run("s").pin("payments")

    assert [True, False, False] == claimed
    assert [True, False] == [seen.claims(run_of(run_key("s"))) for _ in range(2)]


def test_reading_again_does_not_come_by(host: Host) -> None:
    """Tasks read in loops: the first read tells, and no other calls anything of ours, which the first one shows."""
    called: list[str] = []
    run = host.run("hot")
    counts = []
    for _ in range(2):
        sys.setprofile(lambda frame, _event, _argument: called.append(frame.f_code.co_filename))
        try:
            run.get_config("payments/etl")
        finally:
            sys.setprofile(None)
        counts.append(sum("observing" in name for name in called))
        called.clear()

    assert counts[0] > 0
    assert 0 == counts[1]


# Log records


def test_log_records_name_the_snapshot(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the logging module, through a filter or everywhere, and those of structlog."""
    monkeypatch.setattr(logging, "_logRecordFactory", logging.getLogRecordFactory())
    run = host.run("logging")
    with run.active():
        snapshot = str(run.pin("payments").snapshot)
        mark_records()
        made = logging.getLogger("user").makeRecord("user", logging.INFO, "f", 1, "hello", (), None)
        filtered = logging.makeLogRecord({})
        ConfigSnapshotFilter().filter(filtered)
        event = add_config_snapshot(None, "info", {"event": "hello"})
    outside = logging.getLogger("user").makeRecord("user", logging.INFO, "f", 1, "hello", (), None)

    assert [snapshot] * 3 == [
        made.__dict__["config_snapshot"],
        filtered.__dict__["config_snapshot"],
        event["config_snapshot"],
    ]
    assert "" == outside.__dict__["config_snapshot"]


def test_a_log_field_stays_short() -> None:
    """A run may use any number of applications; eight are listed, and how many more there are."""
    sightings = Sightings()
    for number in range(30):
        sightings.saw(pin_of(1, f"app{number}"))

    label = sightings.label(run_of(pin_of(1).run))
    assert label.startswith("app0.prod.v1.")
    assert (9, "+22") == (len(label.split()), label.split()[-1])


# Flags


def test_an_evaluated_flag_is_an_event_of_the_span(tracing: Tracing, host: Host, world: World) -> None:
    """Microsoft's library evaluates, OpenTelemetry's names say what came of it; who was asked for is left out."""
    flag = {
        "id": "new-ledger",
        "enabled": True,
        "variants": [{"name": "blue", "configuration_value": 1}],
        "allocation": {"user": [{"variant": "blue", "users": ["ada@example.org"]}]},
        "telemetry": {"enabled": True},
    }
    world.publish({"flags": {"feature_management": {"feature_flags": [flag]}}})
    run = host.run("flagged")
    features = FeatureManager(
        json.loads(run.body("payments/flags")), on_feature_evaluated=flag_listener(run.pin("payments"))
    )
    with tracing.tracer.start_as_current_span("deciding"):
        features.get_variant("new-ledger", "ada@example.org")

    (span,) = [each for each in tracing.exporter.get_finished_spans() if each.name == "deciding"]
    (event,) = span.events
    assert "feature_flag.evaluation" == event.name
    assert {
        "feature_flag.key": "new-ledger",
        "feature_flag.provider.name": "runpin",
        "feature_flag.set.id": "payments",
        "feature_flag.version": str(run.pin("payments").snapshot),
        "feature_flag.result.variant": "blue",
        "feature_flag.result.value": True,
        "feature_flag.result.reason": "targeting_match",
    } == dict(event.attributes or {})


# Metrics


def series_of(reader: InMemoryMetricReader, metric: str) -> list[dict[str, Any]]:
    """Return the labels of every series of *metric* that is exported now."""
    data: Any = reader.get_metrics_data()
    found = (m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics if m.name == metric)
    return [{**point.attributes, "value": getattr(point, "value", None)} for m in found for point in m.data.data_points]


def pinned(counts: PinCounts, snapshots: int) -> tuple[int, int]:
    """Return how many series there are, and their sum, after a pin of each of so many snapshots."""
    for number in range(snapshots):
        counts.count("payments", "prod", f"payments.prod.v{number}", "channel")
    series = list(counts)
    return len(series), sum(number for _, _, number in series)


def test_ten_thousand_snapshots_make_few_series() -> None:
    """The newest have a name, the others are counted together, and none is lost."""
    reader = InMemoryMetricReader()
    meters = Meters(MeterProvider(metric_readers=[reader]), "runpin")
    most_at_once = 0
    for number in range(1, 10_001):
        meters.pinned(pin_of(number))
        if number % 500 == 0:
            most_at_once = max(most_at_once, len(series_of(reader, "runpin.pins")))
    series = series_of(reader, "runpin.pins")

    assert most_at_once <= MOST_SNAPSHOTS + 1
    assert 10_000 == sum(each["value"] for each in series)
    assert [OTHER] == [each["config.snapshot.id"] for each in series if each["value"] > 1]


def test_the_newest_snapshots_keep_their_names() -> None:
    """A process that lives for long shows what is pinned today, not what was pinned first."""
    counts = PinCounts(most=3)
    assert (4, 20) == pinned(counts, 20)
    named = [labels[2] for labels, _, _ in counts]

    assert ["payments.prod.v17", "payments.prod.v18", "payments.prod.v19", OTHER] == named


def test_counts_without_a_bound_would_be_found_out() -> None:
    """The check of the bound sees a count that has none."""
    assert 10_000 == pinned(PinCounts(most=sys.maxsize, ever=sys.maxsize), 10_000)[0]


def test_any_number_of_applications_makes_few_series() -> None:
    """A program that reads names which it makes up does not fill a metrics server."""
    reader = InMemoryMetricReader()
    meters = Meters(MeterProvider(metric_readers=[reader]), "runpin")
    for number in range(1000):
        meters.took("pin", Scope(f"app{number}", "prod"), 0.1, "UnknownChannel", stale=None)
        meters.pinned(pin_of(1, f"app{number}"))

    for metric in ("runpin.pin.duration", "runpin.errors", "runpin.pins"):
        assert len(series_of(reader, metric)) <= MOST_APPLICATIONS + 1, metric


def test_a_pin_by_hand_is_told_apart(world: World, host: Host, tracing: Tracing) -> None:
    """What somebody chose by name says so on the span."""
    run = host.run("chosen", Proposal({"payments": world.version(2)}, {"payments": Asked.OVERRIDE}))
    with run.active(), tracing.tracer.start_as_current_span("whole"):
        run.pin("payments")

    assert "override" == tracing.of("whole")["config.pin.asked"]
