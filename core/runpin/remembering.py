"""What this host knows about pins and channels, for the time when nobody can be asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from runpin.model import Asked, Channel, Pin, RunKey, Scope, SnapshotId, as_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpin.ports import Cache, Clock

REFRESH = 30.0
"""Seconds after which a process writes down again that a channel still stands where it stood."""


class PinNotes:
    """One note for each run and scope in the host's cache; a cache may forget, so an answer may be missing."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def remember(self, pin: Pin) -> None:
        """Keep *pin* as what this host knows about its run, unless that is of a later epoch: who read it was slow."""
        known = self.recall(pin.run, pin.scope)
        if known is not None and known.epoch > pin.epoch:
            return
        self._cache.remember("pin", _run_key(pin.run, pin.scope), _pin_note(pin))

    def recall(self, run: RunKey, scope: Scope) -> Pin | None:
        """Return the newest pin of *run* that this host has seen, confirmed or not."""
        note = self._cache.recall("pin", _run_key(run, scope))
        return None if note is None else _pin_of(note, run, scope)

    def settle(self, run: RunKey, scope: Scope, number: int) -> None:
        """Write down that the newest pin of *run* that this host has seen is the one after its clear *number*."""
        self._cache.remember("rerun", _run_key(run, scope), str(number).encode())

    def assume(self, pin: Pin, number: int) -> None:
        """Write down that the run of *pin* went on with it after its clear *number*, which nobody could decide."""
        self._cache.remember("assumed", _run_key(pin.run, pin.scope), f"{number} {pin.snapshot}".encode())

    def assumed(self, run: RunKey, scope: Scope, number: int) -> SnapshotId | None:
        """Return what *run* went on with on this host after its clear *number*, if that was not decided then."""
        note = self._cache.recall("assumed", _run_key(run, scope))
        clear, _, snapshot = (note or b"").decode().partition(" ")
        return SnapshotId.parse(snapshot) if clear == str(number) else None

    def is_settled(self, run: RunKey, scope: Scope, number: int) -> bool:
        """Tell whether this host knows what *run* uses since its clear *number*; 0: it was never cleared."""
        if number == 0:
            return True
        note = self._cache.recall("rerun", _run_key(run, scope))
        return note is not None and int(note) >= number


@dataclass(frozen=True, slots=True)
class Sighting:
    """
    A state of a channel that this host saw.

    Attributes:
        channel: where it stood.
        since: when this host saw it there first.
        at: when it saw it there last.
    """

    channel: Channel
    since: datetime
    at: datetime

    @property
    def stood(self) -> timedelta:
        """How long the channel stood there, as far as this host saw."""
        return self.at - self.since


