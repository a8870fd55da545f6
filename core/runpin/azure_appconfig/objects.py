"""Bodies by digest: in one key-value if it is small, in numbered parts if it is not."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runpin.azure_appconfig.calls import LARGEST_TEXT, Call, Item
from runpin.canonical import verified
from runpin.errors import StoreCorrupt, StoreError, UnknownSnapshot
from runpin.model import Digest, digest_of

if TYPE_CHECKING:
    from runpin.azure_appconfig.endpoint import Endpoint

# All are part of the format: who writes the same body again has to write the same keys. Base64 makes 3 bytes 4.
_PART = LARGEST_TEXT // 4 * 3
_WHOLE = _PART - 300
_MOST_PARTS = 1000
_BATCH = 100


class Objects:
    """Keeps bodies under their digests. What is too large for one value is written in parts, and named last."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def put(self, bodies: Mapping[Digest, bytes]) -> None:
        """
        Store each body. One that is stored already is left, one that was damaged is mended.

        Raises:
            StoreError: a body is larger than 6.7 MB.
            StoreUnavailable
        """
        stored = self._heads(bodies)
        for digest, body in bodies.items():
            if not self._is_whole(stored.get(digest), digest):
                self._put(digest, body)

    def get(self, digest: Digest) -> bytes:
        """
        Return the bytes whose SHA-256 is *digest*, verified.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable
        """
        call = Call.on(self._endpoint)
        head = call.get(self._endpoint.keys.object(digest))
        if head is None:
            raise UnknownSnapshot(f"no object {digest[:12]} is stored", where=self._endpoint.where)
        return verified(self._body(call, head, digest) or b"", digest, self._endpoint.where)

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        """Return those of *digests* that are not stored."""
        asked = set(digests)
        return asked - self._heads(asked).keys()

    def _heads(self, digests: Iterable[Digest]) -> dict[Digest, Item]:
        keys = {digest: self._endpoint.keys.object(digest) for digest in sorted(digests)}
        found: dict[str, Item] = {}
        for batch in _batches(list(keys.values())):
            found |= Call.on(self._endpoint).several(batch)
        return {digest: found[key] for digest, key in keys.items() if key in found}

    def _put(self, digest: Digest, body: bytes) -> None:
        parts = [body[begin : begin + _PART] for begin in range(0, len(body), _PART)]
        if len(parts) > _MOST_PARTS:
            most = _PART * _MOST_PARTS / 1e6
            fix = "split the document"
            raise StoreError(f"a document is larger than {most:.1f} MB", where=self._endpoint.where, fix=fix)
        if len(body) <= _WHOLE:
            head: dict[str, Any] = {"body": b64encode(body).decode()}
        else:
            head = {"parts": len(parts)}
            for number, part in enumerate(parts):
                key = f"{self._endpoint.keys.parts(digest)}{number:04d}"
                Call.on(self._endpoint).keep(key, b64encode(part).decode(), mend=True)
        Call.on(self._endpoint).keep(self._endpoint.keys.object(digest), json.dumps(head), mend=True)

    def _is_whole(self, head: Item | None, digest: Digest) -> bool:
        if head is None:
            return False
        body = self._body(Call.on(self._endpoint), head, digest)
        return body is not None and digest_of(body) == digest

    def _body(self, call: Call, head: Item, digest: Digest) -> bytes | None:
        """Return what is stored, None if that is no body at all; its hash is not looked at."""
        try:
            content = json.loads(head.text)
            if "body" in content:
                return b64decode(content["body"], validate=True)
            parts = call.below(self._endpoint.keys.parts(digest))
            return b"".join(b64decode(part.text, validate=True) for part in parts)
        except (ValueError, TypeError, KeyError):
            return None


def _batches(keys: list[str]) -> Iterator[list[str]]:
    for begin in range(0, len(keys), _BATCH):
        yield keys[begin : begin + _BATCH]


def record_of(item: Item, where: str) -> dict[str, Any]:
    """
    Return the JSON object that *item* holds.

    Raises:
        StoreCorrupt: it holds none.
    """
    try:
        content = json.loads(item.text)
    except ValueError as error:
        raise damaged(item.key, where) from error
    if not isinstance(content, dict):
        raise damaged(item.key, where)
    return content


def damaged(key: str, where: str) -> StoreCorrupt:
    """Return the error about a record that cannot be read."""
    fix = "restore it from the store's revisions, which the portal shows"
    return StoreCorrupt("a record in Azure App Configuration cannot be read", where=f"{where}: {key}", fix=fix)
