"""Published Snapshots are judged by the rules of a commit, the same in a child as in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config_files import COMMIT, MANIFEST, Answer, Interposed, repository
from runpin.canonical import canonical, document_from
from runpin.cases import EnforcementPoint, Present
from runpin.checking import Checked, Circumstances, Held, Rules, check_snapshots, check_snapshots_in, declared_in
from runpin.checking.placing import placed
from runpin.clock import SystemClock
from runpin.compiling import document_of
from runpin.errors import CheckFailed, ManifestError
from runpin.model import Document, Finding, Origin, Scope, SnapshotId
from runpin.parsing import parse
from runpin.sandbox import Sandbox

AUDIT = Circumstances(EnforcementPoint.AUDIT)
SCHEMA = 'schemas = { etl = "s/etl.json" }\n'
STRICTER = {
    "runpin.toml": MANIFEST + SCHEMA,
    "payments/etl.json": '{\n "size": 7,\n "days": 1,\n "limits": {"most": 3}\n}',
    "s/etl.json": {"properties": {"size": {"maximum": 5}, "days": {"maximum": 5}}},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return one sandbox for all tests here: none of them harms its child."""
    with Sandbox(SystemClock()) as made:
        yield made


def held(documents: Mapping[str, Any], scope: Scope | None = None, lost: tuple[str, ...] = ()) -> Held:
    """Return a Snapshot of these values that a store holds."""
    chosen = scope or Scope("payments", "prod")
    made = {name: document_from(name, canonical(value)) for name, value in documents.items()}
    return Held(chosen, SnapshotId(chosen.application, chosen.environment, 7, "0" * 12), "stable", made, lost)


def judged(files: Mapping[str, Any], *snapshots: Held, circumstances: Circumstances = AUDIT) -> tuple[Checked, ...]:
    """Return what this process says about Snapshots, by the rules in these files."""
    return check_snapshots(repository(files), COMMIT, snapshots, circumstances)


def findings(checked: Checked) -> list[tuple[str, str, str, str | None]]:
    """Return severity, document and pointer, rule and place of each finding."""
    return [
        (each.severity, f"{each.document}#{each.pointer}", each.rule, str(each.origin) if each.origin else None)
        for each in checked.findings
    ]


def test_a_schema_that_became_stricter_is_found_with_the_lines_of_today() -> None:
    """Where a file of today still sets the value its line is named, where it sets another one there is none."""
    (checked,) = judged(STRICTER, held({"etl": {"size": 7, "days": 9}}))

    assert [
        ("error", "etl#/days", "properties/days/maximum", None),
        ("error", "etl#/size", "properties/size/maximum", "payments/etl.json:2"),
    ] == findings(checked)


def test_what_was_published_and_still_fits_says_nothing() -> None:
    """The values of today do not count, only the rules do."""
    assert [] == findings(judged(STRICTER, held({"etl": {"size": 1}}))[0])


@pytest.mark.parametrize(
    "scope", [Scope("billing", "prod"), Scope("payments", "test"), Scope("payments", "prod", "globex")], ids=str
)
def test_what_the_manifest_declares_no_more_is_denied(scope: Scope) -> None:
    """An application, an environment or a tenant that is gone has no rules, so nothing lets its Snapshot pass."""
    (checked,) = judged(STRICTER, held({"etl": {"size": 1}}, scope))

    assert [("error", "#", "manifest/undeclared", None)] == findings(checked)


def test_a_document_that_is_declared_no_more_is_a_warning() -> None:
    """There is no schema for it, and it is read by nobody who follows the repository."""
    (checked,) = judged(STRICTER, held({"etl": {"size": 1}, "old": {"a": 1}}))

    assert [("warning", "old#", "manifest/undeclared", None)] == findings(checked)


def test_a_document_that_the_store_lost_is_denied() -> None:
    """What cannot be read cannot be judged, and what cannot be judged does not pass."""
    (checked,) = judged(STRICTER, held({}, lost=("etl",)))

    assert [("error", "etl#", "store/lost", None)] == findings(checked)


