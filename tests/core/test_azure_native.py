"""Microsoft's own provider and feature manager read what a channel names: flags, native snapshots, references."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from threading import Event
from typing import TYPE_CHECKING, Any, cast

import pytest

from azure_double_server import Fault, Server, serving
from azure_double_wire import Request
from azure_readers import (
    REFERENCE,
    SENTINEL,
    VAULT,
    by_reference,
    enabled,
    endpoint_of,
    flagged,
    flags_under,
    published,
    released,
)
from runpin.errors import SettingsError, SnapshotQuarantined, StoreError
from runpin.mirrors import Standing
from runpin.model import Scope
from runpin.stores.azure import AzureStore
from runpin.stores.azure_native import NativeMirror
from runpin.testing import MemoryLedger
from runpin.testing.store_contract import SCOPE, TENANT

if TYPE_CHECKING:
    from azure.appconfiguration.provider import AzureAppConfigurationProvider

FLAG = {
    "id": "new-ledger",
    "enabled": True,
    "variants": [{"name": "small", "configuration_value": {"batch": 10}}],
    "allocation": {"default_when_enabled": "small"},
    "conditions": {"client_filters": [{"name": "Microsoft.Targeting", "parameters": {"Audience": {"Users": ["ada"]}}}]},
    "telemetry": {"enabled": False},
}


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve an empty double."""
    with serving() as server:
        yield server


@pytest.fixture
def store(server: Server) -> Iterator[AzureStore]:
    """Return a store at the double that publishes everything for Azure's own readers."""
    with endpoint_of(server) as endpoint:
        yield AzureStore(endpoint, MemoryLedger())


def mirror_of(store: AzureStore) -> NativeMirror:
    """Return what brings Azure's own readers along."""
    assert store.native is not None
    return store.native


def seen(server: Server) -> dict[str, Any]:
    """Return everything that Azure's provider reads by the channel's reference."""
    return dict(by_reference(server).items())


def test_the_feature_manager_reads_flags(server: Server, store: AzureStore) -> None:
    """Filters, variants and allocation included, under the scope's label."""
    from featuremanagement import FeatureManager

    released(store, {"flags": {"feature_management": {"feature_flags": [FLAG]}}, "etl": {"x": 1}}, 0)
    manager = FeatureManager(flags_under(server))

    assert [True, False] == [manager.is_enabled("new-ledger", who) for who in ("ada", "bob")]
    variant = manager.get_variant("new-ledger", "ada")
    assert variant is not None
    assert {"batch": 10} == variant.configuration
    assert {} == enabled(flags_under(server, "payments.dev"))


def test_the_portal_finds_the_kind_that_it_knows(server: Server, store: AzureStore) -> None:
    """Key, content type and value are those that the vendor's client gives to a flag."""
    from azure.appconfiguration import AzureAppConfigurationClient, FeatureFlagConfigurationSetting

    released(store, {"flags": flagged(a=True)}, 0)
    with AzureAppConfigurationClient.from_connection_string(server.connection_string) as client:
        found = client.get_configuration_setting(".appconfig.featureflag/a", label="payments.prod")
    kept = server.double.stored("payments.prod")[".appconfig.featureflag/a"]

    assert isinstance(found, FeatureFlagConfigurationSetting)
    assert ("a", True, []) == (found.feature_id, found.enabled, found.filters)
    assert json.loads(kept.value) == json.loads(found.value)


def test_a_move_adds_changes_and_removes_flags(server: Server, store: AzureStore) -> None:
    """What did not change is not written."""
    released(store, {"flags": flagged(a=True, b=False, c=True)}, 0)
    before, kept = enabled(flags_under(server)), server.double.stored("payments.prod")
    released(store, {"flags": flagged(a=True, b=True), "more": flagged(d=False)}, 1)
    after = server.double.stored("payments.prod")

    assert {"a": True, "b": False, "c": True} == before
    assert {"a": True, "b": True, "d": False} == enabled(flags_under(server))
    assert [".appconfig.featureflag/a"] == [key for key in kept if key in after and kept[key].etag == after[key].etag]


