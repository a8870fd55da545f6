"""The double of Azure App Configuration is as strict as the published protocol, seen through the vendor's client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from requests import get

from azure_double import Double
from azure_double_server import Server, serving

if TYPE_CHECKING:
    from azure.appconfiguration import AzureAppConfigurationClient, ConfigurationSetting


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve an empty double with pages of two."""
    with serving(Double(page=2)) as server:
        yield server


def client_of(server: Server) -> AzureAppConfigurationClient:
    """Return the vendor's client as anybody would make it, but for its retries."""
    from azure.appconfiguration import AzureAppConfigurationClient

    return AzureAppConfigurationClient.from_connection_string(server.connection_string, retry_total=0)


def setting(value: str, key: str = "a/key") -> ConfigurationSetting:
    """Return a key-value."""
    from azure.appconfiguration import ConfigurationSetting

    return ConfigurationSetting(key=key, value=value)


def test_a_request_without_a_signature_is_refused(server: Server) -> None:
    """Whatever it asks for."""
    assert get(f"http://{server.host}/kv?api-version=1.0", timeout=10).status_code == 401


def test_conditions_and_locks_are_kept(server: Server) -> None:
    """Set if absent, set if unchanged, and nothing while it is read-only."""
    from azure.appconfiguration import ResourceReadOnlyError
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceExistsError, ResourceModifiedError

    with client_of(server) as client:
        first = client.add_configuration_setting(setting("1"))
        with pytest.raises(ResourceExistsError):
            client.add_configuration_setting(setting("2"))
        client.set_configuration_setting(setting("3"), MatchConditions.IfNotModified, etag=first.etag)
        with pytest.raises(ResourceModifiedError):
            client.set_configuration_setting(setting("4"), MatchConditions.IfNotModified, etag=first.etag)
        client.set_read_only(setting("3"))
        with pytest.raises(ResourceReadOnlyError):
            client.set_configuration_setting(setting("5"))
        client.set_read_only(setting("3"), read_only=False)

        assert client.set_configuration_setting(setting("6")).value == "6"


def test_what_is_unchanged_is_not_sent_again(server: Server) -> None:
    """Neither a key-value nor a page, of which there are two here."""
    from azure.core import MatchConditions

    with client_of(server) as client:
        written = [client.set_configuration_setting(setting("1", f"a/{number}")) for number in range(3)]
        listing = client.list_configuration_settings(key_filter="a/*", label_filter="\0")
        pages, etags = listing.by_page(), []
        sizes = []
        for page in pages:
            sizes.append(len(list(page)))
            etags.append(pages.etag)
        again = listing.by_page(match_conditions=etags)
        first = client.get_configuration_setting(
            "a/0", etag=written[0].etag, match_condition=MatchConditions.IfModified
        )

        assert ([2, 1], None) == (sizes, first)
        assert sum(len(list(page)) for page in again) == 0


@pytest.mark.parametrize(("value", "key"), [("x" * 10_240, "a"), ("x", "a%b"), ("x", "..")])
def test_what_the_service_does_not_take_is_refused(server: Server, value: str, key: str) -> None:
    """10 KB with the key, and keys without '%'."""
    from azure.core.exceptions import HttpResponseError

    with client_of(server) as client, pytest.raises(HttpResponseError):
        client.set_configuration_setting(setting(value, key))


@pytest.mark.parametrize("pattern", ["a,b,c,d,e,f", "a*,b", "a*b"])
def test_a_filter_that_the_service_does_not_take_is_refused(server: Server, pattern: str) -> None:
    """Five names at most, or one beginning."""
    from azure.core.exceptions import HttpResponseError

    with client_of(server) as client, pytest.raises(HttpResponseError):
        list(client.list_configuration_settings(key_filter=pattern, label_filter="\0"))


def test_only_who_shows_a_token_reads_the_present(server: Server) -> None:
    """A client that has written has one, and one that has only read the past has none that is newer."""
    server.double.lag = 1000
    with client_of(server) as writer, client_of(server) as reader:
        writer.set_configuration_setting(setting("1"))
        seen = list(reader.list_configuration_settings(key_filter="a/key", label_filter="\0"))
        own = writer.get_configuration_setting("a/key")
        reader.set_configuration_setting(setting("1", "another"))
        later = reader.get_configuration_setting("a/key")

    assert seen == []
    assert None not in (own, later)


def test_a_label_is_part_of_the_place(server: Server) -> None:
    """One key may be there under several, and a list may be of one; a deletion is on condition, too."""
    from azure.appconfiguration import ConfigurationSetting
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

    with client_of(server) as client:
        for label in (None, "one", "two"):
            client.set_configuration_setting(ConfigurationSetting(key="a", value=str(label), label=label))
        chosen = {
            label: [each.value for each in client.list_configuration_settings(label_filter=label)] for label in LISTED
        }
        with pytest.raises(ResourceModifiedError):
            client.delete_configuration_setting("a", "one", etag="other", match_condition=MatchConditions.IfNotModified)
        client.delete_configuration_setting("a", "one")
        with pytest.raises(ResourceNotFoundError):
            client.get_configuration_setting("a", "one")

        left = client.get_configuration_setting("a", "two")
        assert left is not None
        assert left.value == "two"
    assert {"\0": ["None"], "one": ["one"], "t*": ["two"], "*": ["None", "one", "two"]} == chosen


LISTED = ("\0", "one", "t*", "*")


def test_a_native_snapshot_never_changes(server: Server) -> None:
    """Of one key the last filter's is kept; a name is there once, filters are three at most, and it can be archived."""
    from azure.appconfiguration import ConfigurationSetting, ConfigurationSettingsFilter
    from azure.core.exceptions import HttpResponseError, ResourceExistsError

    one, two = (ConfigurationSettingsFilter(key="*", label=label) for label in ("one", "two"))
    with client_of(server) as client:
        for label in ("one", "two"):
            client.set_configuration_setting(ConfigurationSetting(key="a", value=label, label=label))
        made = client.begin_create_snapshot("s", [one, two], polling_interval=0.01).result()
        client.set_configuration_setting(ConfigurationSetting(key="a", value="later", label="two"))
        held = [each.value for each in client.list_configuration_settings(snapshot_name="s")]
        with pytest.raises(ResourceExistsError):
            client.begin_create_snapshot("s", [one], polling=False)
        with pytest.raises(HttpResponseError):
            client.begin_create_snapshot("t", [one] * 4, polling=False)
        states = [made.status, client.archive_snapshot("s").status, client.recover_snapshot("s").status]

        assert ["s"] == [each.name for each in client.list_snapshots()]
    assert (["two"], ["ready", "archived", "ready"], 1) == (held, states, made.items_count)