def test_a_broken_file_of_today_costs_lines_only() -> None:
    """What is live is judged by the rules, which can be read; a broken schema is a problem."""
    broken = {**STRICTER, "payments/etl.json": "{"}
    (checked,) = judged(broken, held({"etl": {"size": 7}}))
    (unknown,) = judged({**broken, "s/etl.json": "{"}, held({"etl": {"size": 7}}))

    assert [("error", "etl#/size", "properties/size/maximum", None)] == findings(checked)
    assert (["s/etl.json"], ()) == (
        [str(each.where).partition(":")[0] for each in unknown.problems],
        unknown.findings,
    )


def test_a_manifest_that_cannot_be_used_judges_nothing() -> None:
    """There are no rules then, and the error says so."""
    with pytest.raises(ManifestError):
        judged({"runpin.toml": "format = 2\n"}, held({}))


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (EnforcementPoint.PROMOTE, [("error", "etl#/tables", "gate/empty", None)]),
        (EnforcementPoint.AUDIT, []),
        (EnforcementPoint.RUN_START, []),
    ],
)
def test_gates_compare_what_is_about_to_change_only(point: EnforcementPoint, expected: list[Any]) -> None:
    """A promotion is compared with what the channel holds; in an audit and at run start a Snapshot is its own past."""
    live = held({"etl": {"tables": ["orders"]}})
    circumstances = Circumstances(point, look=lambda _: Present(live.snapshot, live.documents))
    (checked,) = judged({"payments/etl.json": {}}, held({"etl": {"tables": []}}), circumstances=circumstances)

    assert expected == findings(checked)


@pytest.mark.parametrize(
    ("point", "severities"),
    [(EnforcementPoint.AUDIT, []), (EnforcementPoint.RUN_START, ["warning"]), (EnforcementPoint.PROMOTE, ["error"])],
)
def test_each_point_has_modes_of_its_own(point: EnforcementPoint, severities: list[str]) -> None:
    """Whoever owns the rules says how strict a gate is at which moment."""
    modes = '[gates]\nempty = { mode = { audit = "off", run_start = "warn", promote = "deny" } }\n'
    files = {"runpin.toml": f"{MANIFEST}{modes}", "payments/etl.json": {"a": 1}}
    (checked,) = judged(files, held({"etl": {}}), circumstances=Circumstances(point))

    assert severities == [each.severity for each in checked.findings if each.rule.startswith("gate/empty")]


