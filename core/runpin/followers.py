"""What the URLs in RUNPIN_MIRRORS lead to: stores and services that follow the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.backends import MIRRORS_ONLY, open_beside, scheme_of, shown_address
from runpin.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runpin.backends import Backend, Follower
    from runpin.mirrors import Mirror
    from runpin.ports import Clock


@dataclass(frozen=True, slots=True)
class Mirrored:
    """
    One of the places that follow the store.

    Attributes:
        mirror: what brings it there.
        copy: where its snapshots can be read; None if it is no store.
        close: lets go of its connections.
    """

    mirror: Mirror
    copy: Follower | None
    close: Callable[[], None]


def open_mirrors(
    urls: Sequence[str],
    clock: Clock,
    *,
    store: str,
    backend: Backend,
    upgrade: bool,
    connection_strings: Iterable[str] = (),
) -> tuple[Mirrored, ...]:
    """
    Return what *urls* lead to, none of which is contacted yet.

    Args:
        urls: stores and services that are to follow.
        clock: stamps the records and measures deadlines.
        store: the URL of the store that decides.
        backend: that store.
        upgrade: make or update the tables of a mirror on first use, where there are tables.
        connection_strings: what lets us into Azure stores whose URLs say so.

    Raises:
        SettingsError: one cannot be used, is the store itself, or is there twice; or a library is missing.
    """
    places = [_place_of(each) for each in (store, *urls)]
    for number, place in enumerate(places):
        if place in places[:number]:
            fix = "name each store once: the one that decides in RUNPIN_STORE, the others in RUNPIN_MIRRORS"
            raise SettingsError("a mirror is the store itself, or is there twice", where=f"mirrors: {place}", fix=fix)
    return tuple(_opened(url, clock, backend, upgrade, connection_strings) for url in urls)


def _opened(
    url: str,
    clock: Clock,
    backend: Backend,
    upgrade: bool,  # noqa: FBT001 - passed on
    connection_strings: Iterable[str],
) -> Mirrored:
    if scheme_of(url) in MIRRORS_ONLY:
        return _app_config(url, clock, backend)
    from runpin.mirroring import StoreMirror

    text = _connection_string(url, connection_strings) if scheme_of(url) == "azure-appconfig" else None
    own = open_beside(url, clock, backend, upgrade=upgrade, connection_string=text)
    return Mirrored(StoreMirror(shown_address(url), backend.store, own.replica), own.replica, own.close)


def _app_config(url: str, clock: Clock, backend: Backend) -> Mirrored:
    from runpin.aws_appconfig.endpoint import Endpoint
    from runpin.aws_appconfig.mirror import Mirror

    service = Endpoint.open(url, clock=clock)
    return Mirrored(Mirror(service, backend.store, backend.reactions), None, service.close)


def _connection_string(url: str, given: Iterable[str]) -> str | None:
    """Return the one that is for the store at *url*, None if none is."""
    from runpin.azure_appconfig.address import access_key, parse

    for each in given:
        try:
            access_key(each, parse(url))
        except SettingsError:
            continue
        return each
    return None


def _place_of(url: str) -> str:
    """Return what two URLs have in common that lead to the same place, as far as they tell; it holds no secret."""
    if scheme_of(url) in MIRRORS_ONLY:
        from runpin.aws_appconfig.address import SCHEME, parse

        return f"{SCHEME}://{parse(url).key}"
    return shown_address(url)
