"""
Where a Git repository is, with its credentials held apart.

A credential leaves this module in two ways only: through a file descriptor that git's own credential protocol reads,
and never through an argument, an environment variable, a configuration file, an error or a representation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, quote, unquote, urlsplit

from runpin.errors import UnsafeSource

_REMOTE = ("https", "ssh")
_SCP = re.compile(r"(?:[A-Za-z0-9._][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:[^@]+", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*", re.ASCII)
_USERINFO = re.compile(r"://[^/\s]*@")
_WITHOUT_SCHEME = re.compile(r":[^/]*@")
_SHORTEST_TOKEN = 8
_FIX = "use a folder, https://host/path, ssh://user@host/path or user@host:path"


class Credential:
    """
    What an https server asks for, taken from a URL.

    Its representation is `***`, and it refuses to be pickled.
    """

    __slots__ = ("_name", "_password")

    def __init__(self, name: str, password: str) -> None:
        self._name = name
        self._password = password

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a credential cannot be pickled")

    def hidden_in(self, text: str) -> str:
        """Return *text* without any occurrence of the credential."""
        # Tokens are given as passwords or as names. Hiding a name such as `git` would spoil every message.
        for secret in (self._password, self._name if len(self._name) >= _SHORTEST_TOKEN else ""):
            for form in (secret, quote(secret, safe="")):
                text = text.replace(form, "***") if form else text
        return text

    @contextmanager
    def readable(self) -> Iterator[int]:
        """Yield a file descriptor that git's credential protocol can be read from, any number of times."""
        descriptor = os.memfd_create("credential")
        try:
            os.write(descriptor, f"username={self._name}\npassword={self._password}\n".encode())
            yield descriptor
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Address:
    """
    A repository that git may be pointed at.

    Attributes:
        location: what git is given: an absolute path or a URL without user information for https.
        protocol: the only one that git may speak: `file`, `https` or `ssh`.
        folder: the repository's folder when it is on this host.
        credential: what the server asks for, when the URL held it.
    """

    location: str
    protocol: str
    folder: Path | None = None
    credential: Credential | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.location

    def hidden_in(self, text: str) -> str:
        """Return *text* without credentials."""
        if self.credential:
            text = self.credential.hidden_in(text)
        return _USERINFO.sub("://***@", text)


def address_of(repository: str, *, allow_file: bool = True) -> Address:
    """
    Read a path or a URL as the address of a repository.

    Raises:
        UnsafeSource: it uses a protocol other than https, ssh or a local path, looks like an option,
            holds control characters, or names a local path although *allow_file* is false.
    """
    if not repository or repository.startswith("-") or not repository.isprintable():
        raise UnsafeSource("the repository's address is empty, looks like an option or is not printable", fix=_FIX)
    if "://" in repository:
        return _from_url(repository, allow_file=allow_file)
    if "::" in repository:
        raise UnsafeSource("git may not use this protocol", where=f"{repository.partition(':')[0]}::", fix=_FIX)
    if Path(repository).exists():
        return _local(Path(repository), allow_file=allow_file)
    if _SCP.fullmatch(repository):
        return Address(repository, "ssh")
    if _WITHOUT_SCHEME.search(repository):
        raise UnsafeSource("the repository's address looks like a URL without its https://", fix=_FIX)
    return _local(Path(repository), allow_file=allow_file)


def _from_url(repository: str, *, allow_file: bool) -> Address:
    try:
        url = urlsplit(repository)
    except ValueError:
        # The message of this error may repeat the part of the URL that holds a password.
        raise UnsafeSource("the repository's URL cannot be read", fix=_FIX) from None
    if url.scheme in _REMOTE:
        return _remote(url, repository)
    if url.scheme == "file" and url.netloc in ("", "localhost"):
        return _local(Path(unquote(url.path)), allow_file=allow_file)
    raise UnsafeSource("git may not use this protocol", where=f"{url.scheme}:", fix=_FIX)


def _local(path: Path, *, allow_file: bool) -> Address:
    folder = path.expanduser().absolute()
    if not allow_file:
        raise UnsafeSource("local repositories are switched off here", where=str(folder), fix=_FIX)
    return Address(str(folder), "file", folder)


def _remote(url: SplitResult, repository: str) -> Address:
    userinfo, _, host = url.netloc.rpartition("@")
    place = f"{url.scheme}://{host}"
    _check_host(host, place)
    if url.query or url.fragment:
        raise UnsafeSource("the repository's URL has a query or a fragment", where=place, fix=_FIX)
    if url.scheme == "ssh":
        if userinfo and not _USER.fullmatch(userinfo):
            raise UnsafeSource("ssh takes a key, not a password", where=place, fix="use ssh://user@host/path")
        return Address(repository, "ssh")
    return Address(f"{place}{url.path}", "https", credential=_credential(userinfo, place))


def _check_host(host: str, place: str) -> None:
    name, _, port = host.rpartition(":") if re.search(r":[0-9]+$", host) else (host, "", "")
    if not _HOST.fullmatch(name) or (port and int(port) > 65535):
        raise UnsafeSource("the host of the repository's URL cannot be used", where=place, fix=_FIX)


def _credential(userinfo: str, place: str) -> Credential | None:
    if not userinfo:
        return None
    name, _, password = (unquote(part) for part in userinfo.partition(":"))
    if not (name + password).isprintable():
        raise UnsafeSource("the user or password in the URL is not printable", where=place)
    return Credential(name, password)
