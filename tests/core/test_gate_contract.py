"""The contract of gates: runpin's own keep it, and a gate that breaks a promise is caught by the test for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any, ClassVar, cast

import pytest

from runpin.cases import Case
from runpin.model import Document, Finding
from runpin.policy.built_in import BUILT_IN
from runpin.ports import Gate
from runpin.testing import case_of
from runpin.testing.contracts import GateContract

SECRET = "hunter2-in-the-clear"  # noqa: S105 - nobody's password


class TestBuiltIn(GateContract):
    """Every gate that comes with runpin."""

    @pytest.fixture(params=list(BUILT_IN))
    def gate(self, request: pytest.FixtureRequest) -> Gate:
        """Return each of them, with its own options."""
        return BUILT_IN[request.param].make()

    @pytest.fixture
    def cases(self) -> Sequence[Case]:
        """Return cases that they deny."""
        return (
            case_of({"etl": {"password": SECRET, "url": f"postgresql://ada:{SECRET}@db.example.org/x"}}),
            case_of({f"d{number}": {"x": SECRET} for number in range(1_100)}),
            case_of({"etl": {"x": [SECRET] * 900}}, {"etl": {"y": SECRET}}, pinned=2),
        )


@dataclass
class Bad:
    """
    A gate that breaks one promise.

    `answers` are given one after the other, the last one for ever.
    """

    answers: list[Any] = field(default_factory=lambda: [[]])
    seconds: float = 0

    def judge(self, case: Case) -> Sequence[Finding]:
        """Answer as badly as it was told to."""
        if self.seconds:
            Event().wait(self.seconds)
        answer: Any = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answered: Sequence[Finding] = answer(case) if callable(answer) else answer
        return answered


def found(**changes: Any) -> list[Finding]:
    """Return an answer of one finding that is good but for *changes*."""
    given = {"document": "", "pointer": "", "rule": "acme/rule", "message": "this is wrong", **changes}
    return [Finding(**given)]


def take_away(case: Case) -> list[Finding]:
    """Remove a document from the case."""
    cast("dict[str, Document]", case.documents).clear()
    return []


def tell(case: Case) -> list[Finding]:
    """Quote the first value of a document."""
    values = [str(value) for document in case.documents.values() for value in document.value.values()]
    return found(message=f"this is wrong: {values[0]}") if values else []


def advise(case: Case) -> list[Finding]:
    """Quote it in the advice."""
    return [finding for each in tell(case) for finding in found(fix=each.message)]


class Impatient(GateContract):
    """The contract with less time."""

    __test__ = False
    seconds: ClassVar[float] = 0.02


@pytest.mark.parametrize(
    ("test", "gate"),
    [
        ("test_it_answers_with_findings", Bad([["not a finding"]])),
        ("test_it_answers_with_findings", Bad([None])),
        ("test_it_answers_with_findings", Bad([found(severity="fatal")])),
        ("test_it_answers_with_findings", Bad([found(rule="")])),
        ("test_it_answers_with_findings", Bad([found(message=" ")])),
        ("test_it_answers_with_findings", Bad([found(message="two\nlines")])),
        ("test_it_answers_with_findings", Bad([found(document="no such document")])),
        ("test_it_answers_with_findings", Bad([found(pointer="batch_size")])),
        ("test_it_answers_with_findings", Bad([lambda case: case.documents["etl"]])),
        ("test_the_same_case_has_the_same_answer", Bad([[], found()])),
        ("test_no_value_is_told", Bad([tell])),
        ("test_no_value_is_told", Bad([advise])),
        ("test_it_takes_its_time_and_no_more", Bad(seconds=0.03)),
        ("test_it_changes_nothing", Bad([take_away])),
    ],
)
def test_each_promise_is_tested(test: str, gate: Bad) -> None:
    """A seeded fault is caught by the test that is there for it."""
    with pytest.raises((AssertionError, AttributeError, TypeError, KeyError)):
        getattr(Impatient(), test)(gate, ())


@pytest.mark.parametrize("name", [name for name in dir(GateContract) if name.startswith("test_")])
def test_a_good_gate_passes(name: str) -> None:
    """A gate that finds something everywhere, and says so properly, keeps every promise."""
    getattr(GateContract(), name)(Bad([found()]), ())


def test_a_subclass_has_to_give_a_gate() -> None:
    """Nothing is tested by mistake."""
    with pytest.raises(NotImplementedError):
        GateContract.gate.__wrapped__(GateContract())  # type: ignore[attr-defined] # pytest wraps the fixture
