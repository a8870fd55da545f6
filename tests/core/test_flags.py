"""Flags by OpenFeature: what the run is pinned to decides, and an error gives the caller's default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from openfeature import api  # noqa: TID253 - as a user of it does
from openfeature.evaluation_context import EvaluationContext  # noqa: TID253 - as above
from openfeature.exception import ErrorCode  # noqa: TID253 - as above
from opentelemetry.sdk.trace import TracerProvider  # noqa: TID253 - the SDK of a host
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: TID253 - as above
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: TID253 - as above

from runpin import Behavior, PinnedRun
from runpin.errors import UnknownDocument
from runpin.flags import RunpinProvider
from runpin.observing import switch
from world import Host, World

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "flags.md"
ADA = EvaluationContext("ada")


def varied(value: Any, **more: Any) -> dict[str, Any]:
    """Return what a flag says whose only variant, `chosen`, has this value."""
    variants = [{"name": "chosen", "configuration_value": value}]
    return {"enabled": True, "variants": variants, "allocation": {"default_when_enabled": "chosen"}, **more}


def filtered(name: str, **parameters: Any) -> dict[str, Any]:
    """Return what a flag says that one filter decides."""
    return {"enabled": True, "conditions": {"client_filters": [{"name": name, "parameters": parameters}]}}


FLAGS: dict[str, dict[str, Any]] = {
    "on": {"enabled": True},
    "off": {"enabled": False},
    "no": varied(value=False),
    "text": varied("blue"),
    "number": varied(7),
    "fraction": varied(0.5),
    "whole": varied(2.0),
    "mapping": varied({"batch": [1, 2]}),
    "null": varied(None),
    "disabled": varied("blue", enabled=False),
    "for-ada": filtered("Microsoft.Targeting", Audience={"Users": ["ada"]}),
    "nightly-only": filtered(
        "Microsoft.Targeting", Audience={"Groups": [{"Name": "nightly", "RolloutPercentage": 100}]}
    ),
    "half": filtered("Microsoft.Targeting", Audience={"DefaultRolloutPercentage": 50}),
    "text-for-ada": {
        **varied("blue", allocation={"user": [{"variant": "chosen", "users": ["ada"]}]}),
    },
    "drawn": varied("blue", allocation={"percentile": [{"variant": "chosen", "from": 0, "to": 100}]}),
    "of-another-library": filtered("Contoso.Weather"),
    "broken": filtered("Microsoft.Targeting", Audience={"DefaultRolloutPercentage": "many"}),
}


def document(**flags: dict[str, Any]) -> dict[str, Any]:
    """Return a document that declares *flags*."""
    return {"feature_management": {"feature_flags": [{"id": key, **flag} for key, flag in flags.items()]}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One application with every kind of flag."""
    world = World(tmp_path)
    world.publish({"flags": document(**FLAGS), "etl": {"batch_size": 1}, "bad": {"feature_management": []}})
    return world


@pytest.fixture
def host(world: World) -> Host:
    """A process."""
    return world.host()


@pytest.fixture
def features() -> Iterator[Any]:
    """OpenFeature's client, with our provider; the process is as it was afterwards."""
    api.set_provider_and_wait(RunpinProvider("payments/flags"))
    yield api.get_client()
    api.shutdown()


@pytest.fixture
def run(host: Host) -> Iterator[PinnedRun]:
    """The run whose code the test is."""
    with host.run("r1").active() as run:
        yield run


# What is answered


def test_one_call_answers_for_every_kind(features: Any, run: PinnedRun) -> None:
    """Texts, numbers and structures are values of variants; true and false may be one, or whether the flag is on."""
    del run

    assert [True, False, False, True] == [
        features.get_boolean_value(key, default_value=not wanted)
        for key, wanted in {"on": True, "off": False, "no": False, "text": True}.items()
    ]
    assert ("blue", 7) == (features.get_string_value("text", ""), features.get_integer_value("number", 0))
    assert [0.5, 2.0, 7.0] == [features.get_float_value(key, 0.0) for key in ("fraction", "whole", "number")]
    assert {"batch": [1, 2]} == features.get_object_value("mapping", {})


def test_a_run_keeps_its_flags(features: Any, world: World, host: Host) -> None:
    """Whatever is published meanwhile; the next run has it, and so has a run that switches."""
    old, upgrading = host.run("old"), host.run("upgrading", behavior=Behavior.AUTO_UPGRADE)

    def seen(run: PinnedRun) -> tuple[str, str]:
        with run.active():
            details = features.get_string_details("text", "")
            return details.value, details.flag_metadata["version"]

    first = [seen(old), seen(upgrading)]
    moved = world.publish({"flags": document(text=varied("green"))}).snapshot
    kept, new = seen(old), seen(host.run("new"))
    upgrading.safe_point()

    assert [("blue", str(old.pin("payments").snapshot))] * 3 == [*first, kept]
    assert [("green", str(moved))] * 2 == [new, seen(upgrading)]


