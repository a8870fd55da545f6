"""What Azure's own readers see: Microsoft's provider and its feature manager, on the double."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azure_double_server import Server
from runpin.azure_appconfig.endpoint import Endpoint
from runpin.canonical import canonical, snapshot_of
from runpin.clock import SystemClock
from runpin.model import STABLE, Channel, Scope, Snapshot, digest_of
from runpin.stores.azure import AzureStore
from runpin.testing.store_contract import COMMIT, SCOPE

if TYPE_CHECKING:
    from azure.appconfiguration.provider import AzureAppConfigurationProvider

VAULT = "https://payments.vault.azure.net/secrets/db-password"
REFERENCE = "runpin/references/prod/-/payments/stable"
SENTINEL = "runpin/sentinels/prod/-/payments/stable"


def endpoint_of(server: Server, options: str = "feature_flags=true&native_snapshots=true", **more: Any) -> Endpoint:
    """Return a client of its own, that publishes what *options* name."""
    url, text = f"{server.url}&{options}", server.connection_string
    return Endpoint.open(url, clock=SystemClock(), connection_string=text, **more)


def published(store: AzureStore, documents: Mapping[str, Any], scope: Scope = SCOPE) -> Snapshot:
    """Publish *documents*, by name."""
    bodies = {name: canonical(value) for name, value in documents.items()}
    digests = {name: digest_of(body) for name, body in bodies.items()}
    store.put_objects({digests[name]: body for name, body in bodies.items()})
    return store.commit(snapshot_of(scope, digests), COMMIT, "ada")


def released(
    store: AzureStore, documents: Mapping[str, Any], revision: int, scope: Scope = SCOPE, name: str = STABLE
) -> Channel:
    """Publish *documents* and move the channel there from *revision*."""
    to = published(store, documents, scope).id
    return store.move(scope, name, to, expected_revision=revision, actor="ada", reason="because")


def flagged(**flags: bool) -> dict[str, Any]:
    """Return a document that declares these flags, on or off."""
    declared = [{"id": name, "enabled": enabled} for name, enabled in flags.items()]
    return {"feature_management": {"feature_flags": declared}}


def flags_under(server: Server, label: str = "payments.prod", **options: Any) -> AzureAppConfigurationProvider:
    """Return Azure's provider, reading the flags under *label*."""
    from azure.appconfiguration.provider import SettingSelector, load

    return load(
        connection_string=server.connection_string,
        selects=[SettingSelector(key_filter="none")],
        feature_flag_enabled=True,
        feature_flag_selectors=[SettingSelector(key_filter="*", label_filter=label)],
        **options,
    )


def by_reference(server: Server, **options: Any) -> AzureAppConfigurationProvider:
    """Return Azure's provider, reading the native snapshot that the channel names."""
    from azure.appconfiguration.provider import SettingSelector, load

    selects = [SettingSelector(key_filter=REFERENCE)]
    return load(connection_string=server.connection_string, selects=selects, **options)


def enabled(provider: AzureAppConfigurationProvider) -> dict[str, bool]:
    """Return which flags Microsoft's feature manager takes for on."""
    from featuremanagement import FeatureManager

    manager = FeatureManager(provider)
    return {name: manager.is_enabled(name, "ada") for name in manager.list_feature_flag_names()}
