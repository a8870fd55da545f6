"""Where AWS AppConfig is, read from a URL that holds no secret; credentials are found as boto3 finds them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

from runpin.errors import NotFound, SettingsError
from runpin.model import check_name

SCHEME = "aws-appconfig"
"""The scheme of a mirror's URL."""

_REGION = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+", re.ASCII)
_STRATEGY = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_OPTIONS = frozenset({"strategy", "flags", "agent", "agent_token", "profile", "endpoint", "ca"})
_EXAMPLE = "write aws-appconfig://eu-west-1 and, after a '?', options that docs/how-to/aws-appconfig.md lists"


@dataclass(frozen=True, slots=True)
class Address:
    """
    A region of AWS AppConfig.

    Attributes:
        region: such as `eu-west-1`.
        strategy: the name of the deployment strategy.
        flags: the document that is mirrored, as feature flags of AppConfig's own; None for whole Snapshots.
        agent: where the AppConfig Agent of this host listens, which readers ask; None to ask the service.
        agent_token: the path of a file with the token that the Agent wants; None if it wants none.
        profile: the section of the AWS configuration files to take credentials from; None for the usual search.
        endpoint: what is asked in the place of AWS's public endpoint; None for that one.
        ca: the path of a PEM file with the authorities to trust; None for the usual ones.
    """

    region: str
    strategy: str = "runpin"
    flags: str | None = None
    agent: str | None = None
    agent_token: str | None = None
    profile: str | None = None
    endpoint: str | None = None
    ca: str | None = None

    @property
    def where(self) -> str:
        """What an error may say about the address."""
        return f"{SCHEME}://{self.region}" + (f"?flags={self.flags}" if self.flags else "")

    @property
    def key(self) -> str:
        """What tells this mirror from others in its records: the region, and where in it, as far as the URL says so."""
        given = {"profile": self.profile, "endpoint": self.endpoint, "flags": self.flags}
        options = urlencode({name: value for name, value in given.items() if value is not None})
        return f"{self.region}?{options}" if options else self.region

    def __str__(self) -> str:
        return self.where


def parse(url: str) -> Address:
    """
    Read the address of a mirror: `aws-appconfig://REGION`, and after a `?` any of the options of `Address`.

    Raises:
        SettingsError: it is malformed. No piece of it is repeated.
    """
    parts = _split(url)
    if parts is None or parts.scheme != SCHEME or parts.path.strip("/") or not _REGION.fullmatch(parts.netloc):
        raise _unusable("the URL of the mirror is not an AWS region")
    given = parse_qs(parts.query, keep_blank_values=True)
    if not set(given) <= _OPTIONS or any(len(each) > 1 or not each[0] for each in given.values()):
        raise _unusable(f"after the '?', the URL takes {', '.join(sorted(_OPTIONS))} and nothing else")
    address = Address(parts.netloc, **{name: values[0] for name, values in given.items()})
    if not _STRATEGY.fullmatch(address.strategy):
        raise _unusable("the strategy in the URL cannot be the name of one")
    if address.flags is not None and not _is_document(address.flags):
        raise _unusable("the flags in the URL cannot be the name of a document")
    if address.endpoint is not None and not _is_safe(address.endpoint):
        raise _unusable("the endpoint in the URL is not https")
    if address.agent is not None and not _is_agent(address.agent):
        raise _unusable("the agent in the URL is not http on this host, such as http://localhost:2772")
    return address


def _split(url: str) -> SplitResult | None:
    # Raising in here would tie the cause, which quotes the URL, to our error.
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return None if parts.fragment else parts


def _is_safe(endpoint: str) -> bool:
    parts = _split(endpoint)
    if parts is None or not parts.hostname or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _is_agent(url: str) -> bool:
    parts = _split(url)
    # What it answers is neither signed nor encrypted, so it stays on this host.
    return parts is not None and parts.scheme == "http" and not parts.path.strip("/") and _is_safe(url)


def _is_document(name: str) -> bool:
    try:
        check_name("document", name)
    except NotFound:
        return False
    return True


def _unusable(what: str) -> SettingsError:
    return SettingsError(what, where="mirror", fix=_EXAMPLE)
