"""
Canonical JSON: the one form in which configuration is stored, hashed and read.

Writing goes through a library for RFC 8785 and happens once, at publish.
Reading is the standard library's JSON of bytes whose hash was checked, then frozen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from runpin.errors import StoreCorrupt
from runpin.model import Digest, Document, Scope, Snapshot, as_digest, digest_of

MANIFEST_FORMAT = 1


def canonical(value: Any) -> bytes:
    """
    Return the RFC 8785 form of a JSON value.

    Raises:
        ValueError: the value has no such form: NaN, an integer beyond 2**53 - 1, a key that is not text.
    """
    import rfc8785

    return rfc8785.dumps(value)


def is_canonical(body: bytes, value: Any) -> bool:
    """
    Say whether *body* is the RFC 8785 form of the JSON value that it was read as.

    Raises:
        ValueError: the value has no such form.
    """
    if _RARE.search(body):
        return canonical(value) == body
    # Of all other values the standard library writes the same, ten times as fast.
    return _USUAL.encode(value).encode() == body


_RARE = re.compile(rb"[0-9][.eE]|[0-9]{16}|[\xf0-\xf4]")
"""Where the two differ: fractions, integers beyond 2**53, and the order of keys beyond the first 65,536 characters."""

_USUAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def thaw(body: bytes) -> Any:
    """Return the JSON value that *body* spells, as plain dicts and lists."""
    return json.loads(body)


def freeze(value: Any) -> Any:
    """Return *value* with mappings read-only and lists as tuples, all the way down."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: freeze(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    return value


def document_from(name: str, body: bytes) -> Document:
    """Return the document *name* that the canonical *body* spells; where its values came from is not known."""
    return Document(name, freeze(thaw(body)), body, digest_of(body))


def verified(body: bytes, digest: Digest, where: str) -> bytes:
    """
    Return *body* if it hashes to *digest*.

    Raises:
        StoreCorrupt: it does not; *where* says who handed it out.
    """
    if digest_of(body) != digest:
        raise StoreCorrupt(
            f"the bytes of {digest[:12]} do not hash to their name",
            where=where,
            fix="publish the same commit again, which writes the object anew, or restore the store from a backup",
        )
    return body


def snapshot_of(scope: Scope, documents: Mapping[str, Digest]) -> Snapshot:
    """Freeze the documents of *scope*, given by digest, into a Snapshot that no store knows yet."""
    manifest = canonical(
        {
            "format": MANIFEST_FORMAT,
            "application": scope.application,
            "environment": scope.environment,
            "tenant": scope.tenant,
            "documents": dict(documents),
        }
    )
    return Snapshot(scope, digest_of(manifest), manifest, MappingProxyType(dict(sorted(documents.items()))))


def read_manifest(manifest: bytes, sequence: int | None) -> Snapshot:
    """
    Read back the manifest that `snapshot_of` wrote.

    Raises:
        StoreCorrupt: the bytes hash as they should but are of a form this release does not know.
    """
    content = thaw(manifest)
    if content.get("format") != MANIFEST_FORMAT:
        raise StoreCorrupt(
            f"this snapshot has manifest format {content.get('format')!r}, this release reads {MANIFEST_FORMAT}",
            fix="upgrade runpin on this host",
        )
    scope = Scope(content["application"], content["environment"], content["tenant"])
    documents = {name: as_digest(digest) for name, digest in content["documents"].items()}
    return Snapshot(scope, digest_of(manifest), manifest, MappingProxyType(documents), sequence)
