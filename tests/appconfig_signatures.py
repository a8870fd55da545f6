"""
Signature Version 4 as AWS publishes it, for the double of AWS AppConfig: who signed a request, and whether rightly.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from urllib.parse import quote, urlsplit

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[A-Z0-9]+)/(?P<scope>\d{8}/[a-z0-9-]+/[a-z]+/aws4_request), "
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)
_WHAT_COUNTS = frozenset({"host", "x-amz-date"})


@dataclass(frozen=True, slots=True)
class Signer:
    """Who is let in: an access key, its secret, and the region and service that it signs for."""

    key: str
    secret: str
    region: str
    service: str

    def has_signed(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Tell whether this key has signed the request, host and time included; header names are in lower case."""
        found = _HEADER.fullmatch(headers.get("authorization", ""))
        if not found or found["key"] != self.key or not set(found["signed"].split(";")) >= _WHAT_COUNTS:
            return False
        at, scope = headers.get("x-amz-date", ""), found["scope"]
        if scope != f"{at[:8]}/{self.region}/{self.service}/aws4_request":
            return False
        hashed = hashlib.sha256(_canonical(method, target, headers, found["signed"], body)).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashed}"
        key = reduce(_signed, scope.split("/"), f"AWS4{self.secret}".encode())
        return hmac.compare_digest(_signed(key, text).hex(), found["signature"])


def _signed(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _canonical(method: str, target: str, headers: Mapping[str, str], signed: str, body: bytes) -> bytes:
    parts = urlsplit(target)
    query = "&".join(sorted(parts.query.split("&"))) if parts.query else ""
    named = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in signed.split(";"))
    lines = (method, quote(parts.path, safe="/~"), query, named, signed, hashlib.sha256(body).hexdigest())
    return "\n".join(lines).encode()