def test_a_switch_in_between_gives_no_other_run_its_flags(world: World, host: Host) -> None:
    """Another thread's safe point falls into an evaluation; what the provider keeps is of the version it names."""
    upgrading, other = Interrupted(host.run("upgrading", behavior=Behavior.AUTO_UPGRADE)), host.run("other")
    old = str(other.pin("payments").snapshot)
    upgrading.run.pin("payments")
    world.publish({"flags": document(on={"enabled": False}), "etl": {}, "bad": {}})
    asking: list[Any] = [upgrading]
    provider = RunpinProvider("payments/flags", lambda: asking[0])

    def seen() -> tuple[bool | None, object]:
        details = provider.resolve_boolean_details("on", default_value=False)
        return details.value, (details.flag_metadata or {}).get("version")

    assert (True, old) == seen()
    assert old != str(upgrading.run.pin("payments").snapshot)
    asking[0] = other
    assert (True, old) == seen()


class Interrupted:
    """A run whose other thread comes to a safe point after the first thing that is asked."""

    def __init__(self, run: PinnedRun) -> None:
        self.run = run
        self._waiting = [Thread(target=run.safe_point)]

    def __getattr__(self, name: str) -> Any:
        """Return what *run* has by this name, with the safe point after the first call."""
        found = getattr(self.run, name)
        return self._then(found) if callable(found) else found

    def _then(self, asked: Any) -> Any:
        def asked_first(*given: Any) -> Any:
            answer = asked(*given)
            while self._waiting:
                thread = self._waiting.pop()
                thread.start()
                thread.join()
            return answer

        return asked_first


def test_the_details_say_where_an_answer_comes_from(features: Any, run: PinnedRun) -> None:
    """The variant, and under OpenFeature's names the application and the Snapshot."""
    details = features.get_string_details("text", "")

    assert ("chosen", "DEFAULT", None) == (details.variant, details.reason, details.error_code)
    assert {"flagSetId": "payments", "version": str(run.pin("payments").snapshot)} == details.flag_metadata


@pytest.mark.parametrize(
    ("key", "reason", "value"),
    [
        ("on", "STATIC", True),
        ("off", "DISABLED", False),
        ("text", "DEFAULT", True),
        ("for-ada", "TARGETING_MATCH", True),
        ("text-for-ada", "TARGETING_MATCH", True),
        ("drawn", "SPLIT", True),
        ("nightly-only", "DEFAULT", False),
    ],
)
def test_the_reason_is_the_true_one(features: Any, run: PinnedRun, key: str, reason: str, value: object) -> None:
    """In OpenFeature's words."""
    del run
    details = features.get_boolean_details(key, default_value=False, evaluation_context=ADA)

    assert (reason, value) == (details.reason, details.value)


@pytest.mark.parametrize(("key", "reason"), [("disabled", "DISABLED"), ("text-for-ada", "DEFAULT")])
def test_a_flag_that_gives_no_variant_leaves_the_default(features: Any, run: PinnedRun, key: str, reason: str) -> None:
    """That is no error."""
    del run
    details = features.get_string_details(key, "mine", EvaluationContext("grace"))

    assert ("mine", reason, None) == (details.value, details.reason, details.error_code)


def test_without_a_name_the_run_is_who_asks(features: Any, host: Host) -> None:
    """A share of runs, each the same in every task, and all runs of a job that a flag names."""

    def seen(number: int) -> tuple[bool, bool]:
        with host.run(f"run-{number}").active():
            return features.get_boolean_value("half", default_value=False), features.get_boolean_value(
                "nightly-only", default_value=False
            )

    first, again = ([seen(number) for number in range(60)] for _ in range(2))

    assert first == again
    assert 10 < sum(half for half, _ in first) < 50
    assert all(named for _, named in first)


def test_whoever_gets_a_structure_may_change_it(features: Any, run: PinnedRun) -> None:
    """The next one gets what is published."""
    del run
    features.get_object_value("mapping", {})["batch"].append(3)

    assert {"batch": [1, 2]} == features.get_object_value("mapping", {})


def test_what_a_run_has_seen_needs_no_store(features: Any, run: PinnedRun, world: World) -> None:
    """After the first answer a process reads its flags from memory."""
    del run
    features.get_boolean_value("on", default_value=False)
    world.store_switch.off = world.ledger_switch.off = True

    assert "blue" == features.get_string_value("text", "")


# What is wrong


