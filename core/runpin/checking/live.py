"""What is live, on its way from the parent to the child: gates compare with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runpin.canonical import document_from
from runpin.cases import EnforcementPoint, Present
from runpin.checking.circumstances import Circumstances
from runpin.model import Scope, SnapshotId
from runpin.policy.rego.opa import opa_here, use_opa

if TYPE_CHECKING:
    from runpin.checking.desks import Desk


def write_circumstances(circumstances: Circumstances) -> Mapping[str, Any]:
    """Return *circumstances* as a JSON value; what is live is asked for, scope by scope."""
    strategy = None if circumstances.strategy is None else dict(circumstances.strategy)
    said = {"point": circumstances.point.value, "channel": circumstances.channel, "strategy": strategy}
    # The child has no search path to find it on.
    return {**said, "looks": circumstances.looks, "opa": opa_here()}


def read_circumstances(desk: Desk, content: Mapping[str, Any]) -> Circumstances:
    """Return what `write_circumstances` wrote; the parent at the *desk* is asked what is live."""
    use_opa(content["opa"])
    said = Circumstances(EnforcementPoint(content["point"]), content["channel"], content["strategy"])
    if not content["looks"]:
        return said

    def look(scope: Scope) -> Present | None:
        answer, bodies = desk.ask({"live": [scope.application, scope.environment, scope.tenant]})
        return _read_present(answer, bodies)

    return replace(said, look=look)


def write_present(present: Present | None) -> tuple[Any, Sequence[bytes]]:
    """Return *present* as a JSON value and the bodies of its documents."""
    if present is None:
        return None, []
    answer = {
        "snapshot": str(present.snapshot),
        "documents": list(present.documents),
        "pinned": present.pinned,
        "since": None if present.since is None else present.since.isoformat(),
    }
    return answer, [document.body for document in present.documents.values()]


def _read_present(answer: Any, bodies: Sequence[bytes]) -> Present | None:
    if answer is None:
        return None
    named = zip(answer["documents"], bodies, strict=True)
    documents = {name: document_from(name, body) for name, body in named}
    since = None if answer["since"] is None else datetime.fromisoformat(answer["since"])
    return Present(SnapshotId.parse(answer["snapshot"]), documents, answer["pinned"], since)
