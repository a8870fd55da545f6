"""Constraints: what a template forbids, of which objects, with which parameters and how strictly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runpin.cases import Enforcement, EnforcementMode, EnforcementPoint
from runpin.parsing.nearest import advice
from runpin.policy.gatekeeper.matching import Matching, read_match
from runpin.policy.gatekeeper.reviews import Review, reviews_of
from runpin.policy.verdicts import Undecided

if TYPE_CHECKING:
    from runpin.policy.files import PolicyTable
    from runpin.policy.gatekeeper.objects import Object
    from runpin.policy.gatekeeper.templates import Template
    from runpin.policy.verdicts import Violation

_EVERYWHERE = tuple(EnforcementPoint)
_POINTS = {
    "validation.gatekeeper.sh": (EnforcementPoint.PUBLISH, EnforcementPoint.PROMOTE, EnforcementPoint.RUN_START),
    "audit.gatekeeper.sh": (EnforcementPoint.AUDIT,),
    "gator.gatekeeper.sh": (EnforcementPoint.COMMIT,),
    "vap.k8s.io": (),
    "*": _EVERYWHERE,
    **{str(point): (point,) for point in EnforcementPoint},
}
"""Where Gatekeeper enforces, and where that is here; our own points may be named too."""

_MODES = (EnforcementMode.DENY, EnforcementMode.WARN, EnforcementMode.DRYRUN)
_SCOPED = "scoped"


@dataclass(frozen=True, slots=True)
class Constraint:
    """
    A constraint as an engine that can be asked.

    Attributes:
        template: what it forbids.
        matching: which objects it is asked about.
        parameters: what it tells the template.
        source: where it stands.
    """

    template: Template
    matching: Matching
    parameters: Mapping[str, Any]
    source: Object = field(repr=False)

    def violations(self, given: Mapping[str, Any]) -> Iterator[Violation]:
        """Yield what it forbids about each document."""
        for review in reviews_of(given):
            if self.concerns(review):
                yield from self._named(review)

    def _named(self, review: Review) -> Iterator[Violation]:
        try:
            yield from (_placed(violation, review) for violation in self.about(review))
        except Undecided as undecided:
            what = f"about {review.document}: {undecided.message}"
            # Rules are the template's, wherever the constraint stands.
            file = undecided.file or self.template.source.path
            raise Undecided(what, undecided.line, file=file) from None

    def concerns(self, review: Review) -> bool:
        """Tell whether it is asked about *review*."""
        return any(self.matching.takes(made) for made in review.objects)

    def about(self, review: Review) -> Iterator[Violation]:
        """
        Return what it forbids about one object.

        Raises:
            Undecided: it cannot tell.
        """
        data = {"inventory": review.inventory} if self.template.inventory else None
        return self.template.forbidden.violations({"review": review.content, "parameters": self.parameters}, data)


def read_constraint(made: Object, template: Template) -> tuple[Constraint, Enforcement]:
    """
    Return the constraint that *made* is, and how strict it is.

    Raises:
        Broken: it says something wrong, alone or in a group.
    """
    spec = made.table.table("spec")
    spec.only("enforcementAction", "scopedEnforcementActions", "match", "parameters")
    enforcement = _enforcement(spec)
    return Constraint(template, read_match(spec.table("match")), template.parameters(spec), made), enforcement


def _placed(violation: Violation, review: Review) -> Violation:
    pointer = violation.pointer
    if review.wrapped:
        pointer = pointer.removeprefix("/spec") if pointer.startswith("/spec/") else ""
    return replace(violation, document=review.document, pointer=pointer)


def _enforcement(spec: PolicyTable) -> Enforcement:
    action = spec.text("enforcementAction") or EnforcementMode.DENY
    if action != _SCOPED:
        if "scopedEnforcementActions" in spec.value:
            what = "scopedEnforcementActions count only with enforcementAction: scoped"
            raise spec.error("scopedEnforcementActions", what, "write enforcementAction: scoped")
        return Enforcement(_mode(spec, "enforcementAction", action))
    modes: dict[EnforcementPoint, EnforcementMode] = {}
    for each in spec.tables("scopedEnforcementActions"):
        each.only("action", "enforcementPoints")
        mode = _mode(each, "action", each.needed("action"))
        for point in _points(each):
            modes[point] = min(mode, modes.get(point, mode), key=_MODES.index)
    if not modes:
        raise spec.error("scopedEnforcementActions", "the constraint is enforced nowhere here", "name a point or '*'")
    return Enforcement(EnforcementMode.OFF, modes)


def _points(table: PolicyTable) -> Iterator[EnforcementPoint]:
    for each in table.tables("enforcementPoints"):
        each.only("name")
        name = each.needed("name")
        if name not in _POINTS:
            raise each.error("name", f"{name[:80]!r} is no enforcement point", advice(name, _POINTS))
        yield from _POINTS[name]


def _mode(table: PolicyTable, key: str, action: str) -> EnforcementMode:
    if action not in _MODES:
        raise table.error(key, f"{action[:80]!r} is no action", advice(action, [*map(str, _MODES), _SCOPED]))
    return EnforcementMode(action)
