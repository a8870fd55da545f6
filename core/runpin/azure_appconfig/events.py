"""
What Azure Event Grid sends to a web address of ours: that some key-value of the store was changed.

Anybody may send anything there. So an event is only ever a hint to look: nothing of what it says is stored, shown or
believed, and no address in it is called.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runpin.changes import Change
from runpin.errors import InvalidEvent, NotFound
from runpin.model import Scope

if TYPE_CHECKING:
    from azure.core.messaging import CloudEvent

    from runpin.azure_appconfig.endpoint import Endpoint

MOST_BYTES = 1 << 20
"""What Event Grid sends at most at once."""

# No set: what is compared with them may be anything.
_KINDS = ("Microsoft.AppConfiguration.KeyValueModified", "Microsoft.AppConfiguration.KeyValueDeleted")
_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_LONGEST_CODE = 512
_FIX = "send what Event Grid delivers, in the schema of CloudEvents 1.0 or its own, as it is"


@dataclass(frozen=True, slots=True)
class Accepted:
    """
    What came of a delivery.

    Attributes:
        changes: which channels are looked at, by environment and tenant; each once.
        validation: what has to be sent back for Event Grid's own schema, so that it goes on; None for no question.
    """

    changes: tuple[Change, ...] = ()
    validation: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer over HTTP, for whichever web framework."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class EventReceiver:
    """
    Takes deliveries about one store.

    Attributes:
        endpoint: the store.
        tell: called for each environment and tenant with a channel that may have moved.
    """

    endpoint: Endpoint
    tell: Callable[[Change], None]

    def accept(self, event: bytes | Mapping[str, Any] | Sequence[Any]) -> Accepted:
        """
        Have looked at what *event* is about, if it is about a channel of this store.

        Args:
            event: one event or a list of them, parsed or not, as CloudEvents 1.0 or in Event Grid's own schema.

        Raises:
            InvalidEvent: it is neither. Nobody was told anything.
        """
        events = [_read(each) for each in _parsed(event)]
        codes = [code for kind, _, data in events if kind == _VALIDATION and (code := _code(data))]
        found = (self._change(subject, data) for kind, subject, data in events if kind in _KINDS)
        changes = tuple(dict.fromkeys(change for change in found if change is not None))
        for change in changes:
            self.tell(change)
        return Accepted(changes, next(iter(codes), None))

    def answer(self, method: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """
        Return what to answer to a request, the handshakes of both schemas included.

        Args:
            method: of the request: `OPTIONS` asks whether deliveries are welcome, `POST` delivers.
            headers: of the request, in any case.
            body: of the request. Do not read more than `MOST_BYTES` of it.
        """
        if method == "OPTIONS":
            return _welcome({name.lower(): value for name, value in headers.items()})
        if method != "POST":
            return Reply(405, {"Allow": "POST, OPTIONS"})
        if len(body) > MOST_BYTES:
            return Reply(413)
        try:
            accepted = self.accept(body)
        except InvalidEvent:
            return Reply(400)
        if accepted.validation is None:
            return Reply(200)
        said = json.dumps({"validationResponse": accepted.validation}).encode()
        return Reply(200, {"Content-Type": "application/json"}, said)

    def _change(self, subject: object, data: object) -> Change | None:
        """Return which channels to look at, None if the event is about another store or another key."""
        key = data.get("key") if isinstance(data, Mapping) else None
        prefix = f"{self.endpoint.keys.root}channels/"
        if not isinstance(key, str) or not key.startswith(prefix) or not self._is_ours(subject):
            return None
        try:
            environment, tenant, application, _ = key.removeprefix(prefix).split("/")
            scope = Scope(application, environment, None if tenant == "-" else tenant)
        except (ValueError, NotFound):
            return None
        return Change(scope.environment, scope.tenant)

    def _is_ours(self, subject: object) -> bool:
        try:
            return isinstance(subject, str) and urlsplit(subject).netloc.lower() == self.endpoint.address.host
        except ValueError:
            return False


def _parsed(event: bytes | Mapping[str, Any] | Sequence[Any]) -> Sequence[Any]:
    if isinstance(event, bytes):
        if len(event) > MOST_BYTES:
            raise _invalid(f"what was delivered is larger than {MOST_BYTES} bytes")
        try:
            event = json.loads(event)
        except (ValueError, RecursionError):
            raise _invalid("what was delivered is no JSON") from None
    return event if isinstance(event, list) else [event]


def _read(event: Any) -> tuple[object, object, object]:
    """Return kind, subject and data of one event of either schema."""
    if not isinstance(event, Mapping):
        raise _invalid("an event is no JSON object")
    if "specversion" not in event and "eventType" in event:
        return event["eventType"], event.get("subject"), event.get("data")
    cloud = _cloud_event(event)
    return cloud.type, cloud.subject, _data(cloud.data)


def _cloud_event(event: Mapping[str, Any]) -> CloudEvent[Any]:
    from azure.core.messaging import CloudEvent

    try:
        read: CloudEvent[Any] = CloudEvent.from_dict(dict(event))
    except Exception:  # noqa: BLE001 - a parser that is handed what anybody may send
        raise _invalid("an event is not in the schema of CloudEvents") from None
    if event.get("specversion") != "1.0":
        raise _invalid("an event is not of version 1.0 of CloudEvents")
    return read


def _data(data: object) -> object:
    if not isinstance(data, bytes):
        return data
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _code(data: object) -> str | None:
    code = data.get("validationCode") if isinstance(data, Mapping) else None
    return code if isinstance(code, str) and len(code) <= _LONGEST_CODE else None


def _welcome(headers: Mapping[str, str]) -> Reply:
    origin: str | None = headers.get("webhook-request-origin")
    if not origin or not _is_plain(origin):
        return Reply(400)
    said = {"Allow": "POST, OPTIONS", "WebHook-Allowed-Origin": origin}
    if "webhook-request-rate" in headers:
        said["WebHook-Allowed-Rate"] = "*"
    return Reply(200, said)


def _is_plain(text: str) -> bool:
    return len(text) <= 255 and text.isascii() and text.isprintable()


def _invalid(what: str) -> InvalidEvent:
    return InvalidEvent(what, where="an event of Azure Event Grid", fix=_FIX)
