"""
The two changes that a store in Azure App Configuration makes: listing a snapshot, and moving a channel.

Each reads what it depends on, then writes on condition that none of that has changed, and looks for its own traces
before it tries again. So it is carried out once, although nobody may know at which attempt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from runpin.azure_appconfig.calls import Call, Item
from runpin.azure_appconfig.endpoint import Endpoint
from runpin.azure_appconfig.objects import record_of
from runpin.azure_appconfig.records import move_record, told, told_move
from runpin.azure_appconfig.registers import Line, Register
from runpin.errors import SnapshotQuarantined
from runpin.failpoints import failpoint
from runpin.model import Channel, ChannelMove, Digest, Scope, Snapshot, SnapshotId, as_digest
from runpin.ports import Quarantine
from runpin.stores.asked import AskedMove, unknown


def sequences(endpoint: Endpoint, scope: Scope | SnapshotId) -> Register:
    """Return the register of an application's and environment's snapshots; the line of a number names a snapshot."""
    pair = (scope.application, scope.environment)
    return Register(endpoint, endpoint.keys.sequence(*pair), endpoint.keys.snapshots(*pair))


def publications(endpoint: Endpoint, scope: Scope) -> Register:
    """Return the register of a scope's publications."""
    return Register(endpoint, endpoint.keys.publications(scope), endpoint.keys.published(scope))


def moves(endpoint: Endpoint, scope: Scope, name: str) -> Register:
    """Return the register of a channel: its newest line is where it stands, and the number is the revision."""
    return Register(endpoint, endpoint.keys.channel(scope, name), endpoint.keys.moves(scope, name))


@dataclass(frozen=True, slots=True)
class Listing:
    """
    A snapshot that is to be listed, whose objects are all stored.

    Its content first claims a number, in a key-value of its own, and then that number is given out in the register.
    While the claim stands, no other number is given to the content; it moves only when its number went to another
    one. So however many publish the same content at once, it gets one number, and no number is left out.
    """

    endpoint: Endpoint
    snapshot: Snapshot
    operation: str = field(default_factory=lambda: uuid4().hex)

    def carry_out(self) -> int:
        """
        List the snapshot, unless it is, and return its sequence.

        Raises:
            StoreUnavailable, StoreCorrupt
        """
        call = Call.on(self.endpoint)
        return call.until_done(lambda: self._try(call))

    def _try(self, call: Call) -> int | None:
        register = sequences(self.endpoint, self.snapshot.scope)
        newest = register.newest(call)
        given = 0 if newest is None else newest.number
        claim = self._claim(call, given + 1)
        if claim is None:
            return None
        claimed: int = record_of(claim, self.endpoint.where)["sequence"]
        if claimed <= given:
            return self._known(call, register, claim, given)
        # A claim further on was made by who saw a newer line than we did.
        line = register.append(call, newest, self._record()) if claimed == given + 1 else None
        if line is None:
            return None
        # Whoever looks for the snapshot finds it with one request.
        register.file(call, line)
        return claimed

    def _claim(self, call: Call, number: int) -> Item | None:
        key = self.endpoint.keys.listed(self.snapshot.scope, self.snapshot.digest)
        call.add(key, claimed(number))
        return call.get(key)

    def _known(self, call: Call, register: Register, claim: Item, given: int) -> int | None:
        number: int = record_of(claim, self.endpoint.where)["sequence"]
        line = register.line(call, number)
        if line is not None and named(line, self.endpoint.where) == (self.snapshot.digest, self.snapshot.scope.tenant):
            register.file(call, line)
            return number
        call.replace(claim, claimed(given + 1))
        return None

    def _record(self) -> dict[str, Any]:
        scope, digest = self.snapshot.scope, self.snapshot.digest
        return {"digest": digest, "tenant": scope.tenant, "operation": self.operation}


