"""Published Snapshots that are to be judged again, and their way from the parent to the child."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpin.canonical import document_from
from runpin.model import Scope, SnapshotId

if TYPE_CHECKING:
    from runpin.model import Digest, Document


@dataclass(frozen=True, slots=True)
class Held:
    """
    A Snapshot that a store holds, to be judged by rules that may be newer than it is.

    Attributes:
        scope: what it is for.
        snapshot: its name.
        channel: where it is, or would go.
        documents: its documents, by name, without their origins.
        lost: names of the documents that the store cannot give.
    """

    scope: Scope
    snapshot: SnapshotId
    channel: str
    documents: Mapping[str, Document]
    lost: tuple[str, ...] = ()


def write_held(snapshots: Sequence[Held]) -> tuple[Any, list[bytes]]:
    """Return *snapshots* as a JSON value and the bodies of their documents, each once."""
    numbers: dict[tuple[str, Digest], int] = {}
    bodies: list[bytes] = []
    for held in snapshots:
        for name, document in held.documents.items():
            if numbers.setdefault((name, document.digest), len(bodies)) == len(bodies):
                bodies.append(document.body)
    written = [_write(held, numbers) for held in snapshots]
    return {"names": [name for name, _ in numbers], "snapshots": written}, bodies


def read_held(content: Mapping[str, Any], bodies: Sequence[bytes]) -> tuple[Held, ...]:
    """Return what `write_held` wrote."""
    documents = [document_from(name, body) for name, body in zip(content["names"], bodies, strict=True)]
    return tuple(_read(each, documents) for each in content["snapshots"])


def _write(held: Held, numbers: Mapping[tuple[str, Digest], int]) -> dict[str, Any]:
    return {
        "scope": [held.scope.application, held.scope.environment, held.scope.tenant],
        "snapshot": str(held.snapshot),
        "channel": held.channel,
        "documents": [numbers[name, document.digest] for name, document in held.documents.items()],
        "lost": list(held.lost),
    }


def _read(content: Mapping[str, Any], documents: Sequence[Document]) -> Held:
    named = {documents[number].name: documents[number] for number in content["documents"]}
    snapshot = SnapshotId.parse(content["snapshot"])
    return Held(Scope(*content["scope"]), snapshot, content["channel"], named, tuple(content["lost"]))