class ChannelNotes:
    """
    Where channels stood when this host saw them last, which of these states proved good, and what is barred.

    Processes of one host share the notes. A disk that takes none is made up for by this process's memory.
    """

    def __init__(self, cache: Cache, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock
        self._seen: dict[tuple[Scope, str], Sighting] = {}
        self._written: dict[tuple[Scope, str], float] = {}
        self._barred: dict[str, frozenset[str]] = {}

    def newest(self, scope: Scope, name: str) -> Channel | None:
        """Return the newest state that this process saw."""
        seen = self._seen.get((scope, name))
        return None if seen is None else seen.channel

    def see(self, channel: Channel) -> Sighting | None:
        """Write down that *channel* stands there now, and return that; None if this process did so a moment ago."""
        key, tick = (channel.scope, channel.name), self._clock.monotonic()
        before = self._seen.get(key)
        if before is not None and before.channel == channel and tick - self._written[key] < REFRESH:
            return None
        if before is None:
            self._list(channel)
        if before is None or before.channel != channel:
            self._cache.remember("snapshot", str(channel.snapshot), channel.digest.encode())
        earlier = self.last_seen(channel.scope, channel.name)
        now = self._clock.now()
        since = earlier.since if earlier is not None and earlier.channel == channel else now
        # The moment first: another thread may look between the two.
        self._written[key] = tick
        seen = self._seen[key] = Sighting(channel, min(since, now), now)
        self._cache.remember("channel", _channel_key(*key), _channel_note(seen))
        return seen

    def last_seen(self, scope: Scope, name: str) -> Sighting | None:
        """Return the newest state that any process of this host saw."""
        mine = self._seen.get((scope, name))
        note = self._cache.recall("channel", _channel_key(scope, name))
        noted = None if note is None else _sighting_of(note, scope, name)
        known = [each for each in (noted, mine) if each is not None]
        return max(known, key=lambda each: (each.channel.revision, each.at), default=None)

    def all_seen(self, environment: str) -> list[Sighting]:
        """Return the newest state of each channel of *environment* that any process of this host saw."""
        places = ((Scope(each[0], environment, each[1]), each[2]) for each in self._listed(environment))
        found = (self.last_seen(scope, name) for scope, name in places)
        return [each for each in found if each is not None]

    def prove(self, seen: Sighting) -> None:
        """Keep a state as the channel's last one that proved good."""
        self._cache.remember("good", _channel_key(seen.channel.scope, seen.channel.name), _channel_note(seen))

    def proven(self, scope: Scope, name: str) -> Sighting | None:
        """Return the last state of a channel that proved good."""
        note = self._cache.recall("good", _channel_key(scope, name))
        return None if note is None else _sighting_of(note, scope, name)

    def _list(self, channel: Channel) -> None:
        """Write down that there is this channel; of two processes that do so at once, one may do so in vain."""
        scope = channel.scope
        listed, place = self._listed(scope.environment), [scope.application, scope.tenant, channel.name]
        if place not in listed:
            self._cache.remember("channels", scope.environment, json.dumps([*listed, place]).encode())

    def _listed(self, environment: str) -> list[Any]:
        note = self._cache.recall("channels", environment)
        listed: list[Any] = [] if note is None else json.loads(note)
        return listed

    def bar(self, environment: str, barred: Iterable[SnapshotId]) -> None:
        """Write down which snapshots of *environment* are barred from new pins."""
        names = self._barred[environment] = frozenset(map(str, barred))
        self._cache.remember("barred", environment, json.dumps(sorted(names)).encode())

    def is_barred(self, snapshot: SnapshotId) -> bool:
        """Tell whether *snapshot* was barred from new pins when this host last saw."""
        note = self._cache.recall("barred", snapshot.environment)
        names = self._barred.get(snapshot.environment, frozenset())
        return str(snapshot) in names or (note is not None and str(snapshot) in json.loads(note))


def channel_as_bytes(channel: Channel) -> bytes:
    """Return *channel* for another process of this host."""
    return json.dumps(_channel_content(channel), sort_keys=True).encode()


def channel_from_bytes(written: bytes, scope: Scope, name: str) -> Channel:
    """Return what `channel_as_bytes` wrote."""
    return _channel_of(json.loads(written), scope, name)


def _run_key(run: RunKey, scope: Scope) -> str:
    return f"{run.digest}/{scope}"


def _pin_note(pin: Pin) -> bytes:
    note = {
        "snapshot": str(pin.snapshot),
        "digest": pin.digest,
        "at": pin.at.isoformat(),
        "epoch": pin.epoch,
        "channel": pin.channel,
        "revision": pin.revision,
        "asked": str(pin.asked),
        "confirmed": pin.confirmed,
    }
    return json.dumps(note, sort_keys=True).encode()


def _pin_of(note: bytes, run: RunKey, scope: Scope) -> Pin:
    content = json.loads(note)
    return Pin(
        run=run,
        scope=scope,
        snapshot=SnapshotId.parse(content["snapshot"]),
        digest=as_digest(content["digest"]),
        at=datetime.fromisoformat(content["at"]),
        epoch=content["epoch"],
        channel=content["channel"],
        revision=content["revision"],
        asked=Asked(content["asked"]),
        confirmed=content["confirmed"],
    )


def _channel_key(scope: Scope, name: str) -> str:
    return f"{scope}/{name}"


def _channel_content(channel: Channel) -> dict[str, Any]:
    return {
        "revision": channel.revision,
        "snapshot": str(channel.snapshot),
        "digest": channel.digest,
        "moved_at": channel.moved_at.isoformat(),
    }


def _channel_note(seen: Sighting) -> bytes:
    times = {"since": seen.since.isoformat(), "at": seen.at.isoformat()}
    return json.dumps(_channel_content(seen.channel) | times, sort_keys=True).encode()


def _channel_of(content: dict[str, Any], scope: Scope, name: str) -> Channel:
    return Channel(
        scope=scope,
        name=name,
        revision=content["revision"],
        snapshot=SnapshotId.parse(content["snapshot"]),
        digest=as_digest(content["digest"]),
        moved_at=datetime.fromisoformat(content["moved_at"]),
    )


def _sighting_of(note: bytes, scope: Scope, name: str) -> Sighting:
    content = json.loads(note)
    since, at = (datetime.fromisoformat(content[key]) for key in ("since", "at"))
    return Sighting(_channel_of(content, scope, name), since, at)