def test_a_provider_that_refreshes_sees_the_new_flags(server: Server, store: AzureStore) -> None:
    """It compares pages by their ETags, as Microsoft's does."""
    released(store, {"flags": flagged(a=True)}, 0)
    provider = flags_under(server, feature_flag_refresh_enabled=True, refresh_interval=1)
    released(store, {"flags": flagged(a=False, b=True)}, 1)

    assert refreshed_until(provider, lambda: enabled(provider) == {"a": False, "b": True})


def test_the_sentinel_is_written_last(server: Server, store: AzureStore) -> None:
    """Whoever sees it move finds everything else in place."""
    channel = released(store, {"flags": flagged(a=True), "etl": {"x": 1}}, 0)
    writes = [each.key for each in server.double.requests if each.method == "PUT" and each.kind == "kv"]
    said = json.loads(server.double.stored()[SENTINEL].value)

    assert (SENTINEL, REFERENCE) == (writes[-1], next(each for each in reversed(writes) if "references" in str(each)))
    assert (1, str(channel.snapshot)) == (said["revision"], said["snapshot"])


def test_a_provider_follows_the_channel_by_reference(server: Server, store: AzureStore) -> None:
    """It sees one Snapshot or the other, whole: the reference moves, and what it names never changes."""
    first = released(store, {"etl": {"batch": 1, "name": "ä"}, "io": {"retries": [1, 2]}}, 0)
    provider = by_reference(server)
    before: dict[str, Any] = dict(provider.items())
    released(store, {"etl": {"batch": 2}}, 1)

    assert {"etl/batch": 1, "etl/name": "ä", "io/retries": [1, 2]} == before
    assert {"etl/batch": 2} == seen(server)
    store.move(SCOPE, "stable", first.snapshot, expected_revision=2, actor="ada", reason="back")
    assert before == seen(server)
    assert 2 == len(server.double.snapshots.names())


def test_a_refreshing_provider_sees_the_move(server: Server, store: AzureStore) -> None:
    """Without being told which key to watch, and by the sentinel as well."""
    from azure.appconfiguration.provider import WatchKey

    released(store, {"etl": {"batch": 1}}, 0)
    told: list[bool] = []
    options: dict[str, Any] = {"refresh_enabled": True, "refresh_interval": 1}
    following = by_reference(server, **options)
    watching = by_reference(
        server, refresh_on=[WatchKey(SENTINEL)], on_refresh_success=lambda: told.append(True), **options
    )
    released(store, {"etl": {"batch": 2}}, 1)

    assert refreshed_until(following, lambda: following["etl/batch"] == cast("Any", 2))
    assert refreshed_until(watching, lambda: watching["etl/batch"] == cast("Any", 2))
    assert told


def refreshed_until(provider: AzureAppConfigurationProvider, happened: Callable[[], bool]) -> bool:
    """Refresh again and again, as an application does, until it has happened; tell whether it did."""
    for _ in range(200):
        provider.refresh()
        if happened():
            return True
        Event().wait(0.1)
    return False


def test_flags_are_in_the_native_snapshot_as_well(server: Server, store: AzureStore) -> None:
    """For a reader that names a snapshot, as Microsoft's provider has to for flags that move together."""
    from azure.appconfiguration.provider import SettingSelector, load

    channel = released(store, {"flags": flagged(a=True)}, 0)
    select = SettingSelector(snapshot_name=str(channel.snapshot))
    provider = load(
        connection_string=server.connection_string,
        selects=[select],
        feature_flag_enabled=True,
        feature_flag_selectors=[select],
    )

    assert {"a": True} == enabled(provider)


