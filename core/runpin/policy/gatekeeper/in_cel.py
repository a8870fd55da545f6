"""Templates in CEL, which Gatekeeper calls K8sNativeValidation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpin.policy.cel import CelPolicy, compiled_for
from runpin.policy.files import Validation, Variable, expression_at

if TYPE_CHECKING:
    from runpin.policy.files import PolicyTable
    from runpin.policy.verdicts import Violation

_NAMES = ("object", "oldObject", "request", "params", "variables.params", "variables.anyObject")
_KEYS = ("validations", "variables", "failurePolicy", "generateVAP")


@dataclass(frozen=True, slots=True)
class Cel:
    """What a template in CEL forbids."""

    policy: CelPolicy

    def violations(self, given: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> Iterator[Violation]:
        """
        Yield what is not as it should be.

        Args:
            given: `review` and `parameters`, as templates in Rego get them.
            data: not seen from CEL.

        Raises:
            Undecided: an expression has no boolean for an answer.
        """
        del data
        review, parameters = given["review"], given["parameters"]
        made, old = review.get("object"), review.get("oldObject")
        request = {key: value for key, value in review.items() if key not in ("object", "oldObject")}
        values = (made, old, request, parameters, parameters, made or old)
        yield from self.policy.violations(dict(zip(_NAMES, values, strict=True)))


def read_cel(source: PolicyTable, lines: list[str]) -> Cel:
    """
    Return what the mapping `source` of a template says in CEL; it fails closed, whatever its `failurePolicy`.

    Raises:
        Broken: it says something wrong, alone or in a group.
    """
    source.only(*_KEYS)
    variables = [_variable(each, lines) for each in source.tables("variables")]
    validations = [_validation(each, lines) for each in source.tables("validations")]
    if not validations:
        raise source.error("validations", "a template without a validation allows everything", "write one")
    return Cel(compiled_for(_NAMES, variables, validations))


def _variable(table: PolicyTable, lines: list[str]) -> Variable:
    table.only("name", "expression")
    return Variable(table.needed("name"), expression_at(table, "expression", lines))


def _validation(table: PolicyTable, lines: list[str]) -> Validation:
    table.only("expression", "message", "messageExpression", "reason")
    expression = expression_at(table, "expression", lines)
    made = expression_at(table, "messageExpression", lines) if "messageExpression" in table.value else None
    return Validation(expression, table.text("message") or "the object is not as the template wants it", made)
