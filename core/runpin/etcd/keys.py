"""
Where everything lies: every key below one root, every part of it a checked name, a number or a hash.

    objects/DIGEST                                          the bytes of a document or manifest
    sequences/ENVIRONMENT/APPLICATION/newest                how many snapshots there are
    snapshots/ENVIRONMENT/APPLICATION/SEQUENCE              a snapshot's digest and tenant
    listed/ENVIRONMENT/TENANT/APPLICATION/DIGEST            the sequence of content that was published
    publications/ENVIRONMENT/TENANT/APPLICATION/LINE        history
    channels/ENVIRONMENT/TENANT/APPLICATION/CHANNEL         where a channel stands
    moves/ENVIRONMENT/TENANT/APPLICATION/CHANNEL/REVISION   history
    quarantine/ENVIRONMENT/APPLICATION/SNAPSHOT             there while the snapshot is barred
    bars/ENVIRONMENT/APPLICATION/LINE                       history; its number is counted in fences/.../newest
    pins/ENVIRONMENT/TENANT/APPLICATION/HASH/RUN/EPOCH      the pin; HASH is short and of the run id alone
    pinned/ENVIRONMENT/APPLICATION/SNAPSHOT/MOMENT/...      which pins name a snapshot
    reactions/ENVIRONMENT/TENANT/APPLICATION/KEY/REVISION   what followed from a move
    overrides/ENVIRONMENT/TENANT/APPLICATION/RUN/NUMBER     what an operator wants of a run

No tenant is `-`, which no name can be. Numbers that are asked for from the newest on count downwards, because etcd
answers in the order of keys. Every prefix that is read or granted ends in `/`, so `payments` never means `payments-eu`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

from runpin.errors import UnknownApplication, UnknownEnvironment
from runpin.keyspace import Keyspace, place_of, tenant_part
from runpin.model import Pin, RunKey, Scope, SnapshotId, check_name
from runpin.reactions import ReactionKey

_DIGITS = 12


def downwards(number: int) -> str:
    """Return *number* so that a larger one sorts first."""
    return f"{10**_DIGITS - 1 - number:0{_DIGITS}d}"


class Keys(Keyspace):
    """The keys below *root*, which begins and ends with `/`. Those that end in `/` are prefixes."""

    __slots__ = ()

    def sequence(self, scope: Scope) -> str:
        """Return where the snapshots of an application and environment are counted, for all tenants."""
        return f"{self.root}sequences/{scope.environment}/{scope.application}/newest"

    def snapshot(self, snapshot: SnapshotId) -> str:
        """Return where the snapshot of a sequence is listed."""
        return f"{self.root}snapshots/{snapshot.environment}/{snapshot.application}/{snapshot.sequence:09d}"

    def publications(self, scope: Scope) -> str:
        """Return the prefix of a scope's history, newest first."""
        return f"{self.root}publications/{place_of(scope)}/"

    def quarantine(self, environment: str) -> str:
        """Return the prefix of what is barred in an environment."""
        check_name("environment", environment, UnknownEnvironment)
        return f"{self.root}quarantine/{environment}/"

    def barred(self, snapshot: SnapshotId) -> str:
        """Return the key that is there while *snapshot* is barred: the fence of every pin and move to it."""
        return f"{self.quarantine(snapshot.environment)}{_application(snapshot)}/{_numbered(snapshot)}"

    def fence(self, snapshot: SnapshotId) -> str:
        """Return where the changes of a quarantine are counted."""
        return f"{self.root}fences/{snapshot.environment}/{_application(snapshot)}/newest"

    def bars(self, snapshot: SnapshotId) -> str:
        """Return the prefix of a quarantine's history, newest first."""
        return f"{self.root}bars/{snapshot.environment}/{_application(snapshot)}/"

    def all_pins(self) -> str:
        """Return the prefix of every pin there is."""
        return f"{self.root}pins/"

    def pins_of_id(self, place: str, run_id: str) -> str:
        """Return the prefix of the pins of one run id, in the environment, tenant and application *place*."""
        return f"{self.all_pins()}{place}/{_short(run_id)}/"

    def pins(self, run: RunKey, scope: Scope) -> str:
        """Return the prefix of a run's pins in one scope, newest epoch first."""
        return f"{self.pins_of_id(place_of(scope), run.run_id)}{run.digest}/"

    def pin(self, pin: Pin, epoch: int) -> str:
        """Return where the pin of *epoch* of the same run and scope lies."""
        return f"{self.pins(pin.run, pin.scope)}{downwards(epoch)}"

    def pinned(self, snapshot: SnapshotId) -> str:
        """Return the prefix of the pins that name *snapshot*, oldest first."""
        return f"{self.root}pinned/{snapshot.environment}/{_application(snapshot)}/{_numbered(snapshot)}/"

    def pinned_by(self, pin: Pin) -> str:
        """Return the key that says which snapshot *pin* names."""
        # What follows the moment leads to the pin: tenant, short hash, run and epoch.
        tail = f"{tenant_part(pin.scope.tenant)}/{_short(pin.run.run_id)}/{pin.run.digest}/{downwards(pin.epoch)}"
        return f"{self.pinned(pin.snapshot)}{_moment(pin.at)}/{tail}"

    def pin_behind(self, snapshot: SnapshotId, key: str) -> str:
        """Return where the pin lies that *key*, below `pinned`, points to."""
        _, tenant, rest = key.removeprefix(self.pinned(snapshot)).split("/", 2)
        return f"{self.all_pins()}{snapshot.environment}/{tenant}/{snapshot.application}/{rest}"

    def reactions(self, key: ReactionKey) -> str:
        """Return the prefix of what followed for *key*, highest revision first."""
        return f"{self.root}reactions/{place_of(key.scope)}/{key.digest}/"

    def overrides(self, run: RunKey, scope: Scope) -> str:
        """Return the prefix of what operators want of *run*, newest first."""
        return f"{self.root}overrides/{place_of(scope)}/{run.digest}/"


def _application(snapshot: SnapshotId) -> str:
    return check_name("application", snapshot.application, UnknownApplication)


def _numbered(snapshot: SnapshotId) -> str:
    return f"{snapshot.sequence:09d}.{snapshot.short}"


def _short(run_id: str) -> str:
    return sha256(run_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%f")
