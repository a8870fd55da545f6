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

from dataclasses import dataclass

from runpin.errors import UnknownApplication, UnknownChannel, UnknownEnvironment, UnknownTenant
from runpin.model import Digest, Scope, as_digest, check_name

NOBODY = "-"
"""Where the tenant stands in a key, if there is none; it sorts before every name."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys below *root*, which ends with `/`. Those that end in `/` are prefixes."""

    root: str

    def object(self, digest: Digest) -> str:
        """Return where the bytes of *digest* lie."""
        return f"{self.root}objects/{as_digest(digest)}"

    def parts(self, digest: Digest) -> str:
        """Return the prefix of the parts of a large body."""
        return f"{self.root}parts/{as_digest(digest)}/"

    def sequence(self, application: str, environment: str) -> str:
        """Return where the newest snapshot of an application and environment is named, for all tenants."""
        return f"{self.root}sequences/{_pair(application, environment)}"

    def snapshots(self, application: str, environment: str) -> str:
        """Return the prefix of the snapshots before the newest."""
        return f"{self.root}snapshots/{_pair(application, environment)}/"

    def listed(self, scope: Scope, digest: Digest) -> str:
        """Return where content that was published is known by its digest."""
        return f"{self.root}listed/{_place(scope)}/{as_digest(digest)}"

    def publications(self, scope: Scope) -> str:
        """Return where the newest publication of a scope is told."""
        return f"{self.root}publications/{_place(scope)}"

    def published(self, scope: Scope) -> str:
        """Return the prefix of the publications before the newest."""
        return f"{self.root}published/{_place(scope)}/"

    def channels(self, environment: str, tenant: str | None) -> str:
        """Return the prefix of the channels of an environment and tenant."""
        return f"{self.places(environment)}{_tenant(tenant)}/"

    def places(self, environment: str) -> str:
        """Return the prefix of the channels of an environment; the tenant comes next."""
        check_name("environment", environment, UnknownEnvironment)
        return f"{self.root}channels/{environment}/"

    def channel(self, scope: Scope, name: str) -> str:
        """Return where a channel stands."""
        check_name("channel", name, UnknownChannel)
        return f"{self.channels(scope.environment, scope.tenant)}{scope.application}/{name}"

    def moves(self, scope: Scope, name: str) -> str:
        """Return the prefix of where a channel stood before."""
        check_name("channel", name, UnknownChannel)
        return f"{self.root}moves/{_place(scope)}/{name}/"

    def sentinel(self, scope: Scope, name: str) -> str:
        """Return where the stand of a channel is named that Azure's own readers see."""
        check_name("channel", name, UnknownChannel)
        return f"{self.root}sentinels/{_place(scope)}/{name}"

    def reference(self, scope: Scope, name: str) -> str:
        """Return where the native snapshot is named that a channel stands at."""
        check_name("channel", name, UnknownChannel)
        return f"{self.root}references/{_place(scope)}/{name}"


def _pair(application: str, environment: str) -> str:
    check_name("application", application, UnknownApplication)
    return f"{check_name('environment', environment, UnknownEnvironment)}/{application}"


def _place(scope: Scope) -> str:
    return f"{scope.environment}/{_tenant(scope.tenant)}/{scope.application}"


def _tenant(tenant: str | None) -> str:
    return NOBODY if tenant is None else check_name("tenant", tenant, UnknownTenant)