def test_a_vault_reference_is_passed_through(
    server: Server, store: AzureStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The provider asks the vault, by its own identity; runpin has neither asked nor kept anything."""
    caplog.set_level(logging.DEBUG)
    documents = {"etl": {"password": {"uri": VAULT}, "other": json.dumps({"uri": f"{VAULT}/1"}), "url": VAULT}}
    channel = released(store, documents, 0)
    asked: list[str] = []

    def resolve(uri: str) -> str:
        asked.append(uri)
        return "canary-from-the-vault"

    provider = by_reference(server, secret_resolver=resolve)
    bodies = [store.get_object(each) for each in store.find(channel.snapshot).documents.values()]

    assert [VAULT, f"{VAULT}/1"] == sorted(asked)
    assert ["canary-from-the-vault"] * 2 == [provider["etl/password"], provider["etl/other"]]
    assert VAULT == provider["etl/url"]
    assert [json.loads(body) for body in bodies] == [documents["etl"]]
    assert "canary" not in "".join(item.value for item in server.double.stored().values())
    assert "db-password" not in "".join(each.getMessage() for each in caplog.records if "runpin" in each.name)


@pytest.mark.parametrize("uri", ["http://a.vault.azure.net/secrets/x", "https://evil.example.org/secrets/x", 7])
def test_what_only_looks_like_a_vault_reference_stays_what_it_is(server: Server, store: AzureStore, uri: Any) -> None:
    """Nobody is made to ask there."""
    released(store, {"etl": {"password": {"uri": uri}}}, 0)

    assert {"uri": uri} == by_reference(server)["etl/password"]


def test_scopes_and_channels_have_labels_of_their_own(server: Server, store: AzureStore) -> None:
    """Tenants, applications and channels do not see each other's flags."""
    other = Scope("billing", "prod")
    released(store, {"flags": flagged(a=True)}, 0)
    released(store, {"flags": flagged(a=False)}, 0, TENANT)
    released(store, {"flags": flagged(a=False, b=True)}, 0, other)
    released(store, {"flags": flagged(c=True)}, 0, name="canary")
    labels = {"payments.prod", str(TENANT), "billing.prod", "payments.prod/canary"}
    found = [enabled(flags_under(server, label)) for label in sorted(labels)]

    assert [
        {"a": False, "b": True},
        {"a": True},
        {"c": True},
        {"a": False},
    ] == found or labels == server.double.labels()
    assert labels == server.double.labels()


def test_somebody_elses_flag_is_left_alone(server: Server, store: AzureStore, caplog: pytest.LogCaptureFixture) -> None:
    """The channel moves, and what could not be written is told: it is in the log, and a look says so."""
    server.double.put(".appconfig.featureflag/a", '{"id": "a", "enabled": false}', label="payments.prod")
    server.double.put(".appconfig.featureflag/mine", '{"id": "mine", "enabled": true}', label="payments.prod")
    channel = released(store, {"flags": flagged(a=True)}, 0)

    assert 1 == store.channel(SCOPE, "stable").revision == channel.revision
    assert "was not written by this channel" in caplog.text
    assert Standing.BEHIND is mirror_of(store).look(SCOPE, "stable").standing
    server.double.drop(".appconfig.featureflag/a", label="payments.prod")
    assert Standing.IN_STEP is mirror_of(store).bring(SCOPE, "stable").standing
    assert {".appconfig.featureflag/a", ".appconfig.featureflag/mine"} == set(server.double.stored("payments.prod"))


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.LATE, Fault.THROTTLED])
@pytest.mark.parametrize("key", [".appconfig", "etl/", "payments.prod.v", "references", "sentinels"])
def test_one_fault_changes_nothing(server: Server, store: AzureStore, fault: Fault, key: str) -> None:
    """Whichever write it hits, readers get what the channel names."""
    released(store, {"etl": {"batch": 1}, "flags": flagged(a=True)}, 0)
    server.fail(fault, method="PUT", key=key)
    released(store, {"etl": {"batch": 2}, "flags": flagged(a=False, b=True)}, 1)

    assert Standing.IN_STEP is mirror_of(store).look(SCOPE, "stable").standing
    assert 2 == by_reference(server)["etl/batch"]
    assert {"a": False, "b": True} == enabled(flags_under(server))


