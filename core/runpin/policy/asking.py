"""Asking gates about a case: every one is heard, and one that fails denies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from runpin.cases import SEVERITIES, EnforcementMode
from runpin.model import Finding, Origin

if TYPE_CHECKING:
    from typing import Any

    from runpin.cases import Case
    from runpin.policy.arming import Armed


def ask(gates: Iterable[Armed], case: Case, looking_at: Callable[[str], None] = lambda _: None) -> Iterator[Finding]:
    """
    Yield what the gates find, as serious as their mode at the case's point lets it be.

    Args:
        gates: in the order in which they are asked.
        case: what they judge.
        looking_at: told each gate before it is asked.
    """
    for armed in gates:
        mode = armed.enforcement.mode(case.point)
        if mode is EnforcementMode.OFF:
            continue
        looking_at(armed.place)
        for finding in _heard(armed, case):
            yield mode.soften(finding)


def _heard(armed: Armed, case: Case) -> tuple[Finding, ...]:
    try:
        return tuple(map(_proper, armed.gate.judge(case)))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - gates are other people's code, and their messages may hold values
        return (
            Finding(
                "",
                "",
                f"gate/{armed.name}",
                f"the gate {armed.name!r} failed on {case.scope} with {type(error).__name__}, and judged nothing",
                origin=armed.origin,
                fix="see what it does not expect in the documents, or switch it off in the manifest",
            ),
        )


def _proper(finding: Any) -> Finding:
    """Return what a gate calls a finding, if it is one that can be told."""
    if not isinstance(finding, Finding) or finding.severity not in SEVERITIES:
        raise TypeError
    texts = (finding.document, finding.pointer, finding.rule, finding.message, finding.fix or "")
    if not all(isinstance(text, str) for text in texts) or not isinstance(finding.origin, Origin | None):
        raise TypeError
    return finding
