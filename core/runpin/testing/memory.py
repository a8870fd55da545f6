"""
A store, a ledger and a clock that live in this process's memory.

They keep the same contract as the real ones, so code that is tested with them meets no surprise later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Lock

from runpin.canonical import verified
from runpin.errors import (
    EpochConflict,
    NotFound,
    RevisionConflict,
    SnapshotQuarantined,
    StoreCorrupt,
    UnknownChannel,
    UnknownSnapshot,
)
from runpin.model import (
    Channel,
    ChannelMove,
    Commit,
    Digest,
    Pin,
    PinPage,
    Publication,
    RunKey,
    Scope,
    Snapshot,
    SnapshotId,
)
from runpin.ports import Clock, Quarantine

_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class FixedClock:
    """Stands still until it is told to go on."""

    def __init__(self, at: datetime = _BEGINNING) -> None:
        self._now = at
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Return the moment the clock stands at."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds it has been advanced."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


class MemoryLedger:
    """Pins and quarantine of one process; one lock stands for the database's."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pins: dict[tuple[RunKey, Scope], list[Pin]] = {}
        self._barred: set[SnapshotId] = set()

    def put_if_absent(self, pin: Pin) -> Pin:
        """Record *pin* unless the run has one, and return what is recorded: the newest epoch."""
        if pin.epoch:
            raise EpochConflict("a run's first pin has epoch 0", where=str(pin.run))
        _require_own(pin)
        with self._lock:
            held = self._pins.get((pin.run, pin.scope))
            if held:
                return held[-1]
            self._require_free(pin)
            self._pins[pin.run, pin.scope] = [pin]
            return pin

    def get(self, run: RunKey, scope: Scope) -> Pin | None:
        """Return the newest epoch of the run's pin."""
        with self._lock:
            held = self._pins.get((run, scope))
            return held[-1] if held else None

    def advance(self, pin: Pin) -> Pin:
        """Record *pin* as the epoch after `pin.epoch - 1`; recording the very same pin again changes nothing."""
        _require_own(pin)
        with self._lock:
            held = self._pins.get((pin.run, pin.scope), [])
            if held and held[-1] == pin:
                return pin
            if not held or held[-1].epoch != pin.epoch - 1:
                raise EpochConflict(f"epoch {pin.epoch} does not follow", where=str(pin.run))
            if held[-1].digest != pin.digest:
                self._require_free(pin)
            held.append(pin)
            return pin

    def runs_of(self, snapshot: SnapshotId, *, after: str | None = None, limit: int = 100) -> PinPage:
        """Return one page of the pins that name *snapshot*, oldest first."""
        start = () if after is None else _read_cursor(after)
        with self._lock:
            found = [pin for held in self._pins.values() for pin in held if pin.snapshot == snapshot]
        rest = [pin for pin in sorted(found, key=_place) if _place(pin) > start]
        page = rest[: max(limit, 1)]
        return PinPage(tuple(page), "/".join(_place(page[-1])) if len(rest) > len(page) else None)

    def bar(self, snapshot: SnapshotId, *, actor: str, reason: str) -> None:
        """Bar *snapshot* from new pins."""
        del actor, reason
        with self._lock:
            self._barred.add(snapshot)

    def lift(self, snapshot: SnapshotId, *, actor: str, reason: str) -> None:
        """Let *snapshot* be pinned again."""
        del actor, reason
        with self._lock:
            self._barred.discard(snapshot)

    def barred(self, environment: str) -> frozenset[SnapshotId]:
        """Return the snapshots barred in *environment*."""
        with self._lock:
            return frozenset(each for each in self._barred if each.environment == environment)

    def _require_free(self, pin: Pin) -> None:
        if pin.snapshot in self._barred:
            raise SnapshotQuarantined(f"{pin.snapshot} is barred from new pins", where=str(pin.run))


