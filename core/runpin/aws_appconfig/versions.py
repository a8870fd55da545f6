"""Hosted configuration versions: one for each Snapshot that was mirrored, labelled with its id."""

from __future__ import annotations

from typing import Any

from runpin.aws_appconfig.clients import Clients
from runpin.aws_appconfig.failures import code_of, refusal_of
from runpin.aws_appconfig.places import Place, items
from runpin.canonical import thaw
from runpin.errors import StoreCorrupt

_CONTENT_TYPE = "application/json"
_ROUNDS = 5


def published(clients: Clients, place: Place, label: str, content: bytes, where: str) -> int | None:
    """
    Return the number of the version *label*, which is made if there is none; None if others were faster all the time.

    A new one is made on condition of the newest number (`LatestVersionNumber`). The very first version of a profile
    has no such condition: two processes may make it twice, with the same content.

    Raises:
        StoreCorrupt: the label is that of a version with other content.
        SnapshotRefused: the service checks what it is given, and does not take this.
    """
    for _ in range(_ROUNDS):
        newest, found = _newest(clients, place, label)
        if found is not None:
            return _require_same(clients, place, found, content, where)
        made = _create(clients, place, label, content, newest)
        if made is not None:
            return made
    return None


def _newest(clients: Clients, place: Place, label: str) -> tuple[int, int | None]:
    """Return the newest number, 0 if there is none, and the highest one that has the label."""
    listed = [
        (each["VersionNumber"], each.get("VersionLabel"))
        for each in items(clients.control, "list_hosted_configuration_versions", **place.versions)
    ]
    labelled = [number for number, its in listed if its == label]
    return max((number for number, _ in listed), default=0), max(labelled, default=None)


def _require_same(clients: Clients, place: Place, number: int, content: bytes, where: str) -> int:
    answer = clients.control.get_hosted_configuration_version(**place.versions, VersionNumber=number)
    stored = answer["Content"].read()
    if stored != content and _undated(stored) != _undated(content):
        raise StoreCorrupt(
            f"version {number} in AWS AppConfig is labelled as a Snapshot, and holds something else",
            where=where,
            fix="look who has made it, and remove it",
        )
    return number


def _create(clients: Clients, place: Place, label: str, content: bytes, newest: int) -> int | None:
    from botocore.exceptions import ClientError  # type: ignore[import-untyped] # it ships no types

    condition = {"LatestVersionNumber": newest} if newest else {}
    try:
        answer = clients.control.create_hosted_configuration_version(
            **place.versions, Content=content, ContentType=_CONTENT_TYPE, VersionLabel=label, **condition
        )
    except ClientError as error:
        refused = refusal_of(error, label, place.where)
        if refused is not None:
            raise refused from error
        if code_of(error) != "ConflictException":
            raise
        return None
    number: int = answer["VersionNumber"]
    return number


def _undated(content: bytes) -> Any:
    """Return the JSON value of feature flags without the times that the service adds to what it stores."""
    try:
        value = thaw(content)
    except ValueError:
        return content
    parts = value if isinstance(value, dict) and set(value) == {"version", "flags", "values"} else {}
    for each in (each for part in ("flags", "values") for each in parts.get(part, {}).values()):
        for added in ("_createdAt", "_updatedAt"):
            each.pop(added, None)
    return value
