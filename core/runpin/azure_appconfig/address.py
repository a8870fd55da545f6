"""
Where the service is, read from a URL without ever showing what the URL or the connection string holds.

A malformed one may carry its secret in any part, so no error here repeats a piece of it or keeps its cause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, urlsplit

from runpin.errors import SettingsError

SCHEME = "azure-appconfig"
"""The scheme of a store's URL."""

CONNECTION_STRING = "connection-string"
"""What `auth=` says when an access key is used and not Microsoft Entra ID."""

POLL = 10.0
"""Seconds between two looks of a watcher, unless the URL says otherwise."""

_HOST = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{1,5})?", re.ASCII)
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+", re.ASCII)
# The prefix is part of every key, and a key counts towards the size of its key-value.
_LONGEST_PREFIX = 100
_SWITCHES = ("feature_flags", "native_snapshots")
_SECONDS = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_EXAMPLES = "write azure-appconfig://NAME.azconfig.io/runpin, with ?auth=connection-string where Entra is not used"


@dataclass(frozen=True, slots=True)
class Address:
    """
    A store's address: `host` with its port, if one is given, and `root`, which begins every key and ends with `/`.

    `ca` is the path of a PEM file with the authorities to trust, None for the usual ones. `feature_flags` and
    `native_snapshots` say what is also published for Azure's own readers, `poll` how many seconds lie between two
    looks of a watcher.
    The text form, also `where`, names host and prefix and nothing else.
    """

    host: str
    root: str
    by_key: bool = False
    ca: str | None = None
    feature_flags: bool = False
    native_snapshots: bool = False
    poll: float = POLL

    @property
    def where(self) -> str:
        """What an error may say about the address."""
        return f"{SCHEME}://{self.host}/{self.root.rstrip('/')}"

    def __str__(self) -> str:
        return self.where


@dataclass(frozen=True, slots=True)
class AccessKey:
    """What a connection string holds; `secret` is Base64 and never shown."""

    endpoint: str
    identity: str = field(repr=False)
    secret: str = field(repr=False)


def parse(url: str) -> Address:
    """
    Read the address of a store: `azure-appconfig://NAME.azconfig.io/prefix?auth=connection-string&ca=/path/ca.pem`.

    The prefix is `/runpin` and the identity is Entra's unless they are given.

    Raises:
        SettingsError: it is malformed.
    """
    parts = _split(url)
    # An '@' leaves the tail of a password in front of the host.
    if parts is None or not _HOST.fullmatch(parts.netloc.lower()):
        raise _unusable("the URL of the Azure App Configuration store is malformed")
    prefix = parts.path.rstrip("/") or "/runpin"
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST_PREFIX:
        raise _unusable(f"the prefix in the URL is not at most {_LONGEST_PREFIX} letters, digits, '_', '.', '-', '/'")
    options = _options(parts.query)
    also = {name: options.get(name) == "true" for name in _SWITCHES}
    poll = float(options.get("poll", POLL))
    return Address(parts.netloc.lower(), f"{prefix[1:]}/", "auth" in options, options.get("ca"), **also, poll=poll)


def access_key(connection_string: str | None, address: Address) -> AccessKey:
    """
    Read a connection string, as the portal shows it: `Endpoint=https://NAME.azconfig.io;Id=...;Secret=...`.

    Raises:
        SettingsError: it is missing or malformed, or is for another store than *address*.
    """
    fields = dict(part.strip().split("=", 1) for part in (connection_string or "").split(";") if "=" in part)
    if set(fields) != {"Endpoint", "Id", "Secret"} or not all(fields.values()):
        raise _unusable_key("the connection string is not an Endpoint, an Id and a Secret")
    parts = _split(fields["Endpoint"].rstrip("/"))
    if parts is None or parts.netloc.lower() != address.host or parts.path:
        raise _unusable_key("the connection string is for another store than the URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise _unusable_key("the connection string's endpoint is not https")
    return AccessKey(f"{parts.scheme}://{address.host}", fields["Id"], fields["Secret"])


def _split(url: str) -> SplitResult | None:
    # Raising in here would tie the cause, which quotes the URL, to our error.
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts if parts.scheme in {SCHEME, "https", "http"} and not parts.fragment else None


def _options(query: str) -> dict[str, str]:
    given = parse_qs(query, keep_blank_values=True)
    if not set(given) <= {"auth", "ca", "poll", *_SWITCHES} or any(len(each) > 1 for each in given.values()):
        raise _unusable(f"after the '?', the URL takes auth, ca, poll, {', '.join(_SWITCHES)} and nothing else")
    options = {name: values[0] for name, values in given.items()}
    if options.get("auth", CONNECTION_STRING) != CONNECTION_STRING:
        raise _unusable(f"auth can only be {CONNECTION_STRING}; without it, Microsoft Entra ID is asked")
    if not _SECONDS.fullmatch(options.get("poll", "1")):
        raise _unusable("poll is a whole number of seconds, from 1 to 9999")
    if not {options.get(name, "true") for name in _SWITCHES} <= {"true", "false"}:
        raise _unusable(f"{' and '.join(_SWITCHES)} are true or false")
    return options


def _unusable(what: str) -> SettingsError:
    return SettingsError(what, where="store_url", fix=_EXAMPLES)


def _unusable_key(what: str) -> SettingsError:
    fix = "copy it from the portal, Access settings; it belongs in RUNPIN_STORE_CONNECTION_STRING, not in the URL"
    return SettingsError(what, where="store_connection_string", fix=fix)
