"""A check in a child says what a check in this process says, and what it cannot say is a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import runpin
from command_line import ETL, CommandLine
from config_files import COMMIT, MANIFEST, Answer, FilesSource, Interposed, repository
from runpin.canonical import document_from
from runpin.cases import EnforcementPoint, Present
from runpin.checking import Check, Checked, Circumstances, check, check_in
from runpin.checking.circumstances import AT_COMMIT
from runpin.clock import SystemClock
from runpin.errors import (
    ManifestError,
    OverlayError,
    ParseError,
    UnknownApplication,
    UnknownEnvironment,
    UnknownTenant,
    ValidationFailed,
)
from runpin.model import Scope, SnapshotId
from runpin.sandbox import Sandbox
from runpin.sources.directory import DirectorySource

SAMPLE = Path(runpin.__file__).parent / "sample"
SETTINGS = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return one sandbox for all tests here: none of them harms its child."""
    with Sandbox(SystemClock()) as made:
        yield made


def told(report: Mapping[str, Checked]) -> Any:
    """Return all that a report says, origins included, which documents leave out when they are compared."""
    return {
        name: (
            dict(checked.scopes),
            [dict(document.origins) for documents in checked.scopes.values() for document in documents],
            checked.findings,
            [problem.as_json() for problem in checked.problems],
        )
        for name, checked in report.items()
    }


@pytest.mark.parametrize(
    ("environments", "options"),
    [
        ((), {}),
        (("prod",), {}),
        (("prod", "dev"), {"applications": ["reports"]}),
        ((), {"judge": False}),
        ((), {"circumstances": Circumstances(EnforcementPoint.AUDIT, "canary", {"growth_type": "LINEAR"})}),
    ],
)
def test_the_sample_is_the_same_in_a_child(sandbox: Sandbox, environments: Sequence[str], options: Any) -> None:
    """Documents, values, digests, origins and findings do not depend on who did the work."""
    folder = DirectorySource(SAMPLE)
    commit = folder.resolve("HEAD")
    here = check(folder, commit, environments, **options)
    there = check_in(sandbox)(folder, commit, environments, **options)

    assert told(here) == told(there)
    assert list(environments) in ([], list(there))


KEYS = st.sampled_from(
    ["a", "b", "", " ", "a b", "a/b", "~", "~1", "0", "é", "💡", "a.b", "#", "\t", "Ω" * 40, "k" * 256]
)
TEXTS = st.sampled_from(["", "x", "hunter2", "é\n", "💡" * 10, "null", '"', "\\", "\u0001"])
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.sampled_from([0.5, -0.0, 1e300, 1.0])
VALUES = st.recursive(
    TEXTS | NUMBERS | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS.filter(lambda key: key != "\t"), inner, max_size=3)
    ),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)
SCHEMAS = st.sampled_from(
    [
        {"additionalProperties": {"type": "integer"}},
        {"properties": {"a": {"type": "string", "pattern": "^x"}}, "required": ["b", "Ω"]},
        {"type": "strnig"},
        {"propertyNames": {"maxLength": 2}},
        True,
    ]
)


@st.composite
def repositories(draw: st.DrawFn) -> FilesSource:
    """Return repositories of two documents, one with a schema, and overlays over both; some cannot be read."""
    files: dict[str, Any] = {
        path: draw(DOCUMENTS | st.sampled_from(["", "{", '{"a": 1, "a": 2}', "[]"]))
        for path in (
            "payments/etl.json",
            "payments/fees.json",
            "environments/prod/payments/etl.json",
            "tenants/acme/payments/fees.json",
        )
    }
    schema = draw(SCHEMAS)
    manifest = MANIFEST + 'schemas = { etl = "schemas/etl.json" }\n'
    return repository({**files, "runpin.toml": manifest, "schemas/etl.json": {"allOf": [schema], "title": "x"}})


def check_agreement(checked: Check) -> None:
    """Compare *checked* with a check in this process on repositories made at random."""

    @SETTINGS
    @given(repositories())
    def agrees(files: FilesSource) -> None:
        assert told(check(files, COMMIT)) == told(checked(files, COMMIT))

    agrees()


