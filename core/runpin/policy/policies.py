"""A policy as a gate: it is asked about what it matches, and what it answers becomes findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from runpin.cases import Enforcement
from runpin.model import Finding, Origin
from runpin.parsing.pointers import child, origin_of
from runpin.policy.files import WORD, Match
from runpin.policy.inputs import input_of
from runpin.policy.redacting import Hiding, hiding, on_one_line
from runpin.policy.verdicts import Undecided, Violation

if TYPE_CHECKING:
    from runpin.cases import Case
    from runpin.policy.engines import Engine
    from runpin.policy.samples import Sample

_MOST = 100
_GUARD = "make the policy say what it means for such a case, and add the case to its samples"


@dataclass(frozen=True, slots=True)
class Policy:
    """
    A policy that can be asked.

    Attributes:
        name: its own.
        engine: the policy, compiled.
        match: what it is asked about.
        enforcement: how strict it is at which point.
        origin: where it is written.
    """

    name: str
    engine: Engine
    match: Match = field(default_factory=Match)
    enforcement: Enforcement = field(default_factory=Enforcement)
    origin: Origin | None = None

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return what it forbids; a policy that cannot tell forbids."""
        answers = [(name, answer) for name, given in self.asked(case) for answer in self.answer(given)]
        return _findings(self, case, answers) if answers else ()

    def asked(self, case: Case) -> Iterator[tuple[str, Mapping[str, Any] | Undecided]]:
        """Yield what it is asked about *case*, with the name of the document if that is asked about."""
        if not self.match.concerns(case.scope):
            return
        names = [name for name in self.match.documents if name in case.documents]
        if self.match.documents and not names:
            return
        try:
            given = input_of(case)
        except Undecided as undecided:
            yield "", undecided
            return
        if not self.match.documents:
            yield "", given
        for name in names:
            yield name, {**given, "document": given["documents"][name]}

    def answer(self, given: Mapping[str, Any] | Undecided) -> Sequence[Violation | Undecided]:
        """Return what it forbids about one thing that it is asked, or why it cannot tell."""
        if isinstance(given, Undecided):
            return (given,)
        found: list[Violation | Undecided] = []
        try:
            found.extend(islice(self.engine.violations(given), _MOST))
        except Undecided as undecided:
            found.append(undecided)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - engines are libraries, and their messages may hold values
            found.append(Undecided(f"its engine failed with {type(error).__name__}"))
        return found


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A policy that has yet to prove itself.

    Attributes:
        policy: it.
        samples: what it has to prove itself with.
        prove: returns why it cannot be trusted, where the proof is another one than by samples.
    """

    policy: Policy
    samples: Sequence[Sample]
    prove: Callable[[], Sequence[Finding]] | None = None


def _findings(policy: Policy, case: Case, answers: Sequence[tuple[str, Violation | Undecided]]) -> list[Finding]:
    hides = hiding(case)
    return [
        _undecided(policy, case, name, answer, hides)
        if isinstance(answer, Undecided)
        else _violated(policy, case, name, answer, hides)
        for name, answer in answers
    ]


def _undecided(policy: Policy, case: Case, name: str, why: Undecided, hides: Hiding) -> Finding:
    origin = policy.origin
    if origin is not None and why.line is not None:
        origin = Origin(why.file or origin.file, why.line)
    # Tenants share most documents, and one mistake is to be read once.
    about = "this document" if name else str(case.scope)
    message = f"the policy {policy.name!r} cannot decide on {about}, which denies: {hides.of(why.message)}"
    return Finding(name, "", f"policy/{policy.name}", message, origin, fix=_GUARD)


def _violated(policy: Policy, case: Case, name: str, violation: Violation, hides: Hiding) -> Finding:
    live = case.present.documents if case.present else {}
    about = violation.document if violation.document in {*case.documents, *live} else name
    document = case.documents.get(about)
    rule = violation.rule if WORD.fullmatch(violation.rule) else ""
    fix, message, pointer = violation.fix, violation.message, violation.pointer
    if violation.as_written:
        message, fix = on_one_line(message), fix and on_one_line(fix)
    else:
        message, fix, rule = hides.of(message), fix and hides.of(fix), rule if hides.of(rule) == rule else ""
        # Keys are no values; what leads to no value could be anything.
        pointer = _known(pointer, document.value) if document else ""
    origin = policy.origin if document is None else origin_of(document.origins, pointer)
    return Finding(
        about, pointer, "/".join(filter(None, ("policy", policy.name, rule))), message or "denied", origin, fix=fix
    )


def _known(pointer: str, value: Any) -> str:
    """Return *pointer* as far as it leads to something."""
    known = ""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, tuple) and key.isascii() and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            break
        known = child(known, key)
    return known
