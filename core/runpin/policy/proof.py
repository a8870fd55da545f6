"""
Proof that a policy tells good from bad: it allows its allowed samples, and denies its denied ones.

A policy that never denies looks like one that has nothing to say. So every policy shows what it can, in the process
that asks it afterwards, each time before it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runpin.model import Finding, Origin
from runpin.policy.redacting import hiding, on_one_line
from runpin.policy.verdicts import Undecided, Violation

if TYPE_CHECKING:
    from runpin.policy.policies import Candidate, Policy
    from runpin.policy.samples import Sample

_HOW = {
    "allowed": "add a case that is fine below allowed:, with what `match` and the policy look at",
    "denied": "add a case that the policy has to deny below denied:, with what `match` and the policy look at",
}


def proven(candidate: Candidate) -> tuple[Finding, ...]:
    """Return why a policy cannot be trusted; nothing if each sample is judged as it should be."""
    policy = candidate.policy
    asked = dict.fromkeys(_HOW, False)
    found = []
    for sample in candidate.samples:
        answers = [answer for _, given in policy.asked(sample.case) for answer in (policy.answer(given) or (None,))]
        asked["denied" if sample.denied else "allowed"] |= bool(answers)
        found += list(_complaints(policy, sample, [answer for answer in answers if answer is not None]))
    missing = [kind for kind, is_there in asked.items() if not is_there]
    return (*found, *(_unproven(policy, kind) for kind in missing))


def _complaints(policy: Policy, sample: Sample, answers: list[Violation | Undecided]) -> Iterator[Finding]:
    hides = hiding(sample.case)
    undecided = next((answer for answer in answers if isinstance(answer, Undecided)), None)
    if undecided is not None:
        what = f"the policy {policy.name!r} cannot decide on its {sample.name}: {hides.of(undecided.message)}"
        yield _finding(policy, sample, what, "correct the policy, or give the sample what it looks at")
    elif sample.denied and not answers:
        what = f"the policy {policy.name!r} allows its {sample.name}"
        yield _finding(policy, sample, what, "correct the policy, or the sample if it is fine after all")
    elif not sample.denied and answers:
        said = next(answer for answer in answers if isinstance(answer, Violation))
        message = on_one_line(said.message) if said.as_written else hides.of(said.message)
        what = f"the policy {policy.name!r} denies its {sample.name}: {message}"
        yield _finding(policy, sample, what, "correct the policy, or the sample if it is wrong after all")


def _finding(policy: Policy, sample: Sample, message: str, fix: str) -> Finding:
    file = sample.file or (policy.origin.file if policy.origin else "")
    return Finding(file, "", "policy-file/proof", message, Origin(file, sample.line), fix=fix)


def _unproven(policy: Policy, kind: str) -> Finding:
    message = f"the policy {policy.name!r} has no {kind} sample that it is asked about, so that nothing proves it"
    file = policy.origin.file if policy.origin else ""
    return Finding(file, "", "policy-file/proof", message, policy.origin, fix=_HOW[kind])
