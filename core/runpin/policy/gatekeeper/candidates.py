"""From Gatekeeper's files to policies that have yet to prove themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from runpin.errors import ParseError
from runpin.model import Origin
from runpin.parsing.nearest import advice
from runpin.policy.gatekeeper.constraints import read_constraint
from runpin.policy.gatekeeper.objects import CONSTRAINTS, SUITES, TEMPLATES, Object
from runpin.policy.gatekeeper.proof import proven_by
from runpin.policy.gatekeeper.suites import SuiteTest, read_suite
from runpin.policy.gatekeeper.templates import Template, read_template
from runpin.policy.policies import Candidate, Policy
from runpin.policy.verdicts import Broken

if TYPE_CHECKING:
    from runpin.compiling import Repository

OnFault = Callable[[str, Exception], None]
"""Takes the path of a file, and what is wrong there: Broken, a group of it, or ParseError."""

_KINDS = {"ConstraintTemplate": TEMPLATES, "Suite": SUITES}


def candidates_of(repository: Repository, objects: Sequence[Object], on_fault: OnFault) -> Iterator[Candidate]:
    """
    Yield the policy that each constraint among *objects* is.

    Args:
        repository: where suites find their samples.
        objects: all objects of the policy files, because they need each other.
        on_fault: takes what is wrong with each that cannot be used.
    """
    known = [made for made in objects if _is_known(made, on_fault)]
    templates: dict[str, Template] = {}
    for made in known:
        if made.kind == "ConstraintTemplate":
            with _told(made.path, on_fault):
                _add(templates, made, repository)
    tests = [test for made in known for test in _tests(made, repository, on_fault)]
    constraints = [made for made in known if made.version in CONSTRAINTS]
    for made in constraints:
        with _told(made.path, on_fault):
            yield _candidate(made, templates, tests)
    _check_all_are_asked(templates, constraints, on_fault)


def _is_known(made: Object, on_fault: OnFault) -> bool:
    if made.version in CONSTRAINTS or made.version in _KINDS.get(made.kind, ()):
        return True
    what = f"{made.version[:80]} {made.kind[:80]} is neither a template, a constraint nor a suite of Gatekeeper"
    fix = "keep other objects, samples for one, where `policies` of the manifest does not lead"
    on_fault(made.path, Broken(what, made.line, fix, rule="kind"))
    return False


def _add(templates: dict[str, Template], made: Object, repository: Repository) -> None:
    repository.looking_at(f"{made.path}:{made.line}")
    template = read_template(made)
    first = templates.setdefault(template.kind, template)
    if first is not template:
        place = f"{first.source.path}:{first.source.line}"
        raise Broken(f"two templates are of the kind {template.kind[:80]!r}", made.line, f"see {place}")


def _tests(made: Object, repository: Repository, on_fault: OnFault) -> list[SuiteTest]:
    if made.version in SUITES:
        with _told(made.path, on_fault):
            repository.looking_at(f"{made.path}:{made.line}")
            return list(read_suite(made, repository))
    return []


def _check_all_are_asked(templates: dict[str, Template], constraints: Sequence[Object], on_fault: OnFault) -> None:
    """Refuse a template that nothing is asked by: it would let everything pass."""
    used = {made.kind for made in constraints}
    for kind, template in templates.items():
        if kind not in used:
            what = f"the template {kind[:80]!r} has no constraint, so that it is never asked"
            broken = Broken(what, template.source.line, "commit a constraint, or delete the template")
            on_fault(template.source.path, broken)


def _candidate(made: Object, kinds: dict[str, Template], tests: Sequence[SuiteTest]) -> Candidate:
    template = kinds.get(made.kind)
    if template is None:
        raise Broken(f"there is no template of the kind {made.kind[:80]!r}", made.line, advice(made.kind, kinds))
    constraint, enforcement = read_constraint(made, template)
    name = f"{made.kind}/{made.table.table('metadata').needed('name')}"
    policy = Policy(name, constraint, enforcement=enforcement, origin=Origin(made.path, made.line))
    return Candidate(policy, (), partial(proven_by, policy, constraint, tests))


@contextmanager
def _told(path: str, on_fault: OnFault) -> Iterator[None]:
    try:
        yield
    except (Broken, ParseError, ExceptionGroup) as error:
        on_fault(path, error)
