"""
Where everything lies: every key below one root, every part of it a checked name, a number or a hash.

    objects/DIGEST                                          the bytes of a document or manifest, or how many parts
    parts/DIGEST/PART                                       a part of a body that is too large for one value
    sequences/ENVIRONMENT/APPLICATION                       the newest snapshot
    snapshots/ENVIRONMENT/APPLICATION/SEQUENCE              the snapshots before it
    listed/ENVIRONMENT/TENANT/APPLICATION/DIGEST            the sequence of content that was published
    publications/ENVIRONMENT/TENANT/APPLICATION             the newest publication
    published/ENVIRONMENT/TENANT/APPLICATION/NUMBER         the publications before it
    channels/ENVIRONMENT/TENANT/APPLICATION/CHANNEL         where a channel stands
    moves/ENVIRONMENT/TENANT/APPLICATION/CHANNEL/REVISION   where it stood before
    sentinels/ENVIRONMENT/TENANT/APPLICATION/CHANNEL        which stand of a channel Azure's own readers see
    references/ENVIRONMENT/TENANT/APPLICATION/CHANNEL       the native snapshot that a channel names

No tenant is `-`, which no name can be. None of these has a label. Only what Azure's own readers read has one.
"""

from __future__ import annotations

from runpin.errors import UnknownApplication, UnknownChannel, UnknownEnvironment
from runpin.keyspace import Keyspace, place_of
from runpin.model import Digest, Scope, as_digest, check_name


class Keys(Keyspace):
    """The keys below *root*, which ends with `/`. Those that end in `/` are prefixes."""

    __slots__ = ()

    def parts(self, digest: Digest) -> str:
        """Return the prefix of the parts of a large body."""
        return f"{self.root}parts/{as_digest(digest)}/"

    def sequence(self, application: str, environment: str) -> str:
        """Return where the newest snapshot of an application and environment is named, for all tenants."""
        return f"{self.root}sequences/{_pair(application, environment)}"

    def snapshots(self, application: str, environment: str) -> str:
        """Return the prefix of the snapshots before the newest."""
        return f"{self.root}snapshots/{_pair(application, environment)}/"

    def publications(self, scope: Scope) -> str:
        """Return where the newest publication of a scope is told."""
        return f"{self.root}publications/{place_of(scope)}"

    def published(self, scope: Scope) -> str:
        """Return the prefix of the publications before the newest."""
        return f"{self.root}published/{place_of(scope)}/"

    def sentinel(self, scope: Scope, name: str) -> str:
        """Return where the stand of a channel is named that Azure's own readers see."""
        check_name("channel", name, UnknownChannel)
        return f"{self.root}sentinels/{place_of(scope)}/{name}"

    def reference(self, scope: Scope, name: str) -> str:
        """Return where the native snapshot is named that a channel stands at."""
        check_name("channel", name, UnknownChannel)
        return f"{self.root}references/{place_of(scope)}/{name}"


def _pair(application: str, environment: str) -> str:
    check_name("application", application, UnknownApplication)
    return f"{check_name('environment', environment, UnknownEnvironment)}/{application}"