def test_whoever_dies_half_way_is_finished_by_publishing_again(server: Server, store: AzureStore) -> None:
    """After each of its requests in turn; the staged key-values are gone at the end."""
    documents = {"etl": {"batch": 2}, "flags": flagged(a=False, b=True)}
    released(store, {"etl": {"batch": 1}, "flags": flagged(a=True, c=True)}, 0)
    with endpoint_of(server, "feature_flags=false") as endpoint:
        released(AzureStore(endpoint, MemoryLedger()), documents, 1)
    left, died = 0, True
    while died:
        died = dies_after(server, left)
        left += 1
    published(store, documents)

    assert left > 10
    assert Standing.IN_STEP is mirror_of(store).look(SCOPE, "stable").standing
    assert ({"etl/batch": 2}, {"a": False, "b": True}) == (seen(server), enabled(flags_under(server)))
    assert {"payments.prod"} == server.double.labels()


def dies_after(server: Server, requests: int) -> bool:
    """Bring the channel's readers along, die after so many requests, and tell whether that was too early."""
    with endpoint_of(server, patience=0.2) as endpoint:
        left = [requests]

        def choose(_: Request) -> Fault | None:
            left[0] -= 1
            return None if left[0] >= 0 else Fault.RESET

        server.faults = choose
        try:
            mirror_of(AzureStore(endpoint, MemoryLedger())).bring(SCOPE, "stable")
        except StoreError:
            return True
        finally:
            server.faults = lambda _: None
        return False


def test_publishing_again_mends_what_somebody_has_changed(server: Server, store: AzureStore) -> None:
    """By hand, in the portal; the sentinel moves, so that readers look."""
    documents = {"flags": flagged(a=True)}
    released(store, documents, 0)
    before = server.double.stored()[SENTINEL].etag
    server.double.put(".appconfig.featureflag/a", '{"id": "a", "enabled": false}', label="payments.prod")
    published(store, documents)

    assert {"a": True} == enabled(flags_under(server))
    assert before != server.double.stored()[SENTINEL].etag


def test_what_is_in_step_is_not_written_again(server: Server, store: AzureStore) -> None:
    """No request but reads, so that no reader is woken."""
    released(store, {"etl": {"batch": 1}, "flags": flagged(a=True)}, 0)
    server.double.requests.clear()
    mirror_of(store).bring(SCOPE, "stable")

    assert {"GET"} == {each.method for each in server.double.requests}


def test_who_is_late_overwrites_nothing_newer(server: Server, store: AzureStore) -> None:
    """A mover that saw an old stand of the channel finds newer flags, and leaves them."""
    old = released(store, {"etl": {"batch": 1}, "flags": flagged(a=True)}, 0)
    released(store, {"etl": {"batch": 2}, "flags": flagged(a=False)}, 1)

    class Old(AzureStore):
        def channel(self, *_: Any) -> Any:
            return old

    server.double.drop(SENTINEL)
    with endpoint_of(server) as endpoint:
        state = mirror_of(Old(endpoint, MemoryLedger())).bring(SCOPE, "stable")

    assert Standing.BEHIND is state.standing
    assert (2, {"a": False}) == (by_reference(server)["etl/batch"], enabled(flags_under(server)))


