"""Where AWS AppConfig is, read from a URL that holds no secret; credentials are found as boto3 finds them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

from runpin.errors import SettingsError

SCHEME = "aws-appconfig"
"""The scheme of a mirror's URL."""

_REGION = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+", re.ASCII)
_STRATEGY = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_OPTIONS = frozenset({"strategy", "profile", "endpoint", "ca"})
_EXAMPLE = "write aws-appconfig://eu-west-1 and, after a '?', strategy=NAME, profile=NAME, endpoint=URL or ca=FILE"


@dataclass(frozen=True, slots=True)
class Address:
    """
    A region of AWS AppConfig.

    Attributes:
        region: such as `eu-west-1`.
        strategy: the name of the deployment strategy.
        profile: the section of the AWS configuration files to take credentials from; None for the usual search.
        endpoint: what is asked in the place of AWS's public endpoint; None for that one.
        ca: the path of a PEM file with the authorities to trust; None for the usual ones.
    """

    region: str
    strategy: str = "runpin"
    profile: str | None = None
    endpoint: str | None = None
    ca: str | None = None

    @property
    def where(self) -> str:
        """What an error may say about the address."""
        return f"{SCHEME}://{self.region}"

    def __str__(self) -> str:
        return self.where


def parse(url: str) -> Address:
    """
    Read the address of a mirror: `aws-appconfig://REGION?strategy=NAME&profile=NAME&endpoint=URL&ca=/path/ca.pem`.

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
    if address.endpoint is not None and not _is_safe(address.endpoint):
        raise _unusable("the endpoint in the URL is not https")
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


def _unusable(what: str) -> SettingsError:
    return SettingsError(what, where="mirror", fix=_EXAMPLE)