def test_any_repository_is_the_same_in_a_child(sandbox: Sandbox) -> None:
    """Tenants, overlays, odd keys and values, unreadable files: two checks of one commit agree in everything."""
    check_agreement(check_in(sandbox))


def without(name: str) -> Callable[[Any, list[bytes]], Answer]:
    """Return a change that empties a part of each environment's answer."""

    def change(answer: Any, bodies: list[bytes]) -> Answer:
        for each in answer["environments"].values():
            each[name] = []
        return answer, bodies

    return change


def shifted(answer: Any, bodies: list[bytes]) -> Answer:
    """Say of each value that it stands one line further down."""
    for _, origins in answer["documents"]:
        origins["lines"] = [[pointer, file, line + 1] for pointer, file, line in origins["lines"]]
    return answer, bodies


@pytest.mark.parametrize(
    "change", [without("findings"), without("problems"), shifted], ids=["findings", "problems", "origins"]
)
def test_seeded_bugs_on_the_wire_are_caught(sandbox: Sandbox, change: Callable[[Any, list[bytes]], Answer]) -> None:
    """An answer that loses findings or problems, or moves lines, is not taken for a good one."""
    with pytest.raises(AssertionError):
        check_agreement(check_in(Interposed(sandbox, change=change)))


BROKEN = {
    "payments/etl.json": '{"a": 1, "a": 2}',
    "payments/fees.json": "{",
    "payments/good.json": {"a": "x"},
    "environments/prod/payments/good.json": "[]",
    "runpin.toml": MANIFEST + 'schemas = { good = "s/good.json", etl = "s/etl.json", fees = "s/fees.json" }\n',
    "s/good.json": {"properties": {"a": {"type": "integer"}}},
    "s/etl.json": "",
    "s/fees.json": "{1: 2}",
}


def test_everything_that_cannot_be_read_is_said_once(sandbox: Sandbox) -> None:
    """Documents, overlays and schemas: each broken file is one problem, and the others are checked."""
    report = check_in(sandbox)(repository(BROKEN), COMMIT)
    places = {name: [str(each.where).partition(":")[0] for each in one.problems] for name, one in report.items()}

    assert {"dev", "prod"} == places.keys()
    assert sorted(["payments/etl.json", "payments/fees.json", "s/etl.json", "s/fees.json"]) == sorted(places["dev"])
    assert {*places["dev"], "environments/prod/payments/good.json"} == {*places["prod"]}
    assert len({*places["prod"]}) == len(places["prod"])
    assert ["good"] == [finding.document for finding in report["dev"].findings]
    assert told(report) == told(check(repository(BROKEN), COMMIT))


def test_the_command_line_says_all_of_it(tmp_path: Path) -> None:
    """`runpin validate --json` lists every broken file, each once, beside what is wrong inside of the others."""
    cli = CommandLine(tmp_path)
    cli.start()
    cli.write(ETL, "batch_size: 1\nbatch_size: 2\n")
    cli.write("payments/fees.yaml", "a: [\n")
    cli.write("reports/daily.yaml", "a: !!set {}\n")
    cli.write("schemas/payments/etl.schema.json", "{")
    answer = cli.run("validate", "-r", cli.config, "--json")
    found = answer.json["findings"]

    assert (1, "") == (answer.code, answer.err)
    assert [ETL, "payments/fees.yaml", "reports/daily.yaml", "schemas/payments/etl.schema.json"] == sorted(
        finding["where"].partition(":")[0] for finding in found
    )
    assert [["dev", "prod"]] * 4 == [finding["environments"] for finding in found]
    assert not answer.json["valid"]


