"""Finding what people name: an application's channel, a snapshot, the commit behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.errors import StoreUnavailable, UnknownApplication, UnknownChannel
from runpin.model import Scope, SnapshotId
from runpin.parsing.nearest import advice

if TYPE_CHECKING:
    from runpin.assembly import Runpin
    from runpin.model import Channel, Publication, Snapshot
    from runpin.resolving import Resolution

_PUBLICATIONS_SEARCHED = 1000


def channel_of(core: Runpin, application: str) -> Channel:
    """
    Return where the chosen channel of *application* stands, in the chosen environment and tenant.

    Raises:
        UnknownApplication: nothing of it was ever published there.
        UnknownChannel: it has other channels.
    """
    settings = core.settings
    scope = Scope(application, settings.environment, settings.tenant)
    try:
        return core.store.channel(scope, settings.channel)
    except UnknownChannel as error:
        raise _unknown(core, scope) from error


def standing_of(core: Runpin, application: str) -> Resolution:
    """
    Return where the chosen channel of *application* stands; if the store does not answer, where this host saw it last.

    Raises:
        UnknownApplication, UnknownChannel: as `channel_of`.
        StoreUnavailable: the store does not answer, and this host never saw the channel.
    """
    settings = core.settings
    scope = Scope(application, settings.environment, settings.tenant)
    try:
        return core.resolver.channel(scope, settings.channel, patient=True)
    except UnknownChannel as error:
        raise _unknown(core, scope) from error


def is_barred(core: Runpin, snapshot: SnapshotId) -> bool:
    """Tell whether *snapshot* is barred from new pins; if the ledger does not answer, whether it was."""
    try:
        return snapshot in core.asking.ledger.ask(core.ledger.barred, snapshot.environment)
    except StoreUnavailable:
        return core.resolver.known_barred(snapshot)


def snapshot_named(core: Runpin, name: str) -> Snapshot:
    """
    Return the snapshot with the id *name*, or the one that the chosen channel of the application *name* points at.

    Raises:
        UnknownSnapshot, UnknownApplication, UnknownChannel
    """
    if "." in name:
        return core.store.find(SnapshotId.parse(name))
    return core.store.find(channel_of(core, name).snapshot)


def publication_of(core: Runpin, snapshot: Snapshot) -> Publication | None:
    """Return the first publication of *snapshot* among the latest thousand of its scope: who made it, from what."""
    found = None
    for publication in core.store.publications(snapshot.scope, _PUBLICATIONS_SEARCHED):
        if publication.snapshot == snapshot.id:
            found = publication
    return found


def _unknown(core: Runpin, scope: Scope) -> UnknownApplication | UnknownChannel:
    channels = core.store.channels(scope.environment, scope.tenant)
    names = sorted({channel.name for channel in channels if channel.scope == scope})
    wanted = core.settings.channel
    where = ".".join(part for part in (scope.environment, scope.tenant) if part)
    if names:
        return UnknownChannel(f"{scope} has no channel {wanted!r}", where=where, fix=advice(wanted, names))
    applications = {channel.scope.application for channel in channels}
    fix = (
        advice(scope.application, applications)
        if applications
        else f"publish it: `runpin publish --environment {scope.environment}`"
    )
    return UnknownApplication(f"nothing of {scope.application!r} is published", where=where, fix=fix)
