"""
Reading from several stores: from the one that decides, and when it cannot answer, from those that follow it.

What is read is named by its hash or by an id that never changes its meaning, so a copy found anywhere is as good as
the original. Channels are not read here: where one stands is decided in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from runpin.errors import RunpinError, StoreCorrupt, StoreUnavailable, UnknownSnapshot
from runpin.model import Commit, Digest, Snapshot, SnapshotId

if TYPE_CHECKING:
    from runpin.ports import Clock, SnapshotStore

T = TypeVar("T")

_LEFT_ALONE = 10.0
"""Seconds for which the store is asked last, and a copy not at all, when it did not answer: not every object waits."""


class SeveralStores:
    """
    A store of snapshots, and copies of it.

    Args:
        store: the one that decides, and the only one that is written to.
        copies: returns those that follow it; not called before one is needed.
        clock: measures for how long a store is left alone.
    """

    def __init__(self, store: SnapshotStore, copies: Callable[[], Sequence[SnapshotStore]], clock: Clock) -> None:
        self._store = store
        self._copies = copies
        self._clock = clock
        self._resting: dict[int, float] = {}

    def put_objects(self, objects: Mapping[Digest, bytes]) -> None:
        """Store each body under its digest, in the store that decides."""
        self._store.put_objects(objects)

    def commit(self, snapshot: Snapshot, publication: Commit, actor: str) -> Snapshot:
        """List *snapshot* in the store that decides, and return it with its sequence."""
        return self._store.commit(snapshot, publication, actor)

    def get_object(self, digest: Digest) -> bytes:
        """
        Return the bytes whose SHA-256 is *digest*, verified, from whichever store has them.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable: what the store that decides says, if no other one has them.
        """
        # A store that lists a snapshot without its object has lost it.
        return self._first(lambda store: store.get_object(digest), UnknownSnapshot, StoreCorrupt)

    def find(self, snapshot: SnapshotId) -> Snapshot:
        """
        Return a published snapshot by its id.

        Raises:
            UnknownSnapshot, StoreCorrupt, StoreUnavailable: as `get_object`.
        """
        # What the store that decides does not list is listed nowhere else.
        return self._first(lambda store: store.find(snapshot), StoreCorrupt)

    def _first(self, read: Callable[[SnapshotStore], T], *otherwise: type[RunpinError]) -> T:
        last = self._rests(self._store)
        found = self._copied(read) if last else None
        if found is not None:
            return found
        try:
            return read(self._store)
        except StoreUnavailable as error:
            self._rest(self._store)
            failed: RunpinError = error
        except otherwise as error:
            failed = error
        found = None if last else self._copied(read)
        if found is None:
            raise failed
        return found

    def _copied(self, read: Callable[[SnapshotStore], T]) -> T | None:
        """Return what the first copy that has it answers, None if none has."""
        try:
            copies = self._copies()
        except RunpinError:
            return None
        for copy in copies:
            try:
                if not self._rests(copy):
                    return read(copy)
            except StoreUnavailable:
                self._rest(copy)
            except RunpinError:
                continue
        return None

    def _rest(self, store: SnapshotStore) -> None:
        self._resting[id(store)] = self._clock.monotonic() + _LEFT_ALONE

    def _rests(self, store: SnapshotStore) -> bool:
        return self._clock.monotonic() < self._resting.get(id(store), float("-inf"))