class MemoryStore:
    """Snapshots, channels and history of one process; refuses to move a channel to what *quarantine* bars."""

    def __init__(self, clock: Clock, quarantine: Quarantine | None = None) -> None:
        self._clock = clock
        self._quarantine = quarantine
        self._lock = Lock()
        self._objects: dict[Digest, bytes] = {}
        self._snapshots: list[Snapshot] = []
        self._publications: list[Publication] = []
        self._channels: dict[tuple[Scope, str], Channel] = {}
        self._moves: list[ChannelMove] = []

    def put_objects(self, objects: Mapping[Digest, bytes]) -> None:
        """Store each body under its digest."""
        bodies = {digest: verified(body, digest, "the object handed in") for digest, body in objects.items()}
        with self._lock:
            self._objects.update(bodies)

    def get_object(self, digest: Digest) -> bytes:
        """Return the bytes whose SHA-256 is *digest*, verified."""
        body = self._objects.get(digest)
        if body is None:
            raise UnknownSnapshot(f"no object {digest[:12]} is stored", where="memory")
        return verified(body, digest, "memory")

    def commit(self, snapshot: Snapshot, publication: Commit, actor: str) -> Snapshot:
        """List *snapshot*, whose objects are all stored, and return it with its sequence."""
        verified(snapshot.manifest, snapshot.digest, "the snapshot handed in")
        with self._lock:
            if any(digest not in self._objects for digest in snapshot.documents.values()):
                raise StoreCorrupt("a document of the manifest is not stored", where="memory")
            listed = self._listed(snapshot)
            now = self._clock.now()
            line = Publication(snapshot.scope, listed.id, listed.digest, publication, actor, now)
            latest = next((each for each in reversed(self._publications) if each.scope == line.scope), None)
            if latest is None or _news(latest) != _news(line):
                self._publications.append(line)
            return listed

    def find(self, snapshot: SnapshotId) -> Snapshot:
        """Return a published snapshot by its id."""
        for listed in self._snapshots:
            if listed.id == snapshot:
                return listed
        raise UnknownSnapshot(f"{snapshot} is not published here", where="memory")

    def channel(self, scope: Scope, name: str) -> Channel:
        """Return where the channel stands."""
        found = self._channels.get((scope, name))
        if found is None:
            raise UnknownChannel(f"nothing was published to channel {name!r} of {scope} yet", where="memory")
        return found

    def channels(self, environment: str, tenant: str | None) -> Sequence[Channel]:
        """Return every channel of an environment and tenant."""
        held = sorted(self._channels.values(), key=lambda each: (each.scope.application, each.name))
        return tuple(each for each in held if (each.scope.environment, each.scope.tenant) == (environment, tenant))

    def tenants(self, environment: str) -> Sequence[str | None]:
        """Return the tenants that have channels in an environment, sorted; None, first, where some have no tenant."""
        found = {scope.tenant or "" for scope, _ in self._channels if scope.environment == environment}
        return tuple(tenant or None for tenant in sorted(found))

    def move(
        self, scope: Scope, name: str, to: SnapshotId, *, expected_revision: int, actor: str, reason: str
    ) -> Channel:
        """Point the channel at *to* if it still stands at *expected_revision* (0: it does not exist yet)."""
        with self._lock:
            target = self.find(to)
            if target.scope != scope:
                raise UnknownSnapshot(f"{to} is not a snapshot of {scope}", where="memory")
            if self._quarantine is not None and to in self._quarantine.barred(to.environment):
                raise SnapshotQuarantined(f"{to} is barred, so no channel may name it", where=f"channel {name!r}")
            standing = self._channels.get((scope, name))
            if (standing.revision if standing else 0) != expected_revision:
                raise RevisionConflict(f"channel {name!r} of {scope} is not at revision {expected_revision} any more")
            moved = Channel(scope, name, expected_revision + 1, to, target.digest, self._clock.now())
            self._channels[scope, name] = moved
            self._moves.append(ChannelMove(moved, standing.snapshot if standing else None, actor, reason))
            return moved

    def publications(self, scope: Scope, limit: int) -> Sequence[Publication]:
        """Return the latest publications of *scope*, newest first."""
        return tuple(each for each in reversed(self._publications) if each.scope == scope)[:limit]

    def moves(self, scope: Scope, name: str, limit: int) -> Sequence[ChannelMove]:
        """Return the latest moves of a channel, newest first."""
        own = (each for each in reversed(self._moves) if (each.channel.scope, each.channel.name) == (scope, name))
        return tuple(own)[:limit]

    def _listed(self, snapshot: Snapshot) -> Snapshot:
        for listed in self._snapshots:
            if (listed.scope, listed.digest) == (snapshot.scope, snapshot.digest):
                return listed
        place = (snapshot.scope.application, snapshot.scope.environment)
        given = [each.id for each in self._snapshots]
        before = max((each.sequence for each in given if (each.application, each.environment) == place), default=0)
        listed = replace(snapshot, sequence=before + 1)
        self._objects[snapshot.digest] = snapshot.manifest
        self._snapshots.append(listed)
        return listed


def _require_own(pin: Pin) -> None:
    if (pin.snapshot.application, pin.snapshot.environment) != (pin.scope.application, pin.scope.environment):
        raise UnknownSnapshot(f"{pin.snapshot} is not a snapshot of {pin.scope}", where=str(pin.run))


def _news(line: Publication) -> tuple[SnapshotId, str, str]:
    return line.snapshot, line.commit.sha, line.commit.repository


def _place(pin: Pin) -> tuple[str, ...]:
    return pin.at.astimezone(UTC).isoformat(timespec="microseconds"), pin.run.digest, str(pin.scope), f"{pin.epoch:09}"


def _read_cursor(cursor: str) -> tuple[str, ...]:
    place = tuple(cursor.split("/"))
    if len(place) != 4:
        raise NotFound("this is not a cursor of this ledger", fix="begin again without one")
    return place
