"""Proof of a constraint: the suites that name it, of which every case has to come out as it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from runpin.canonical import canonical, document_from
from runpin.cases import Case, EnforcementPoint
from runpin.model import Finding, Origin, Scope
from runpin.policy.redacting import Hiding
from runpin.policy.samples import COMMIT
from runpin.policy.verdicts import Undecided
from runpin.validation.patterns import matches

if TYPE_CHECKING:
    from runpin.policy.gatekeeper.constraints import Constraint
    from runpin.policy.gatekeeper.suites import Assertion, SuiteCase, SuiteTest
    from runpin.policy.policies import Policy
    from runpin.policy.verdicts import Violation

_MOST = 1000
_RULE = "policy-file/proof"
_HOW = "a suite names the files of template and constraint, with a case that is fine and one that is not"


def proven_by(policy: Policy, constraint: Constraint, tests: Sequence[SuiteTest]) -> tuple[Finding, ...]:
    """Return why *constraint* cannot be trusted; nothing if each case about it in *tests* comes out as it should."""
    cases = [case for test in tests if _is_about(test, constraint) for case in test.cases]
    found: list[Finding] = []
    shown = {"allowed": False, "denied": False}
    for case in cases:
        try:
            said = list(islice(constraint.about(case.review), _MOST)) if constraint.concerns(case.review) else None
        except Undecided as undecided:
            found.append(_finding(policy, case, _undecided(undecided, case)))
            continue
        shown["denied"] |= bool(said)
        shown["allowed"] |= said == []
        found += [_finding(policy, case, what) for what in _complaints(case, said)]
    missing = [kind for kind, is_there in shown.items() if not is_there]
    return (*found, *(_unproven(policy, kind) for kind in missing if not found))


def _is_about(test: SuiteTest, constraint: Constraint) -> bool:
    return (test.template, test.constraint) == (constraint.template.source.path, constraint.source.path)


def _undecided(undecided: Undecided, case: SuiteCase) -> str:
    place = f" ({undecided.file}:{undecided.line})" if undecided.file and undecided.line else ""
    return f"cannot decide on it: {Hiding(_case_of(case)).of(undecided.message)}{place}"


def _case_of(case: SuiteCase) -> Case:
    objects = {f"sample-{number}": made for number, made in enumerate(case.review.objects)}
    documents = {name: document_from(name, canonical(made)) for name, made in objects.items()}
    return Case(Scope("sample", "sample"), EnforcementPoint.COMMIT, documents, COMMIT)


def _complaints(case: SuiteCase, said: Sequence[Violation] | None) -> Iterator[str]:
    for assertion in case.assertions:
        count = sum(_matches(assertion, violation) for violation in said or ())
        if count < assertion.least or (assertion.most is not None and count > assertion.most):
            does = "is not asked" if said is None else f"finds {count}"
            yield f"{does} where the case wants {assertion}"


def _matches(assertion: Assertion, violation: Violation) -> bool:
    return not assertion.message or matches(assertion.message, violation.message)


def _finding(policy: Policy, case: SuiteCase, what: str) -> Finding:
    message = f"case {case.name!r}: the policy {policy.name!r} {what}"
    return Finding(case.path, "", _RULE, message, Origin(case.path, case.line), fix="correct the policy, or the case")


def _unproven(policy: Policy, kind: str) -> Finding:
    message = f"the policy {policy.name!r} has no {kind} case that it is asked about, so that nothing proves it"
    return Finding(policy.origin.file if policy.origin else "", "", _RULE, message, policy.origin, fix=_HOW)
