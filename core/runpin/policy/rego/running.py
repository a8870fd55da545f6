"""A Rego policy that was compiled, and what the engine says when it stumbles."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runpin.policy.rego.answers import violations_in
from runpin.policy.rego.exact import handed
from runpin.policy.verdicts import Undecided, Violation

if TYPE_CHECKING:
    from runpin.policy.rego.opa import Opa
    from runpin.policy.rego.source import Module

_PLACE = re.compile(r"--> (?P<name>\S+?):(?P<row>\d+):\d+")
_SAID = re.compile(r"error: (?P<text>[^\n]*)")
_QUOTING = re.compile(r"[.:;,]? ?\b(?:Got|got|found|value)\b.*")


@dataclass(frozen=True, slots=True)
class Rego:
    """
    A policy in Rego.

    Attributes:
        engine: the embedded engine, which has read the modules.
        package: the name of the package that decides, part by part.
        decisions: those of its rules that decide.
        modules: by the names under which the engine knows them.
        texts: what is written in them.
        opa: the real one, which has to agree, where it is.
    """

    engine: Any = field(repr=False)
    package: tuple[str, ...]
    decisions: tuple[str, ...]
    modules: Mapping[str, Module]
    texts: frozenset[str] = field(repr=False)
    opa: Opa | None = None

    def violations(self, given: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> Iterator[Violation]:
        """
        Return what the policy forbids.

        Args:
            given: the input.
            data: what `data` holds beside the packages.

        Raises:
            Undecided: a rule fails, has no value, or another one than a decision has; or `opa` does not agree.
        """
        found = tuple(self._said(name, self._value(name, given, data)) for name in self.decisions)
        if self.opa is not None:
            values = self.opa.values([reference(self.package, name) for name in self.decisions], given, data)
            theirs = [self._said(*each) for each in zip(self.decisions, values, strict=True)]
            for name, ours, other in zip(self.decisions, found, theirs, strict=True):
                agree(name, ours, other)
        return (violation for said in found for violation in said)

    def _said(self, name: str, value: Any) -> tuple[Violation, ...]:
        return tuple(violations_in(name, value, self.texts))

    def _value(self, name: str, given: Mapping[str, Any], data: Mapping[str, Any] | None) -> Any:
        """Return the value of the rule *name*; None if it has none."""
        engine = self.engine.clone()
        try:
            query = handed(engine, reference(self.package, name), given, data)
            answer = json.loads(engine.eval_query_as_json(query))
        except RuntimeError as error:
            line, file = line_of(error, self.modules), next(iter(self.modules.values())).path
            raise Undecided(f"{name} fails: {said_by(error)}", line, file=file) from None
        return answer["result"][0]["expressions"][0]["value"] if answer else None


def reference(package: Sequence[str], name: str) -> str:
    """Return how a query names a rule."""
    return "data" + "".join(f"[{json.dumps(part)}]" for part in (*package, name))


def agree(name: str, ours: Sequence[Violation], theirs: Sequence[Violation]) -> None:
    """
    Compare what two engines say of the rule *name*; how they put it may differ.

    Raises:
        Undecided: they do not forbid the same.
    """
    if sorted(map(_about, ours)) != sorted(map(_about, theirs)):
        counts = f"opa finds {len(theirs)} violations and regorus {len(ours)}"
        raise Undecided(f"the two engines disagree about {name}: {counts}, or about other places")


def said_by(error: RuntimeError) -> str:
    """Return what the engine complains about in one phrase; its own text goes on with a trace and with values."""
    found = _SAID.search(str(error))
    text = found["text"] if found else ""
    return _QUOTING.sub("", text)[:200].strip(" :") or "the engine does not say why"


def line_of(error: RuntimeError, modules: Mapping[str, Module]) -> int | None:
    """Return the line that the engine complains about, in the file in which the module stands."""
    found = _PLACE.search(str(error))
    module = modules.get(found["name"]) if found else None
    return module.at(int(found["row"])) if found and module else None


def _about(violation: Violation) -> tuple[str, str, str]:
    return violation.document, violation.pointer, violation.rule