@dataclass(frozen=True, slots=True)
class Telling:
    """A publication that the history is to tell, unless its newest line says the same already."""

    endpoint: Endpoint
    scope: Scope
    record: Mapping[str, Any]

    def carry_out(self) -> None:
        """
        Tell it.

        Raises:
            StoreUnavailable, StoreCorrupt
        """
        call = Call.on(self.endpoint)
        call.until_done(lambda: self._try(call))

    def _try(self, call: Call) -> bool | None:
        register = publications(self.endpoint, self.scope)
        newest = register.newest(call)
        said = {} if newest is None else newest.record
        same = all(said.get(name) == self.record[name] for name in ("sequence", "sha", "repository"))
        return True if same or register.append(call, newest, self.record) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(AskedMove):
    """
    One move of a channel that was asked for, with what its line in the history says.

    The quarantine is kept elsewhere, and nothing binds it to the channel. It is asked before the move and once more
    after it: a snapshot that was barred meanwhile is left again, in another move. See `carry_out` for what that gives.
    """

    endpoint: Endpoint
    quarantine: Quarantine

    def carry_out(self) -> Channel:
        """
        Point the channel at `to` if it still stands at the `expected` revision.

        What is returned was not barred when the channel stood there. Who dies between the move and the second look
        leaves a channel that names a barred snapshot, whose pins the ledger refuses.

        Raises:
            RevisionConflict, SnapshotQuarantined, UnknownSnapshot, StoreUnavailable
        """
        self._require_not_barred()
        call = Call.on(self.endpoint)
        moved, left = call.until_done(lambda: self._try(call))
        failpoint("after_channel")
        try:
            self._require_not_barred()
        except SnapshotQuarantined:
            self._go_back(call, moved, left)
            raise
        return moved

    def _try(self, call: Call) -> tuple[Channel, Channel | None] | None:
        digest = self._published(call)
        register, where = moves(self.endpoint, self.scope, self.name), self.endpoint.where
        newest = register.newest(call)
        standing = None if newest is None else told_move(newest, self.scope, self.name, where).channel
        self.require_expected(standing, where)
        failpoint("before_channel")
        moved = self.made(digest)
        move = ChannelMove(moved, None, self.actor, self.reason)
        done = register.append(call, newest, move_record(move, standing, self.operation))
        return (moved, standing) if done else None

    def _published(self, call: Call) -> Digest:
        line = sequences(self.endpoint, self.to).line(call, self.to.sequence) if self.is_in_place else None
        digest, tenant = (None, None) if line is None else named(line, self.endpoint.where)
        if digest is None or digest[:12] != self.to.short or tenant != self.scope.tenant:
            raise unknown(self.to, self.endpoint.where)
        return digest

    def _require_not_barred(self) -> None:
        if self.to in self.quarantine.barred(self.to.environment):
            raise self.barred()

    def _go_back(self, call: Call, moved: Channel, left: Channel | None) -> None:
        """Leave a snapshot that was barred while the channel moved to it, unless it moved on or has nowhere to go."""
        register = moves(self.endpoint, self.scope, self.name)
        newest = register.newest(call)
        if left is None or newest is None or newest.record["operation"] != self.operation:
            return
        back = Channel(self.scope, self.name, moved.revision + 1, left.snapshot, left.digest, self.at)
        move = ChannelMove(back, None, self.actor, f"went back: {self.to} was barred meanwhile")
        register.append(call, newest, move_record(move, moved, uuid4().hex))


def digest_named(line: Line, where: str) -> Digest:
    """Return the digest of the snapshot that *line* of the sequences names."""
    return named(line, where)[0]


def named(line: Line, where: str) -> tuple[Digest, str | None]:
    """Return digest and tenant of the snapshot that *line* of the sequences names."""
    return told(line, where, lambda record: (as_digest(record["digest"]), record["tenant"]))


def claimed(number: int) -> str:
    """Return what content says about the number that it claims."""
    return json.dumps({"sequence": number})
