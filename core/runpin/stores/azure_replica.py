"""An App Configuration store that follows another one: its snapshots by their numbers, its channels by revision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from runpin.azure_appconfig.calls import Call
from runpin.azure_appconfig.endpoint import Endpoint
from runpin.azure_appconfig.objects import record_of
from runpin.azure_appconfig.records import move_record, publication_record, told_move
from runpin.azure_appconfig.registers import Register
from runpin.canonical import verified
from runpin.failpoints import failpoint
from runpin.model import Channel, ChannelMove, Commit, Snapshot
from runpin.stores.asked import unknown
from runpin.stores.azure import AzureStore
from runpin.stores.azure_changes import Telling, claimed, moves, named, publications, sequences
from runpin.stores.outrunning import outrun, taken

_LINES_SEARCHED = 100


class AzureReplica(AzureStore):
    """
    A store that is brought to where another one stands.

    It asks no quarantine when it follows: what may be pinned is decided beside the other store.
    """

    def adopt(self, snapshot: Snapshot, publication: Commit, actor: str) -> None:
        """
        List *snapshot*, whose objects are all stored, under the sequence that it has; once more changes nothing.

        Raises:
            StoreCorrupt: an object is not stored, or the sequence belongs to another snapshot here.
            StoreUnavailable
        """
        verified(snapshot.manifest, snapshot.digest, "the snapshot handed in")
        self._require_objects(snapshot)
        self._objects.put({snapshot.digest: snapshot.manifest})
        _Adoption(self._endpoint, snapshot).carry_out()
        line = publication_record(publication, actor, self._endpoint.clock.now(), uuid4().hex)
        said = {**line, "sequence": snapshot.sequence, "digest": snapshot.digest}
        _TellingOnce(self._endpoint, snapshot.scope, said).carry_out()

    def follow(self, channel: Channel, *, actor: str, reason: str) -> Channel:
        """
        Bring the channel to where *channel* says, at its revision, and return where it stands then.

        It never goes back: at a higher revision than that it stays where it is.

        Raises:
            UnknownSnapshot: the snapshot was not adopted.
            StoreCorrupt: it stands at this very revision with another snapshot, so somebody else moves it.
            StoreUnavailable
        """
        stands = _Leap(self._endpoint, channel, actor, reason).carry_out()
        self._show(channel.scope, channel.name)
        return stands


class _TellingOnce(Telling):
    """A publication that the history is to tell, unless it tells of the same snapshot already."""

    def _try(self, call: Call) -> bool | None:
        register = publications(self.endpoint, self.scope)
        lines = register.lines(call, _LINES_SEARCHED)
        if any(line.record.get("sequence") == self.record["sequence"] for line in lines):
            return True
        return True if register.append(call, next(iter(lines), None), self.record) else None


@dataclass(frozen=True, slots=True)
class _Adoption:
    """
    A snapshot that is to be listed under the number that it has elsewhere, whose objects are all stored.

    Its content claims the number first, as any publication does. Then the number is given out: by the register's head
    if it is the highest one, in its own place if a higher one was adopted before.
    """

    endpoint: Endpoint
    snapshot: Snapshot
    operation: str = field(default_factory=lambda: uuid4().hex)

    def carry_out(self) -> None:
        call = Call.on(self.endpoint)
        call.until_done(lambda: self._try(call))

    def _try(self, call: Call) -> bool | None:
        register, number = sequences(self.endpoint, self.snapshot.scope), self.snapshot.id.sequence
        there = register.line(call, number)
        if there is not None and named(there, self.endpoint.where) != self._name:
            raise taken(self.snapshot.id, self.endpoint.where)
        if not self._claim(call, register, number):
            return None
        if there is None:
            return True if self._give_out(call, register, number) else None
        register.file(call, there)
        return True

    def _give_out(self, call: Call, register: Register, number: int) -> bool:
        newest = register.newest(call)
        if newest is None or newest.number < number:
            return register.append(call, newest, self._record, number) is not None
        # At this very number somebody was faster, which the next look tells.
        return newest.number > number and register.fill(call, number, self._record) is not None

    def _claim(self, call: Call, register: Register, number: int) -> bool:
        """Let the content claim *number*; tell whether it has."""
        key = self.endpoint.keys.listed(self.snapshot.scope, self.snapshot.digest)
        call.add(key, claimed(number))
        claim = call.get(key)
        if claim is None:
            return False
        other: int = record_of(claim, self.endpoint.where)["sequence"]
        if other == number:
            return True
        line = register.line(call, other)
        if line is not None and named(line, self.endpoint.where) == self._name:
            raise taken(self.snapshot.id, self.endpoint.where)
        # Whoever claimed it never came to have it given out.
        return call.replace(claim, claimed(number))

    @property
    def _name(self) -> tuple[str, str | None]:
        return self.snapshot.digest, self.snapshot.scope.tenant

    @property
    def _record(self) -> dict[str, Any]:
        digest, tenant = self._name
        return {"digest": digest, "tenant": tenant, "operation": self.operation}


@dataclass(frozen=True, slots=True)
class _Leap:
    """The way of a channel to where it stands in another store, with what its line in the history says."""

    endpoint: Endpoint
    channel: Channel
    actor: str
    reason: str
    operation: str = field(default_factory=lambda: uuid4().hex)

    def carry_out(self) -> Channel:
        call = Call.on(self.endpoint)
        return call.until_done(lambda: self._try(call))

    def _try(self, call: Call) -> Channel | None:
        channel, where = self.channel, self.endpoint.where
        register = moves(self.endpoint, channel.scope, channel.name)
        newest = register.newest(call)
        standing = None if newest is None else told_move(newest, channel.scope, channel.name, where).channel
        beyond = outrun(standing, channel, where)
        if beyond is not None:
            return beyond
        self._require_adopted(call)
        failpoint("before_mirror_channel")
        move = ChannelMove(channel, None, self.actor, self.reason)
        record = move_record(move, standing, self.operation)
        return channel if register.append(call, newest, record, channel.revision) else None

    def _require_adopted(self, call: Call) -> None:
        channel = self.channel
        line = sequences(self.endpoint, channel.snapshot).line(call, channel.snapshot.sequence)
        if line is None or named(line, self.endpoint.where) != (channel.digest, channel.scope.tenant):
            raise unknown(channel.snapshot, self.endpoint.where)
