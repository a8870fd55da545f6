"""What one caller wants of the service, in one or several requests, before one deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

from runpin.deadlines.racing import until_done
from runpin.errors import StoreCorrupt

if TYPE_CHECKING:
    from runpin.azure_appconfig.endpoint import Endpoint

T = TypeVar("T")

LARGEST_TEXT = 9000
"""
Characters, all of them ASCII, that the value of one key may have.

A key-value takes 10 KB with its key, content type and attributes
(https://learn.microsoft.com/azure/azure-app-configuration/faq); our longest key has 300 characters.
"""

_CONTENT_TYPE = "application/json"
_MOST_KEYS = 5  # https://learn.microsoft.com/azure/azure-app-configuration/rest-api-key-value#supported-filters
NO_LABEL = "\0"
"""What a filter of labels says for none."""


@dataclass(frozen=True, slots=True)
class Item:
    """A key-value; `etag` is that of its last change, which no later change repeats."""

    key: str
    text: str
    etag: str
    locked: bool
    label: str | None = None
    kind: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class Call:
    """
    One deadline, and the requests that have to be over by then.

    A read may be some seconds old, a condition never is: it is checked where the key-value is written.
    """

    def __init__(self, endpoint: Endpoint, ends: float) -> None:
        self._endpoint = endpoint
        self._ends = ends

    @classmethod
    def on(cls, endpoint: Endpoint) -> Self:
        """Begin what has to be over after the service's patience."""
        return cls(endpoint, endpoint.clock.monotonic() + endpoint.patience)

    def get(self, key: str) -> Item | None:
        """
        Return what *key* holds, None if there is no such key.

        Raises:
            StoreUnavailable, StoreError
        """
        from azure.core.exceptions import ResourceNotFoundError

        def work(client: Any) -> Item | None:
            try:
                return item_of(client.get_configuration_setting(key), key)
            except ResourceNotFoundError:
                return None

        return self._attempt(work)

    def several(self, keys: Sequence[str]) -> dict[str, Item]:
        """Return what those of *keys* hold that there are."""
        filters = [",".join(keys[begin : begin + _MOST_KEYS]) for begin in range(0, len(keys), _MOST_KEYS)]
        return {item.key: item for each in filters for item in self._find(each)}

    def below(self, prefix: str) -> list[Item]:
        """Return what lies below *prefix*, in the order of the keys; not all of it at one moment."""
        return sorted(self._find(f"{prefix}*"), key=lambda item: item.key)

    def add(self, key: str, text: str) -> bool:
        """
        Write *text* under *key* if there is no such key, and tell whether that was so.

        False may also mean that an earlier attempt of this very call was carried out.
        """
        from azure.core.exceptions import ResourceExistsError

        def work(client: Any) -> bool:
            try:
                item_of(client.add_configuration_setting(_setting(key, text)), key)
            except ResourceExistsError:
                return False
            return True

        return self._attempt(work)

    def replace(self, item: Item, text: str) -> bool:
        """
        Write *text* if the key still is as it was when *item* was read, and tell whether that was so.

        False may also mean that an earlier attempt of this very call was carried out.
        """
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError

        def work(client: Any) -> bool:
            changed, same = _setting(item.key, text), MatchConditions.IfNotModified
            try:
                item_of(client.set_configuration_setting(changed, same, etag=item.etag), item.key)
            except ResourceModifiedError:
                return False
            return True

        return self._attempt(work)

    def keep(self, key: str, text: str, *, mend: bool = False) -> None:
        """
        Write *text* under *key* for ever, and make it read-only.

        Args:
            key: where it lies. If it holds *text* already, nothing changes.
            text: what it holds from now on.
            mend: overwrite another text that it holds, which can only be damage.

        Raises:
            StoreCorrupt: the key holds another text.
        """
        if not self.add(key, text):
            item = self.until_done(lambda: self.get(key))
            if item.text == text and item.locked:
                return
            if item.text != text and not mend:
                raise StoreCorrupt("a record that never changes was changed", where=f"{self._endpoint.where}: {key}")
            if item.text != text:
                self._overwrite(item, text)
        self._lock(key, locked=True)

    def until_done(self, step: Callable[[], T | None]) -> T:
        """
        Return what *step* returns, as soon as that is not None.

        A step reads, and then writes on condition that nothing has changed; None means that something had.

        Raises:
            StoreUnavailable: there was always somebody faster.
        """
        return until_done(step, self._endpoint.clock, self._ends, self._endpoint.where, apart=0.02)

    def _overwrite(self, item: Item, text: str) -> None:
        self._lock(item.key, locked=False)
        # To lock is to change: it has another ETag now.
        unlocked = self.get(item.key)
        if unlocked is not None and unlocked.text != text:
            self.replace(unlocked, text)

    def _lock(self, key: str, *, locked: bool) -> None:
        from azure.core.exceptions import HttpResponseError

        def work(client: Any) -> None:
            try:
                client.set_read_only(_setting(key, ""), locked)
            except HttpResponseError as error:
                # Not everybody who may write may also lock: a lock is a safeguard against accidents, and no more.
                if error.status_code != 403:
                    raise

        self._attempt(work)

    def _find(self, pattern: str) -> Iterator[Item]:
        def work(client: Any) -> list[Item]:
            found = client.list_configuration_settings(key_filter=pattern, label_filter=NO_LABEL)
            return [item_of(each, each.key) for each in found]

        yield from self._attempt(work)

    def _attempt(self, work: Callable[[Any], T]) -> T:
        return self._endpoint.attempt(work, self._ends)


def _setting(key: str, text: str) -> Any:
    from azure.appconfiguration import ConfigurationSetting

    return ConfigurationSetting(key=key, value=text, content_type=_CONTENT_TYPE)


def item_of(setting: Any, key: str) -> Item:
    """
    Return what the vendor's client has read or written under *key*.

    Raises:
        ValueError: it is something else.
    """
    if setting is None or setting.key != key or not isinstance(setting.value, str) or not setting.etag:
        raise ValueError("this is no answer of Azure App Configuration")
    locked, tags = bool(setting.read_only), setting.tags or {}
    return Item(key, setting.value, setting.etag, locked, setting.label, setting.content_type, tags)
