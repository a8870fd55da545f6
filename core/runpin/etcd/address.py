"""
Where the cluster is, read from a URL without ever showing what the URL holds.

A malformed URL may carry its password in any part, so no error here repeats a piece of it or keeps its cause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from runpin.errors import SettingsError

SCHEMES = ("etcd", "etcds")
"""The schemes of a cluster's URL: in the clear, and with TLS."""

_PORT = 2379
_ENDPOINT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+))(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_.-]+)+", re.ASCII)
_FILES = ("ca", "cert", "key")
_EXAMPLES = "write etcd://host1:2379,host2:2379/runpin, or etcds:// with ?ca=/path/ca.pem for TLS"


@dataclass(frozen=True, slots=True)
class Address:
    """
    A cluster's address.

    `endpoints` are hosts and ports in the order of the URL. `root` begins every key, and begins and ends with `/`.
    `ca`, `cert` and `key` are paths to PEM files, for TLS only.
    The text form, also `where`, names endpoints and prefix and nothing else.
    """

    tls: bool
    endpoints: tuple[tuple[str, int], ...]
    root: str
    user: str | None = None
    password: str = field(default="", repr=False)
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @property
    def where(self) -> str:
        """What an error may say about the address."""
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.endpoints)
        return f"{SCHEMES[self.tls]}://{hosts}{self.root.rstrip('/')}"

    def __str__(self) -> str:
        return self.where

    def __repr__(self) -> str:
        return f"Address({self.where})"


def parse(url: str) -> Address:
    """
    Read the address of a cluster: `etcd://user:password@host1:2379,host2:2379/prefix?ca=...&cert=...&key=...`.

    The port is 2379 and the prefix `/runpin` unless they are given; `%` escapes what a URL cannot hold.

    Raises:
        SettingsError: it is malformed.
    """
    parts = _split(url)
    if parts is None:
        raise _unusable("the URL of the etcd cluster is malformed")
    login, _, hosts = parts.netloc.rpartition("@")
    endpoints = tuple(_endpoint(each) for each in hosts.split(","))
    user, _, password = login.partition(":")
    if "@" in login:
        raise _unusable("an '@' in the user or password of an etcd URL has to be written %40")
    prefix = parts.path.rstrip("/") or "/runpin"
    if not _PREFIX.fullmatch(prefix):
        raise _unusable("the prefix in the URL of the etcd cluster is not letters, digits, '_', '.', '-' and '/'")
    files = _files(parts)
    return Address(parts.scheme == "etcds", endpoints, f"{prefix}/", unquote(user) or None, unquote(password), **files)


def _split(url: str) -> SplitResult | None:
    # Raising in here would tie the cause, which quotes the URL, to our error.
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts if parts.scheme in SCHEMES and not parts.fragment else None


def _endpoint(text: str) -> tuple[str, int]:
    found = _ENDPOINT.fullmatch(text)
    port = int(found["port"] or _PORT) if found else 0
    if found is None or not 0 < port < 1 << 16:
        raise _unusable("an endpoint in the URL of the etcd cluster is not a host and a port")
    return found["v6"] or found["name"], port


def _files(parts: SplitResult) -> dict[str, str]:
    given = parse_qs(parts.query, keep_blank_values=True)
    if not set(given) <= set(_FILES) or any(len(each) > 1 for each in given.values()):
        raise _unusable(f"after the '?', the URL of an etcd cluster takes {', '.join(_FILES)} and nothing else")
    if given and parts.scheme == "etcd":
        raise _unusable("certificates are for etcds://, and the URL says etcd://")
    if ("cert" in given) != ("key" in given):
        raise _unusable("a client certificate needs both cert and key")
    return {name: paths[0] for name, paths in given.items()}


def _unusable(what: str) -> SettingsError:
    return SettingsError(what, where="store_url", fix=_EXAMPLES)