@pytest.mark.parametrize(
    ("kind", "key", "default", "code"),
    [
        ("boolean", "nobody", True, ErrorCode.FLAG_NOT_FOUND),
        ("string", "number", "mine", ErrorCode.TYPE_MISMATCH),
        ("string", "on", "mine", ErrorCode.TYPE_MISMATCH),
        ("integer", "no", 1, ErrorCode.TYPE_MISMATCH),
        ("integer", "fraction", 1, ErrorCode.TYPE_MISMATCH),
        ("float", "text", 1.0, ErrorCode.TYPE_MISMATCH),
        ("object", "null", {"mine": 1}, ErrorCode.TYPE_MISMATCH),
        ("boolean", "of-another-library", True, ErrorCode.PARSE_ERROR),
        ("boolean", "broken", True, ErrorCode.PARSE_ERROR),
    ],
)
def test_an_error_gives_the_callers_default_and_its_code(
    features: Any, run: PinnedRun, kind: str, key: str, default: Any, code: ErrorCode
) -> None:
    """And which Snapshot it was."""
    details = getattr(features, f"get_{kind}_details")(key, default, ADA)

    assert (default, "ERROR", code) == (details.value, details.reason, details.error_code)
    assert str(run.pin("payments").snapshot) == details.flag_metadata["version"]


@pytest.mark.parametrize(
    ("path", "code"),
    [("payments/bad", ErrorCode.PARSE_ERROR), ("payments/none", ErrorCode.GENERAL), ("none/x", ErrorCode.GENERAL)],
)
def test_a_document_that_is_of_no_use_is_an_error(run: PinnedRun, path: str, code: ErrorCode) -> None:
    """Its name is in the message."""
    details = RunpinProvider(path, lambda: run).resolve_boolean_details("on", default_value=True)

    assert (True, code) == (details.value, details.error_code)
    assert path.partition("/")[0] in (details.error_message or "")


def test_outside_of_a_run_there_is_nothing_to_ask(features: Any) -> None:
    """That is told apart from a flag that does not exist."""
    details = features.get_boolean_details("on", default_value=True)

    assert (True, ErrorCode.PROVIDER_NOT_READY) == (details.value, details.error_code)


def test_a_path_that_names_no_document_is_refused_at_once() -> None:
    """Long before the first evaluation."""
    with pytest.raises(UnknownDocument):
        RunpinProvider("payments")


# What is told


@dataclass
class Tracing:
    """A host's tracing, and what came of the evaluations within one span."""

    provider: TracerProvider
    exporter: InMemorySpanExporter

    def of(self, evaluate: Any) -> list[tuple[str, dict[str, Any]]]:
        """Return the events of the span in which *evaluate* was called."""
        with self.provider.get_tracer("test").start_as_current_span("deciding"):
            evaluate()
        (span,) = self.exporter.get_finished_spans()
        return [(event.name, dict(event.attributes or {})) for event in span.events]


@pytest.fixture
def tracing() -> Iterator[Tracing]:
    """A provider of the test's own, so that the process has none."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Tracing(provider, exporter)
    provider.shutdown()


def test_an_evaluation_is_an_event_of_the_span(features: Any, run: PinnedRun, tracing: Tracing) -> None:
    """In the words of the conventions; neither who was asked for nor the value of a variant is told."""
    said = tracing.of(lambda: features.get_string_value("text-for-ada", "", ADA))

    assert [
        (
            "feature_flag.evaluation",
            {
                "feature_flag.key": "text-for-ada",
                "feature_flag.provider.name": "runpin",
                "feature_flag.set.id": "payments",
                "feature_flag.version": str(run.pin("payments").snapshot),
                "feature_flag.result.variant": "chosen",
                "feature_flag.result.reason": "targeting_match",
            },
        )
    ] == said


def test_an_error_is_told_by_its_type(features: Any, run: PinnedRun, tracing: Tracing) -> None:
    """With the default that was given, if that is true or false."""
    del run
    ((_, said),) = tracing.of(lambda: features.get_boolean_value("nobody", default_value=True))

    assert ("error", "flag_not_found", True) == tuple(
        said[name] for name in ("feature_flag.result.reason", "error.type", "feature_flag.result.value")
    )


def test_telemetry_that_is_off_tells_no_evaluation(features: Any, run: PinnedRun, tracing: Tracing) -> None:
    """The answer is the same."""
    del run
    switch(on=False)
    try:
        assert [] == tracing.of(lambda: features.get_boolean_value("on", default_value=False))
    finally:
        switch(on=True)


# The page


def test_the_page_is_true(world: World, host: Host) -> None:
    """Its document is published, and its code says what the comments beside it say."""
    declared, code = (block(language) for language in ("yaml", "python"))
    world.publish({"flags": yaml.safe_load(declared)})
    checked = re.sub(r"^(\w.*?)  # (.+)$", r"assert (\1) == \2", code, flags=re.MULTILINE)
    try:
        with host.run("page").active():
            exec(compile(checked, str(PAGE), "exec"), {})  # noqa: S102 - the page's own code
    finally:
        api.shutdown()

    assert 4 == checked.count("assert (")


def block(language: str) -> str:
    """Return the page's first block of this language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)

    assert found, language
    return found[1]
