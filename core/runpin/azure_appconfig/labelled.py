"""What Azure's own readers read: key-values under a label, with content types of the service, and native snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runpin.azure_appconfig.calls import Call, Item, item_of

READY, MAKING, ARCHIVED = "ready", "provisioning", "archived"


@dataclass(frozen=True, slots=True)
class Entry:
    """A key-value as it is to be: `kind` is its content type, None for label is none."""

    key: str
    text: str
    kind: str
    label: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Native:
    """A native snapshot: how far it is, and the tags that it was made with."""

    status: str
    tags: Mapping[str, str]


class LabelledCall(Call):
    """A call that also knows labels."""

    def under(self, pattern: str, label: str) -> list[Item]:
        """Return what lies under *label* and has a key of *pattern*, which may end with `*`."""

        def work(client: Any) -> list[Item]:
            found = client.list_configuration_settings(key_filter=pattern, label_filter=label)
            return [item_of(each, each.key) for each in found]

        return self._attempt(work)

    def write(self, entry: Entry, over: Item | None) -> bool:
        """
        Write *entry* if its key still is as *over* says, None for not there, and tell whether that was so.

        False may also mean that an earlier attempt of this very call was carried out.
        """
        from azure.appconfiguration import ConfigurationSetting
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceExistsError, ResourceModifiedError

        tags, same = dict(entry.tags), MatchConditions.IfNotModified
        setting = ConfigurationSetting(
            key=entry.key, label=entry.label, value=entry.text, content_type=entry.kind, tags=tags
        )

        def work(client: Any) -> bool:
            try:
                if over is None:
                    client.add_configuration_setting(setting)
                else:
                    client.set_configuration_setting(setting, same, etag=over.etag)
            except (ResourceExistsError, ResourceModifiedError):
                return False
            return True

        return self._attempt(work)

    def remove(self, item: Item) -> bool:
        """Delete a key-value if it still is as *item* says, and tell whether that was so, or it is gone."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError

        def work(client: Any) -> bool:
            same = MatchConditions.IfNotModified
            try:
                client.delete_configuration_setting(item.key, item.label, etag=item.etag, match_condition=same)
            except ResourceModifiedError:
                return False
            return True

        return self._attempt(work)

    def native(self, name: str) -> Native | None:
        """Return the native snapshot of that *name*, None if there is none."""
        from azure.core.exceptions import ResourceNotFoundError

        def work(client: Any) -> Native | None:
            try:
                found = client.get_snapshot(name)
            except ResourceNotFoundError:
                return None
            return Native(getattr(found.status, "value", found.status), found.tags or {})

        return self._attempt(work)

    def make_native(self, name: str, label: str, tags: Mapping[str, str]) -> None:
        """Begin a native snapshot of everything under *label*, unless there is one of that *name*."""
        from azure.appconfiguration import ConfigurationSettingsFilter, SnapshotComposition
        from azure.core.exceptions import ResourceExistsError

        chosen = [ConfigurationSettingsFilter(key="*", label=label)]

        def work(client: Any) -> None:
            try:
                # The vendor's poller sleeps for as long as it likes; the caller looks at the status instead.
                client.begin_create_snapshot(
                    name, chosen, composition_type=SnapshotComposition.KEY, tags=dict(tags), polling=False
                )
            except ResourceExistsError:
                return

        self._attempt(work)

    def recover_native(self, name: str) -> None:
        """Bring a native snapshot back that somebody has archived."""
        self._attempt(lambda client: client.recover_snapshot(name))