@pytest.mark.parametrize(
    ("files", "arguments", "error"),
    [
        ({"runpin.toml": "format = 2\n"}, {}, ManifestError),
        ({"runpin.toml": "format ="}, {}, ParseError),
        ({"payments/etl.json": {}, "environments/prod/nowhere.json": {}}, {}, OverlayError),
        ({"payments/etl.json": {}}, {"environments": ["nope"]}, UnknownEnvironment),
        ({"payments/etl.json": {}}, {"applications": ["nope"]}, UnknownApplication),
    ],
)
def test_what_stops_a_check_stops_it_in_a_child_too(
    sandbox: Sandbox, files: Mapping[str, Any], arguments: Any, error: type[Exception]
) -> None:
    """A manifest that cannot be used, or a name that nobody declared, is the same error with the same words."""
    errors = []
    for checked in (check, check_in(sandbox)):
        with pytest.raises(error) as caught:
            checked(repository(files), COMMIT, **arguments)
        errors.append(str(caught.value))

    assert errors[0] == errors[1]


def test_gates_judge_what_is_complete(sandbox: Sandbox) -> None:
    """The child asks the gates about every scope, but not about an environment with broken files."""
    empty: dict[str, Any] = {"payments/etl.json": {}}
    found = check_in(sandbox)(repository(empty), COMMIT)["prod"]
    broken = check_in(sandbox)(repository({**empty, "payments/fees.json": "{"}), COMMIT)["prod"]

    assert ["gate/empty"] == [each.rule for each in found.findings]
    assert ((), 1) == (broken.findings, len(broken.problems))


def test_gates_see_what_is_live(sandbox: Sandbox) -> None:
    """The parent tells the child what the channel of each scope holds, and the child compares."""
    asked: list[Scope] = []

    def look(scope: Scope) -> Present:
        asked.append(scope)
        body = b'{"tables":["orders"]}' if scope.tenant is None else b'{"tables":[]}'
        return Present(SnapshotId("payments", "prod", 1, "0" * 12), {"etl": document_from("etl", body)}, 3, COMMIT.at)

    circumstances = Circumstances(EnforcementPoint.PUBLISH, look=look)
    files = repository({"payments/etl.json": {"tables": []}})
    found = check_in(sandbox)(files, COMMIT, ["prod"], circumstances=circumstances)["prod"]

    assert ["payments.prod", "payments.prod.acme"] == [str(scope) for scope in asked]
    assert [("gate/empty", "/tables")] == [(each.rule, each.pointer) for each in found.findings]


@pytest.mark.parametrize("looks", [True, False])
def test_a_thousand_tenants_are_no_crowd(sandbox: Sandbox, *, looks: bool) -> None:
    """Each is asked for once where something may be live, and nobody is asked where nothing can be."""
    asked: list[str | None] = []
    tenants = [f"t{number}" for number in range(1000)]
    files = repository({"runpin.toml": MANIFEST.replace('["acme"]', str(tenants)), "payments/etl.json": {"a": 1}})
    look = Circumstances(EnforcementPoint.PUBLISH, look=lambda scope: asked.append(scope.tenant))
    found = check_in(sandbox)(files, COMMIT, circumstances=look if looks else AT_COMMIT)

    assert [1001, 1001] == [len(checked.must_pass()) for checked in found.values()]
    assert asked == [None, *tenants] * 2 * looks


def test_what_was_checked_can_be_asked(sandbox: Sandbox) -> None:
    """Problems come before findings, serious findings deny, and a scope's documents go by name."""
    files = repository({"payments/etl.json": {"a": 1}})
    checked = check_in(sandbox)(files, COMMIT)["dev"]

    assert ["etl"] == list(checked.documents_of(Scope("payments", "dev", "acme")))
    with pytest.raises(UnknownTenant, match="acme"):
        checked.documents_of(Scope("payments", "dev", "acmee"))
    with pytest.raises(ParseError):
        check_in(sandbox)(repository(BROKEN), COMMIT)["dev"].must_pass()
    with pytest.raises(ValidationFailed):
        check_in(sandbox)(repository({**BROKEN, **GOOD_BUT_ONE}), COMMIT, ["dev"])["dev"].must_pass()


GOOD_BUT_ONE = {
    "payments/etl.json": {},
    "payments/fees.json": {},
    "s/etl.json": {"required": ["x"]},
    "s/fees.json": {"title": "x"},
}
