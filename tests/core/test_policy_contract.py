"""A policy keeps the contract of every gate, whatever it answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from config_files import COMMIT
from policy_files import BAD, case_of, cel_policy, documents_of, policy
from runpin.cases import Case, Present
from runpin.model import SnapshotId
from runpin.policy.policies import Policy
from runpin.policy.verdicts import Violation
from runpin.ports import Gate
from runpin.testing.gate_contract import GateContract

TELLING = [
    {"expression": "documents == {}", "messageExpression": "'found %s'.format([documents])", "fix": "remove it"},
    {"expression": "present == null", "messageExpression": "'was %s'.format([present])"},
    {"expression": "documents.all(name, documents[name].batch_size > 1)"},
]


class Quoting:
    """An engine of another language, which quotes whatever it finds, wherever it can."""

    def violations(self, given: Mapping[str, Any]) -> Iterable[Violation]:
        """Quote every change."""
        for change in given["changes"]:
            said = f"{change['before']} became {change['after']}"
            yield Violation(said, change["document"], f"/{change['after']}", str(change["after"]), said)


@pytest.mark.parametrize(
    "gate",
    [
        cel_policy(policy()),
        cel_policy(policy(match=None, validations=TELLING)),
        Policy("quoting", Quoting()),
    ],
    ids=["cel", "telling", "quoting"],
)
class TestPolicies(GateContract):
    """Policies of several kinds, and cases of their own."""

    @pytest.fixture
    def gate(self, request: pytest.FixtureRequest) -> Gate:
        """Return each of the policies."""
        given: Gate = request.param
        return given

    @pytest.fixture
    def cases(self) -> Sequence[Case]:
        """Return one that is denied, and one in which a document is gone."""
        live = Present(SnapshotId("payments", "dev", 1, "0" * 12), documents_of({"gone": {"key": "a value"}}))
        return case_of(BAD), replace(case_of(BAD), present=live)


def test_a_document_that_is_gone_can_be_named() -> None:
    """A policy about what was removed has no line to point to but its own."""
    live = Present(SnapshotId("payments", "dev", 1, "0" * 12), documents_of({"gone": {"key": "a value"}}))
    found = Policy("quoting", Quoting()).judge(replace(case_of({}), present=live, commit=COMMIT))

    assert [("gone", "")] == [(each.document, each.pointer) for each in found]
