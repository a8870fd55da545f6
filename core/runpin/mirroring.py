"""
Publishing to several stores: one decides, and the others are brought to where it stands.

There is no queue of what is still to be told. Each call compares where a channel stands in the store that decides with
where it stands in the other one, and does what is missing: objects first, then the snapshots that list them, the
channel last. So a call that died is finished by the next one, whoever makes it. The other store is looked at before
the one that decides, and it never goes back to an earlier revision, however late somebody is.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from runpin.errors import (
    RunpinError,
    SnapshotRefused,
    StoreCorrupt,
    StoreUnavailable,
    UnknownChannel,
    UnknownSnapshot,
)
from runpin.failpoints import failpoint
from runpin.mirrors import MirrorState, Replica, Standing
from runpin.model import ChannelMove
from runpin.ports import ChannelStore, History, SnapshotStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from runpin.mirrors import Mirror
    from runpin.model import Channel, Digest, Publication, Scope, Snapshot, SnapshotId
    from runpin.ports import Clock

PATIENCE = 30.0
"""Seconds after which a mirror that is not done is left alone; whoever calls next goes on."""

_SENT_TOGETHER = 50
_CAUGHT_UP = 20
_PUBLICATIONS_SEARCHED = (100, 100_000)


class Deciding(SnapshotStore, ChannelStore, History, Protocol):
    """The store that decides: snapshots, channels, and what happened to them."""


class Following(SnapshotStore, ChannelStore, Replica, Protocol):
    """A store that can be brought to where another one stands."""


class StoreMirror:
    """
    Brings a store to where channels stand in the store that decides.

    Snapshots keep their ids and channels their revisions, so what a run was pinned to is found in either store. What a
    channel named while the mirror was away is caught up with, the latest twenty moves of it.
    """

    def __init__(self, where: str, store: Deciding, copy: Following) -> None:
        self._where = where
        self._store = store
        self._copy = copy

    @property
    def where(self) -> str:
        """Its address, as it may be printed."""
        return self._where

    def look(self, scope: Scope, name: str) -> MirrorState:
        """
        Return how the mirror stands; nothing is copied.

        Raises:
            UnknownChannel, StoreUnavailable, StoreError
        """
        there = self._there(scope, name)
        return self._told(self._store.channel(scope, name), there)

    def bring(self, scope: Scope, name: str) -> MirrorState:
        """
        Copy what is missing, move the channel, and return how the mirror stands then.

        Raises:
            UnknownChannel: nothing was published to it.
            StoreCorrupt: somebody else publishes there, or an object is damaged in the store that decides.
            StoreUnavailable, StoreError
        """
        there = self._there(scope, name)
        missed = self._missed(scope, name, 0 if there is None else there.revision)
        state = self._told(missed[0].channel, there)
        if state.standing is not Standing.BEHIND:
            return state
        self._carry(missed[0].channel.snapshot, there)
        for earlier in _others(missed):
            # What the store that decides has lost itself holds nothing up.
            with suppress(UnknownSnapshot, StoreCorrupt):
                self._carry(earlier, there)
        stands = self._copy.follow(missed[0].channel, actor=missed[0].actor, reason=missed[0].reason)
        failpoint("after_mirror_channel")
        return self._told(missed[0].channel, stands)

    def _there(self, scope: Scope, name: str) -> Channel | None:
        try:
            return self._copy.channel(scope, name)
        except UnknownChannel:
            return None

    def _missed(self, scope: Scope, name: str, revision: int) -> Sequence[ChannelMove]:
        """Return the latest move, and before it, newest first, those after *revision*."""
        latest, *earlier = self._store.moves(scope, name, 1) or [self._unmoved(scope, name)]
        if not earlier and latest.channel.revision > revision + 1:
            several = self._store.moves(scope, name, min(latest.channel.revision - revision, _CAUGHT_UP))
            latest, *earlier = several or [latest]
        return [latest, *(each for each in earlier if each.channel.revision > revision)]

    def _unmoved(self, scope: Scope, name: str) -> ChannelMove:
        return ChannelMove(self._store.channel(scope, name), None, "unknown", "the history does not tell")

    def _carry(self, name: SnapshotId, there: Channel | None) -> None:
        """Copy a snapshot: its objects, and then its listing."""
        snapshot = self._store.find(name)
        publication = self._publication(snapshot)
        held = self._held(name) or (None if there is None else self._held(there.snapshot)) or {}
        self._send(snapshot, set(snapshot.documents.values()) - set(held.values()))
        failpoint("after_mirror_objects")
        try:
            self._copy.adopt(snapshot, publication.commit, publication.actor)
        except StoreCorrupt:
            # What was listed there before is not there any more.
            self._send(snapshot, snapshot.documents.values())
            self._copy.adopt(snapshot, publication.commit, publication.actor)
        failpoint("after_mirror_snapshot")

    def _held(self, name: SnapshotId) -> Mapping[str, Digest] | None:
        try:
            return self._copy.find(name).documents
        except (UnknownSnapshot, StoreCorrupt):
            return None

    def _send(self, snapshot: Snapshot, digests: Iterable[Digest]) -> None:
        # Few at a time: an application may have hundreds of megabytes.
        waiting = iter(sorted(digests))
        while some := list(islice(waiting, _SENT_TOGETHER)):
            self._copy.put_objects({digest: self._store.get_object(digest) for digest in some})
        self._copy.put_objects({snapshot.digest: snapshot.manifest})

    def _publication(self, snapshot: Snapshot) -> Publication:
        for limit in _PUBLICATIONS_SEARCHED:
            for publication in self._store.publications(snapshot.scope, limit):
                if publication.snapshot == snapshot.id:
                    return publication
        raise StoreCorrupt(f"the history does not tell who published {snapshot.id}", fix="publish its commit again")

    def _told(self, channel: Channel, there: Channel | None) -> MirrorState:
        if there is not None and there.revision > channel.revision:
            # It moved on between the two looks, and somebody else has brought that here.
            channel = self._store.channel(channel.scope, channel.name)
        standing, why = _judged(channel, there)
        snapshot, revision = (None, None) if there is None else (there.snapshot, there.revision)
        return MirrorState(self._where, channel, standing, why, snapshot, revision)


def _judged(channel: Channel, there: Channel | None) -> tuple[Standing, str]:
    if there is None:
        return Standing.BEHIND, "there is no such channel yet"
    if there.revision < channel.revision:
        return Standing.BEHIND, f"it is at revision {there.revision}"
    if there.revision > channel.revision:
        return Standing.APART, f"it is at revision {there.revision}, which the store that decides has not reached"
    if there.digest != channel.digest or there.snapshot != channel.snapshot:
        return Standing.APART, f"it names {there.snapshot} at this revision: somebody else publishes there"
    return Standing.IN_STEP, f"it is at revision {there.revision}"


def _others(missed: Sequence[ChannelMove]) -> Iterator[SnapshotId]:
    """Yield what the channel named meanwhile, each once, without what it names now."""
    names = dict.fromkeys(move.channel.snapshot for move in missed)
    yield from islice(names, 1, None)


def bring_all(
    mirrors: Sequence[Mirror], channels: Sequence[Channel], clock: Clock, patience: float = PATIENCE
) -> list[MirrorState]:
    """
    Bring every mirror to where *channels* stand, all mirrors at a time, and return how each stands to each channel.

    Nothing is raised: what a mirror could not do is in its state. One that is not done after *patience* seconds is
    told as away, and goes on in the background as long as this process lives.
    """
    return _all(mirrors, channels, lambda mirror, channel: mirror.bring(channel.scope, channel.name), clock, patience)


def look_all(
    mirrors: Sequence[Mirror], channels: Sequence[Channel], clock: Clock, patience: float = PATIENCE
) -> list[MirrorState]:
    """Return how each mirror stands to each of *channels*; nothing is copied, otherwise as `bring_all`."""
    return _all(mirrors, channels, lambda mirror, channel: mirror.look(channel.scope, channel.name), clock, patience)


def _all(
    mirrors: Sequence[Mirror],
    channels: Sequence[Channel],
    ask: Callable[[Mirror, Channel], MirrorState],
    clock: Clock,
    patience: float,
) -> list[MirrorState]:
    ends = clock.monotonic() + patience
    told: list[list[MirrorState]] = [[] for _ in mirrors]

    def work(mirror: Mirror, states: list[MirrorState]) -> None:
        for channel in channels:
            if clock.monotonic() >= ends:
                return
            states.append(_asked(mirror, channel, ask))
            if states[-1].standing is Standing.AWAY:
                return

    # Of their own, and no pool: a mirror that hangs must not keep the process from ending.
    threads = [Thread(target=work, args=each, daemon=True) for each in zip(mirrors, told, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends - clock.monotonic()))
    pairs = zip(mirrors, [list(states) for states in told], strict=True)
    return [state for mirror, states in pairs for state in _complete(mirror, channels, states, patience)]


def _asked(mirror: Mirror, channel: Channel, ask: Callable[[Mirror, Channel], MirrorState]) -> MirrorState:
    try:
        return ask(mirror, channel)
    except StoreUnavailable as error:
        return MirrorState(mirror.where, channel, Standing.AWAY, _reason(error))
    except StoreCorrupt as error:
        return MirrorState(mirror.where, channel, Standing.APART, _reason(error))
    except SnapshotRefused as error:
        return MirrorState(mirror.where, channel, Standing.LEFT_OUT, error.what)
    except RunpinError as error:
        return MirrorState(mirror.where, channel, Standing.BEHIND, _reason(error))
    except Exception as error:  # noqa: BLE001 - a fault in one adapter must not undo what is published already
        return MirrorState(mirror.where, channel, Standing.AWAY, f"a fault of runpin: {type(error).__name__}")


def _reason(error: RunpinError) -> str:
    return f"{error.what} ({error.where})" if error.where else error.what


def _complete(
    mirror: Mirror, channels: Sequence[Channel], states: Sequence[MirrorState], patience: float
) -> Iterator[MirrorState]:
    """Yield a state for each channel: those that were asked for, and what is known of the others."""
    yield from states
    last = states[-1] if states and states[-1].standing is Standing.AWAY else None
    why = f"it was not done after {patience:g} seconds" if last is None else last.why
    for channel in channels[len(states) :]:
        yield MirrorState(mirror.where, channel, Standing.AWAY, why)
