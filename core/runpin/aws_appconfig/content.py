"""What one hosted configuration version holds: a whole Snapshot as one JSON document, which proves itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runpin.canonical import canonical, read_manifest, thaw, verified
from runpin.errors import RunpinError, StoreCorrupt
from runpin.model import Digest, Scope, Snapshot, SnapshotId, as_digest
from runpin.ports import SnapshotStore

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Whole:
    """A Snapshot and the canonical body of each of its documents, by name."""

    snapshot: Snapshot
    bodies: Mapping[str, bytes]


def whole_of(store: SnapshotStore, name: SnapshotId) -> Whole:
    """
    Return a Snapshot of *store* with its documents.

    Raises:
        UnknownSnapshot, StoreCorrupt, StoreUnavailable
    """
    snapshot = store.find(name)
    return Whole(snapshot, {each: store.get_object(digest) for each, digest in snapshot.documents.items()})


def objects_of(whole: Whole) -> dict[Digest, bytes]:
    """Return every object of *whole* as a store keeps it: the manifest and the documents, each under its digest."""
    documents = {digest: whole.bodies[name] for name, digest in whole.snapshot.documents.items()}
    return {whole.snapshot.digest: whole.snapshot.manifest, **documents}


def packed(whole: Whole) -> bytes:
    """
    Return *whole* as JSON: `snapshot`, `digest`, `manifest`, and `documents` by name, as other readers want them.

    It is canonical, so that the same Snapshot always becomes the same bytes.
    """
    content = {
        "format": FORMAT,
        "snapshot": str(whole.snapshot.id),
        "digest": whole.snapshot.digest,
        "manifest": thaw(whole.snapshot.manifest),
        "documents": {name: thaw(body) for name, body in whole.bodies.items()},
    }
    return canonical(content)


def unpacked(body: bytes, where: str) -> Whole:
    """
    Read back what `packed` wrote, every hash checked; the number in the Snapshot's id is covered by none.

    Raises:
        StoreCorrupt: it is something else, or was changed.
    """
    try:
        return _read(thaw(body), where)
    except (ValueError, TypeError, KeyError, AttributeError, RunpinError) as error:
        fix = "look who else writes to this profile, and move the channel again"
        raise StoreCorrupt("what AWS AppConfig serves is no Snapshot of runpin", where=where, fix=fix) from error


def checked(body: bytes, label: str | None, scope: Scope, where: str) -> Whole:
    """
    Read what AppConfig serves to the readers of *scope*.

    Args:
        body: what it serves.
        label: the label of the version that this is, None if it has none or is not told.
        scope: whose Snapshot it has to be.
        where: who serves it.

    Raises:
        StoreCorrupt: it is not what `packed` wrote, is another scope's, or is under another one's label.
    """
    whole = unpacked(body, where)
    if whole.snapshot.scope == scope and label in (None, str(whole.snapshot.id)):
        return whole
    what = f"AWS AppConfig serves {whole.snapshot.id} in the place of another Snapshot"
    raise StoreCorrupt(what, where=where, fix="look who else deploys to this profile, and move the channel again")


def _read(content: Any, where: str) -> Whole:
    name, digest = SnapshotId.parse(content["snapshot"]), as_digest(content["digest"])
    manifest = verified(canonical(content["manifest"]), digest, where)
    snapshot = read_manifest(manifest, name.sequence)
    bodies = {each: canonical(content["documents"][each]) for each in snapshot.documents}
    for each, document in snapshot.documents.items():
        verified(bodies[each], document, where)
    if content["format"] != FORMAT or snapshot.id != name or set(bodies) != set(content["documents"]):
        raise ValueError("its parts are not of one Snapshot")
    return Whole(snapshot, bodies)
