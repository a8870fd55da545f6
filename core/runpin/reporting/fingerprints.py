"""What a remark is known by from one check to the next, so that code hosts do not tell it twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runpin.reporting.remarks import Remark

_LINE = re.compile(r"\bline [0-9]+")


def fingerprints(remarks: Iterable[Remark]) -> tuple[str, ...]:
    """
    Return a name of 64 hex digits for each of *remarks*, no two alike.

    File, key, rule and sentence go into it. Lines do not, so it stays when lines above come or go.
    """
    seen: Counter[bytes] = Counter()
    names = []
    for remark in remarks:
        parts = (remark.file, remark.document, remark.pointer, remark.rule, _LINE.sub("line", remark.message))
        content = b"".join(_prefixed(part) for part in parts)
        seen[content] += 1
        names.append(sha256(content + _prefixed(str(seen[content]))).hexdigest())
    return tuple(names)


def _prefixed(part: str | None) -> bytes:
    encoded = (part or "").encode("utf-8", "surrogatepass")
    return len(encoded).to_bytes(8, "big") + encoded
