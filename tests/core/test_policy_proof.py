"""A policy is asked only after it has shown, in this process, that it tells good from bad."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config_files import COMMIT
from policy_files import BAD, GOOD, LIMITS, PATH, case_of, findings, policy, policy_of, told, with_policies
from runpin.checking import Check, Checked, check, check_in
from runpin.clock import SystemClock
from runpin.model import Finding
from runpin.policy.policies import Candidate
from runpin.policy.proof import proven
from runpin.policy.samples import Sample
from runpin.policy.verdicts import Undecided, Violation
from runpin.sandbox import Sandbox

SETTINGS = settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
ALLOWED, DENIED = "[{documents: {etl: {size: 10}}}]", "[{documents: {etl: {size: 20000}}}]"


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("size <= 10000", "size <= 10"), None, ""),
        (("size <= 10000", "size <= 9"), 10, "denies its allowed sample 1: the batch is too large"),
        (("size <= 10000", "size <= 90000"), 11, "allows its denied sample 1"),
        ((f"  denied: {DENIED}\n", ""), 1, "no denied sample"),
        ((f"  allowed: {ALLOWED}\n", ""), 1, "no allowed sample"),
        ((f"allowed: {ALLOWED}", "allowed: []"), 1, "no allowed sample"),
        ((ALLOWED, "[{documents: {fees: {}}}]"), 1, "no allowed sample that it is asked about"),
        ((ALLOWED, "[{documents: {etl: {}}}]"), 10, "cannot decide on its allowed sample 1: Key not found"),
        ((DENIED, "[{documents: {etl: {}}}]"), 11, "cannot decide on its denied sample 1: Key not found"),
        ((DENIED, f"{DENIED[:-1]}, {{documents: {{etl: {{size: 1}}}}}}]"), 11, "allows its denied sample 2"),
    ],
)
def test_samples_are_judged_as_they_say(change: tuple[str, str], line: int | None, says: str) -> None:
    """A sample with the other verdict, one that is undecided, and one that is missing are errors at their line."""
    assert change[0] in LIMITS
    found = findings(LIMITS.replace(*change))

    assert ([] if line is None else [("policy-file/proof", f"{PATH}:{line}")]) == told(found)
    assert all(says in each.message and each.severity == "error" and each.fix for each in found)


def slips() -> Iterator[str]:
    """Yield the good policy without each of its characters, and without each of its lines."""
    lines = LIMITS.splitlines(keepends=True)
    yield from (LIMITS[:at] + LIMITS[at + 1 :] for at in range(len(LIMITS)))
    yield from ("".join(lines[:at] + lines[at + 1 :]) for at in range(len(lines)))


def check_slips(checked: Check) -> None:
    """Let *checked* judge a bad document by policies with a slip in them, each of which has to deny."""
    for text in slips():
        assert any(each.severity == "error" for each in findings(text, BAD, checked=checked)), text


def test_no_slip_lets_a_bad_document_pass() -> None:
    """A character or a line that got lost makes a policy stricter or broken, and never silent."""
    check_slips(check)


def without_proof(*arguments: Any, **options: Any) -> Mapping[str, Checked]:
    """Check with a seeded bug: nobody hears of samples."""
    report = check(*arguments, **options)
    return {
        name: replace(each, findings=tuple(one for one in each.findings if one.rule != "policy-file/proof"))
        for name, each in report.items()
    }


def test_a_check_without_proof_is_caught() -> None:
    """The slips above find a check that asks no policy for its samples."""
    with pytest.raises(AssertionError):
        check_slips(without_proof)


@pytest.mark.parametrize("mode", ["deny", "warn", "dryrun", "off"])
def test_a_policy_without_proof_is_not_asked(mode: str) -> None:
    """It says nothing about documents; that it is not to be trusted is an error, whatever its mode."""
    found = findings(policy(samples={"allowed": [{"documents": BAD}]}, enforcement=mode), BAD)

    assert ["policy-file/proof"] * 2 == [each.rule for each in found]
    assert ["error"] * 2 == [each.severity for each in found]


def test_other_policies_are_asked_all_the_same() -> None:
    """One bad policy hides nothing of what the good ones say."""
    broken = {"policies/b.yaml": policy("document."), "policies/c.yaml": policy(samples=None), "policies/d.json": "["}
    found = check(with_policies({PATH: policy(), **broken}, BAD), COMMIT, ["dev"])["dev"].findings

    assert {
        "policies/b.yaml": "policy-file/compile",
        "policies/c.yaml": "policy-file/proof",
        "policies/d.json": "policy-file/parse",
        "etl": "policy/limits",
    } == {each.document: each.rule for each in found}


@pytest.mark.parametrize(
    ("match", "expression", "sample"),
    [
        ({"environments": ["prod"]}, "scope.environment == 'prod'", {}),
        ({"tenants": ["acme"]}, "scope.tenant == 'acme'", {}),
        ({"applications": ["payments"]}, "scope.application == 'payments'", {}),
        ({}, "scope.tenant == null && point == 'publish' && channel == 'stable' && changes == []", {}),
        ({}, "present == null && strategy == null && commit.signer == null", {}),
        ({}, "point == 'audit'", {"point": "audit"}),
        ({}, "channel == 'canary'", {"channel": "canary"}),
        ({}, "scope.tenant == 'other'", {"scope": {"tenant": "other"}}),
        ({}, "present.pinned == 3 && present.snapshot == 'sample.sample.v1.000000000000'", {"present": {"pinned": 3}}),
        ({}, "changes.exists(c, c.kind == 'removed')", {"present": {"documents": {"etl": {}}}}),
        ({}, "strategy.growth_type == 'LINEAR'", {"strategy": {"growth_type": "LINEAR"}}),
        ({}, "commit.signer == 'ada' && commit.approvers == ['b']", {"commit": {"signer": "ada", "approvers": ["b"]}}),
        ({}, "timestamp(commit.at).getFullYear() == 2026", {"commit": {"at": "2026-01-31T12:00:00Z"}}),
    ],
)
def test_samples_are_whole_cases(match: dict[str, Any], expression: str, sample: dict[str, Any]) -> None:
    """What a sample leaves out is made up so that the policy matches; what it says is what the policy sees."""
    bad = {**sample, "commit": {**sample.get("commit", {}), "author": "Eve <eve@example.org>"}}
    text = policy(
        f"commit.author != 'Eve <eve@example.org>' && ({expression})",
        match=match or None,
        samples={"allowed": [sample], "denied": [bad]},
    )

    assert () == tuple(each for each in findings(text) if each.rule.startswith("policy-file"))


def test_proof_is_taken_each_time() -> None:
    """The same text proves itself in every check, in the process that asks it, the child's too."""
    with Sandbox(SystemClock()) as sandbox:
        for checked in (check, check_in(sandbox), check_in(sandbox)):
            assert told(findings(LIMITS, BAD, checked=checked)) == [("policy/limits/most", "payments/etl.json:2")]
            (found,) = findings(LIMITS.replace("size: 10}", "size: 90000}"), BAD, checked=checked)
            assert "denies its allowed sample 1" in found.message


