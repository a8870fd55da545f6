"""
How a note lies on disk: framed, so that no damage goes unnoticed.

    8 bytes   runpin, a zero byte and the version of this frame
    8 bytes   length of the note, big-endian
    32 bytes  SHA-256 over kind, key and note, each with its length before it
    the note

The hash covers kind and key, so a note that was moved to another place is no note of that place.
"""

from __future__ import annotations

from hashlib import sha256

_MAGIC = b"runpin\0\x01"
_HEADER = len(_MAGIC) + 8 + 32


def frame(kind: str, key: str, note: bytes) -> bytes:
    """Return *note* framed."""
    return _header(kind, key, note) + note


def unframe(kind: str, key: str, framed: bytes) -> bytes | None:
    """Return the note in *framed*, None unless it is whole, unchanged and of this *kind* and *key*."""
    note = framed[_HEADER:]
    return note if framed[:_HEADER] == _header(kind, key, note) else None


def _header(kind: str, key: str, note: bytes) -> bytes:
    hashed = sha256()
    for part in (kind.encode(), key.encode("utf-8", "surrogatepass"), note):
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return _MAGIC + len(note).to_bytes(8, "big") + hashed.digest()
