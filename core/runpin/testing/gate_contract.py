"""What every gate promises: answers that can be used, the same ones each time, soon, and without a value in them."""

# ruff: noqa: S101 - this module is a test suite that ships

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from runpin.cases import SEVERITIES, Case, EnforcementPoint
from runpin.model import Finding, Scope
from runpin.ports import Gate
from runpin.testing.cases import COMMIT, case_of

CANARY = "canary-7f3a9c"
"""Stands in values, so that a message that holds one is found out."""

_SHORTEST = 6
_ODD = {
    "kinds": {"text": f"{CANARY} text", "whole": 918273645, "part": 0.918273645, "yes": True, "nothing": None},
    "keys": {"a/b": [CANARY], "~": {"é": CANARY}, "": CANARY, "password": CANARY, "x" * 256: {}},
    "lists": {"mixed": [[], {}, [[CANARY]], {"a": CANARY}, None, 1]},
}


def _nested(depth: int) -> Any:
    value: Any = CANARY
    for level in range(depth):
        value = {"deeper": value} if level % 2 else [value]
    return {"top": value}


def _large() -> dict[str, Any]:
    """Return a document of about 100 KB."""
    return {
        f"table_{number}": {"name": f"{CANARY} {number}", "columns": ["id", "amount", "currency"], "batch": number}
        for number in range(1_000)
    }


def standard_cases() -> tuple[Case, ...]:
    """Return cases that any gate may meet: nothing live, much live, tenants, every point, odd and large documents."""
    large = _large()
    less = dict(list(large.items())[:100])
    return (
        case_of({}),
        case_of({"etl": {}}),
        case_of(_ODD),
        case_of({"etl": _nested(62)}, {"etl": _nested(61)}),
        case_of(_ODD, {name: {} for name in _ODD}, pinned=3),
        case_of({"etl": {}}, _ODD, pinned=3),
        case_of({}, _ODD),
        case_of({"large": large}, {"large": less}, pinned=0),
        case_of({"large": less}, {"large": large}),
        case_of(_ODD, _ODD, scope=Scope("payments", "prod", "acme"), channel="canary"),
        case_of(_ODD, strategy={"growth_type": "LINEAR"}, commit=replace(COMMIT, reproducible=False, author="")),
        case_of(_ODD, commit=replace(COMMIT, signer="ada@example.org", approvers=("Bob <bob@example.org>", "?"))),
        *(case_of({"etl": {"a": CANARY}}, {"etl": {"b": CANARY}}, point=point) for point in EnforcementPoint),
    )


class GateContract:
    """
    The tests; a subclass gives the `gate`, and more `cases` if it can: some that it denies.

    Attributes:
        seconds: how long the gate may take for one case; a document of 100 KB is among them.
    """

    seconds: ClassVar[float] = 1.0

    @pytest.fixture
    def gate(self) -> Gate:
        """Return the gate, set up as it would be by the manifest."""
        raise NotImplementedError

    @pytest.fixture
    def cases(self) -> Sequence[Case]:
        """Return cases of the gate's own, beside those that any gate may meet."""
        return ()

    def test_it_answers_with_findings(self, gate: Gate, cases: Sequence[Case]) -> None:
        """Each has a rule, a known severity, one line of text, and a place in a document that there is."""
        for case in (*standard_cases(), *cases):
            known = {"", *case.documents, *(case.present.documents if case.present else ())}
            for finding in gate.judge(case):
                assert isinstance(finding, Finding)
                assert finding.rule
                assert finding.severity in SEVERITIES
                assert finding.message.strip()
                assert finding.message.isprintable()
                assert finding.document in known
                assert finding.pointer == "" or finding.pointer.startswith("/")

    def test_the_same_case_has_the_same_answer(self, gate: Gate, cases: Sequence[Case]) -> None:
        """Whether something may be published does not depend on how often it was asked."""
        for case in (*standard_cases(), *cases):
            assert list(gate.judge(case)) == list(gate.judge(case))

    def test_no_value_is_told(self, gate: Gate, cases: Sequence[Case]) -> None:
        """What stands in a document may be a secret: neither message nor advice holds it."""
        for case in (*standard_cases(), *cases):
            values = set(_telling(case))
            for finding in gate.judge(case):
                said = f"{finding.rule} {finding.message} {finding.fix}"
                assert not [True for value in values if value in said], f"a value is in what {finding.rule} says"

    def test_it_takes_its_time_and_no_more(self, gate: Gate, cases: Sequence[Case]) -> None:
        """A publication waits for every gate."""
        for case in (*standard_cases(), *cases):
            began = time.perf_counter()
            tuple(gate.judge(case))

            assert time.perf_counter() - began < self.seconds

    def test_it_changes_nothing(self, gate: Gate, cases: Sequence[Case]) -> None:
        """The next gate judges the same case."""
        for case in (*standard_cases(), *cases):
            before = repr(case)
            tuple(gate.judge(case))

            assert before == repr(case)


def _telling(case: Case) -> Iterator[str]:
    """Yield the values of a case that are long enough not to be in a message by chance."""
    present = case.present.documents if case.present else {}
    for document in (*case.documents.values(), *present.values()):
        for value in _scalars(document.value):
            if len(value) >= _SHORTEST:
                yield value


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for member in value.values():
            yield from _scalars(member)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _scalars(item)
    elif isinstance(value, (str, int, float)):
        yield str(value)