JSON = st.recursive(
    st.sampled_from([0, 1, True, False, None, "", "x", 0.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab/~"), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from("ab/~"), JSON, max_size=3)
SETTINGS = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False
)


def compiled(value: Any) -> Document:
    """Return *value* as a file of today spells it."""
    return document_of("etl", parse("etl.json", canonical(value)))


def at(value: Any, pointer: str) -> Any:
    """Return the value at *pointer* in a document, in a form that tells true from 1."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, tuple) else value[key]
    return repr(value)


@SETTINGS
@given(DOCUMENTS, DOCUMENTS)
def test_a_line_is_named_only_where_it_sets_the_same_value(then: Any, now: Any) -> None:
    """Whatever differs has no origin, and whatever is the same has one."""
    today, found = compiled(now), placed(document_from("etl", canonical(then)), compiled(now))

    def same(pointer: str) -> bool:
        try:
            return bool(at(found.value, pointer) == at(today.value, pointer))
        except (LookupError, TypeError, ValueError):
            return False

    assert {pointer for pointer in today.origins if same(pointer)} == set(found.origins)
    assert all(today.origins[pointer] == origin for pointer, origin in found.origins.items())


def told(verdicts: Sequence[Checked]) -> Any:
    """Return all that verdicts say."""
    return [(each.findings, [problem.as_json() for problem in each.problems]) for each in verdicts]


@pytest.mark.parametrize(
    "files",
    [
        STRICTER,
        {**STRICTER, "s/etl.json": "{"},
        {**STRICTER, "payments/etl.json": "{"},
        {"payments/etl.json": {"tables": ["orders"]}},
    ],
    ids=["stricter", "schema", "file", "gate"],
)
def test_a_child_says_the_same(sandbox: Sandbox, files: Mapping[str, Any]) -> None:
    """Findings, their lines and problems do not depend on who did the work, and each Snapshot has its own."""
    snapshots = [
        held({"etl": {"size": 7, "days": 9}}),
        held({"etl": {"size": 1}, "old": {}}, Scope("payments", "prod", "acme")),
        held({"etl": {"tables": []}}, lost=("fees",)),
        held({"etl": {"tables": []}}, Scope("billing", "prod")),
    ]
    live = held({"etl": {"tables": ["orders"]}})
    for point in (EnforcementPoint.AUDIT, EnforcementPoint.PROMOTE):
        circumstances = Circumstances(point, look=lambda _: Present(live.snapshot, live.documents, 3, COMMIT.at))
        here = check_snapshots(repository(files), COMMIT, snapshots, circumstances)

        assert told(here) == told(check_snapshots_in(sandbox)(repository(files), COMMIT, snapshots, circumstances))


def test_a_manifest_is_read_in_a_child(sandbox: Sandbox) -> None:
    """An audit has to know the tenants before it can ask for their channels."""
    found = Rules(repository({"payments/etl.json": {}}), COMMIT, declare=declared_in(sandbox)).declares

    assert (("dev", "prod"), ("acme",), ("payments",)) == (found.environments, found.tenants, found.applications)


def test_what_harms_the_child_is_refused_and_named(sandbox: Sandbox) -> None:
    """A rule of today that dies on what was published yesterday is no permission, and the next question is answered."""
    manifest = f'{MANIFEST}schemas = {{ etl = "python:consumer_models:Crashes" }}\n'
    harmful = repository({"runpin.toml": manifest, "payments/etl.json": {"b": 1}})
    with pytest.raises(CheckFailed, match="crash") as caught:
        check_snapshots_in(sandbox)(harmful, COMMIT, [held({"etl": {"a": 1}})], AUDIT)
    (after,) = check_snapshots_in(sandbox)(repository(STRICTER), COMMIT, [held({"etl": {"size": 1}})], AUDIT)

    assert "python:consumer_models:Crashes" in str(caught.value.where)
    assert () == after.findings


def swapped(answer: Any, bodies: list[bytes]) -> Answer:
    """Leave the last verdict out."""
    return answer[:-1], bodies


def noise(answer: Any, bodies: list[bytes]) -> Answer:
    """Say something else."""
    return [{"findings": [[1]], "problems": []} for _ in answer], bodies


@pytest.mark.parametrize("change", [swapped, noise])
def test_an_answer_about_something_else_is_refused(
    sandbox: Sandbox, change: Callable[[Any, list[bytes]], Answer]
) -> None:
    """A child that was taken over cannot answer for fewer Snapshots, nor with what is no finding."""
    taken = Interposed(sandbox, change=change)
    with pytest.raises(CheckFailed, match="cannot be read"):
        check_snapshots_in(taken)(repository(STRICTER), COMMIT, [held({"etl": {"size": 7}})], AUDIT)


@pytest.mark.parametrize("answer", [[["prod"], ["acme"]], [["Not a name!"], [], []], None])
def test_names_that_are_none_are_refused(sandbox: Sandbox, answer: Any) -> None:
    """Names of tenants become part of queries, so that the parent checks them."""
    taken = Interposed(sandbox, change=lambda _, bodies: (answer, bodies))
    with pytest.raises(CheckFailed, match="cannot be read"):
        declared_in(taken)(repository({"payments/etl.json": {}}), COMMIT)


def test_findings_hold_no_value() -> None:
    """Neither the value that is live nor the one of today is repeated."""
    (checked,) = judged(STRICTER, held({"etl": {"size": 98765, "days": 43210}}))
    text = " ".join(map(str, checked.findings))

    assert "98765" not in text
    assert "43210" not in text
    assert all(isinstance(each, Finding) and isinstance(each.origin, Origin | None) for each in checked.findings)