def test_a_sample_keeps_its_values_to_itself() -> None:
    """What a policy says about a sample while it judges is shown without the sample's values."""
    samples = {"allowed": [{"documents": {"etl": {"size": 1, "name": "hunter2"}}}], "denied": []}
    validations = [{"expression": "false", "message": "x", "messageExpression": "'no ' + document.name"}]
    found = findings(policy(validations=validations, samples=samples))

    assert "no ●●●" in found[0].message
    assert "hunter2" not in json.dumps([each.message for each in found])


class Table:
    """An engine that says what it is told to, by the value `verdict` of the document."""

    def violations(self, given: Mapping[str, Any]) -> Iterable[Violation]:
        """Return what the document says about itself."""
        verdict = given["document"]["verdict"]
        if verdict == "raise":
            raise KeyError(verdict)
        if verdict == "undecided":
            raise Undecided("why")
        return [Violation("no")] if verdict == "deny" else []


VERDICTS = st.sampled_from(["allow", "deny", "undecided", "raise"])
CASES = st.lists(st.tuples(st.booleans(), VERDICTS), max_size=6)
Proof = Callable[[Candidate], Sequence[Finding]]


def check_proof(proof: Proof) -> None:
    """Compare *proof* with what makes one: both kinds are there, and each sample has the verdict it should have."""

    @SETTINGS
    @given(CASES)
    def agrees(cases: list[tuple[bool, str]]) -> None:
        samples = [
            Sample(f"sample {line}", case_of({"etl": {"verdict": verdict}}), denied, line)
            for line, (denied, verdict) in enumerate(cases, start=1)
        ]
        wrong = {line for line, (denied, said) in enumerate(cases, start=1) if said != ("deny" if denied else "allow")}
        missing = len({True, False} - {denied for denied, _ in cases})
        found = proof(Candidate(policy_of(Table()), samples))

        assert wrong == {each.origin.line for each in found if each.origin}
        assert missing == sum(each.origin is None for each in found)

    agrees()


def test_proof_takes_every_sample() -> None:
    """Whatever the samples are, exactly those that are judged otherwise than they should be are named."""
    check_proof(proven)


def without_denied(candidate: Candidate) -> Sequence[Finding]:
    """Prove with a seeded bug: denied samples count, and are not judged."""
    found = {sample.line for sample in candidate.samples if sample.denied}
    return [each for each in proven(candidate) if each.origin is None or each.origin.line not in found]


def counting_all(candidate: Candidate) -> Sequence[Finding]:
    """Prove with a seeded bug: a policy without samples needs none."""
    return [each for each in proven(candidate) if each.origin is not None]


def lenient(candidate: Candidate) -> Sequence[Finding]:
    """Prove with a seeded bug: a denied sample that is undecided counts as denied."""
    return [each for each in proven(candidate) if "cannot decide" not in each.message]


@pytest.mark.parametrize("bug", [without_denied, counting_all, lenient])
def test_seeded_bugs_of_a_proof_are_caught(bug: Proof) -> None:
    """The comparison above finds a proof without denied samples, without any, or with errors for a verdict."""
    with pytest.raises(AssertionError):
        check_proof(bug)


def test_an_engine_that_fails_denies() -> None:
    """Whatever it raises is a finding without the words of the exception, which may hold a value."""
    (found,) = policy_of(Table()).judge(case_of({"etl": {"verdict": "raise"}}))

    assert ("policy/limits", "error", "etl") == (found.rule, found.severity, found.document)
    assert found.message.endswith("which denies: its engine failed with KeyError")
    assert policy_of(Table()).judge(case_of({"etl": {"verdict": "allow"}, "other": {}})) == ()
    assert policy_of(Table()).judge(case_of(GOOD))[0].message.endswith("KeyError")
