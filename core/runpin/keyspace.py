"""
The keys that stores of plain key-values have in common: every part of one a checked name, a number or a hash.

No tenant is `-`, which no name can be.
"""

from __future__ import annotations

from dataclasses import dataclass

from runpin.errors import UnknownChannel, UnknownEnvironment, UnknownTenant
from runpin.model import Digest, Scope, as_digest, check_name

NOBODY = "-"
"""Where the tenant stands in a key, if there is none; it sorts before every name."""


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The keys below *root*, which ends with `/`. Those that end in `/` are prefixes."""

    root: str

    def object(self, digest: Digest) -> str:
        """Return where the bytes of *digest* lie."""
        return f"{self.root}objects/{as_digest(digest)}"

    def listed(self, scope: Scope, digest: Digest) -> str:
        """Return where content that was published is known by its digest."""
        return f"{self.root}listed/{place_of(scope)}/{as_digest(digest)}"

    def places(self, environment: str) -> str:
        """Return the prefix of the channels of an environment; the tenant comes next."""
        check_name("environment", environment, UnknownEnvironment)
        return f"{self.root}channels/{environment}/"

    def channels(self, environment: str, tenant: str | None) -> str:
        """Return the prefix of the channels of an environment and tenant."""
        return f"{self.places(environment)}{tenant_part(tenant)}/"

    def channel(self, scope: Scope, name: str) -> str:
        """Return where a channel stands."""
        check_name("channel", name, UnknownChannel)
        return f"{self.channels(scope.environment, scope.tenant)}{scope.application}/{name}"

    def moves(self, scope: Scope, name: str) -> str:
        """Return the prefix of a channel's history."""
        check_name("channel", name, UnknownChannel)
        return f"{self.root}moves/{place_of(scope)}/{name}/"


def place_of(scope: Scope) -> str:
    """Return environment, tenant and application as parts of a key."""
    return f"{scope.environment}/{tenant_part(scope.tenant)}/{scope.application}"


def tenant_part(tenant: str | None) -> str:
    """Return *tenant* as a part of a key."""
    return NOBODY if tenant is None else check_name("tenant", tenant, UnknownTenant)