def test_a_slow_native_snapshot_is_waited_for_and_a_failed_one_is_told(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Either way the channel has moved; later the same publication finishes what was left."""
    documents = {"etl": {"batch": 1}}
    with endpoint_of(server, patience=0.6) as endpoint:
        store = AzureStore(endpoint, MemoryLedger())
        server.double.snapshots.slowness = 1000
        released(store, documents, 0)
        assert "still being made" in caplog.text
        assert REFERENCE not in server.double.stored()
        server.double.snapshots.hurry()
        published(store, documents)
        assert 1 == by_reference(server)["etl/batch"]
        server.double.snapshots.fails = True
        released(store, {"etl": {"batch": 2}}, 1)

    assert "the native snapshot is failed" in caplog.text
    assert 1 == by_reference(server)["etl/batch"]


def test_a_snapshot_of_that_name_that_is_not_ours_is_not_followed(server: Server, store: AzureStore) -> None:
    """Somebody else made it, of something else."""
    from azure.appconfiguration import AzureAppConfigurationClient, ConfigurationSettingsFilter

    name = str(published(store, {"etl": {"batch": 1}}).id)
    with AzureAppConfigurationClient.from_connection_string(server.connection_string) as client:
        client.begin_create_snapshot(name, [ConfigurationSettingsFilter(key="*")], polling=False)
    released(store, {"etl": {"batch": 1}}, 0)

    with pytest.raises(StoreError, match="is not ours"):
        mirror_of(store).bring(SCOPE, "stable")
    assert REFERENCE not in server.double.stored()


def test_an_archived_snapshot_is_brought_back(server: Server, store: AzureStore) -> None:
    """A channel that goes back to it must not lead its readers nowhere."""
    from azure.appconfiguration import AzureAppConfigurationClient

    first = released(store, {"etl": {"batch": 1}}, 0)
    released(store, {"etl": {"batch": 2}}, 1)
    with AzureAppConfigurationClient.from_connection_string(server.connection_string) as client:
        client.archive_snapshot(str(first.snapshot))
        store.move(SCOPE, "stable", first.snapshot, expected_revision=2, actor="ada", reason="back")

        assert "ready" == client.get_snapshot(str(first.snapshot)).status


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ({"a": {"feature_management": {"feature_flags": [{"id": "x:y"}]}}}, "declares no feature flags at"),
        ({"a": flagged(x=True), "b": flagged(x=True)}, "with one id"),
        ({"a": {"canary": "x" * 9000}}, "too much for one key-value"),
        ({"a": {"canary%": 1}}, "cannot be a key"),
        ({"a": {"canary" * 60: 1}}, "cannot be a key"),
    ],
)
def test_what_cannot_be_published_for_them_is_not_listed(
    server: Server, store: AzureStore, documents: dict[str, Any], message: str
) -> None:
    """It is refused before anything moves, and without a value."""
    with pytest.raises(StoreError, match=message) as caught:
        published(store, documents)

    assert "canary" not in str(caught.value)
    assert not any("sequences" in key for key in server.double.stored())


def test_a_channel_that_goes_back_by_itself_takes_them_along(server: Server) -> None:
    """A snapshot that was barred while the channel moved there is left again, by Azure's own readers too."""

    class BarsMeanwhile(MemoryLedger):
        looks = 0

        def barred(self, environment: str) -> frozenset[Any]:
            self.looks += 1
            return frozenset() if self.looks % 2 else super().barred(environment)

    ledger = BarsMeanwhile()
    with endpoint_of(server) as endpoint:
        store = AzureStore(endpoint, ledger)
        released(store, {"etl": {"batch": 1}}, 0)
        bad = published(store, {"etl": {"batch": 2}}).id
        ledger.bar(bad, actor="ada", reason="broken")
        with pytest.raises(SnapshotQuarantined):
            store.move(SCOPE, "stable", bad, expected_revision=1, actor="ada", reason="because")

    assert 3 == json.loads(server.double.stored()[SENTINEL].value)["revision"]
    assert 1 == by_reference(server)["etl/batch"]


def test_nothing_is_published_for_them_unless_the_url_asks(server: Server) -> None:
    """Neither a label nor a native snapshot."""
    with endpoint_of(server, "feature_flags=false&native_snapshots=false") as endpoint:
        store = AzureStore(endpoint, MemoryLedger())
        released(store, {"etl": {"x": 1}, "flags": flagged(a=True)}, 0)

        assert store.native is None
    assert (set(), []) == (server.double.labels(), server.double.snapshots.names())
    assert SENTINEL not in server.double.stored()


@pytest.mark.parametrize("options", ["feature_flags=yes", "native_snapshots=", "feature_flags=true&feature_flags=true"])
def test_a_switch_is_true_or_false(server: Server, options: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(SettingsError):
        endpoint_of(server, options)
