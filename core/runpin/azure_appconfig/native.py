"""
A Snapshot in the words of Azure App Configuration: one key-value for each member of a document, and for each flag.

A value that refers to Azure Key Vault becomes a reference of the service, as it is. Nothing is resolved here, nor
anywhere else in runpin: whoever reads asks the vault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from runpin.azure_appconfig.calls import LARGEST_TEXT
from runpin.azure_appconfig.labelled import Entry
from runpin.canonical import thaw
from runpin.errors import StoreError
from runpin.feature_flags import MANAGEMENT, declares_flags, flags_of
from runpin.model import STABLE, Scope

FLAG_PREFIX = ".appconfig.featureflag/"
JSON_KIND = "application/json"
FLAG_KIND = "application/vnd.microsoft.appconfig.ff+json;charset=utf-8"
VAULT_KIND = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8"
REFERENCE_KIND = 'application/json; profile="https://azconfig.io/mime-profiles/snapshot-ref"; charset=utf-8'

_VAULT = re.compile(r"https://[\w-]+\.vault\.[\w.]+/secrets/[\w-]+(?:/\w+)?", re.ASCII)
_MOST_KEY = 300


def label_of(scope: Scope, name: str) -> str:
    """Return the label of a channel's flags: `payments.prod`, `payments.prod.acme`, `payments.prod/canary`."""
    return str(scope) if name == STABLE else f"{scope}/{name}"


def flag_entries(bodies: Mapping[str, bytes], where: str) -> Mapping[str, Entry]:
    """
    Return the flags in the documents of a Snapshot, by key.

    Args:
        bodies: the documents' bytes, by name.
        where: what errors may say about the place.

    Raises:
        StoreError: a flag is not in the published form, or too large, or two have one id.
    """
    found: dict[str, Entry] = {}
    for name, body in bodies.items():
        for flag in _flags(name, thaw(body), where):
            entry = Entry(f"{FLAG_PREFIX}{flag['id']}", _ascii(_whole(flag)), FLAG_KIND)
            if entry.key in found:
                raise _refused(f"two documents have a feature flag with one id, one of them {name!r}", where)
            found[entry.key] = _fitting(entry, f"a feature flag of document {name!r}", where)
    return found


def member_entries(bodies: Mapping[str, bytes], where: str) -> Mapping[str, Entry]:
    """
    Return the top-level members of the documents of a Snapshot, as `document/member`; flags are left out.

    Raises:
        StoreError: a member is too large, or its name cannot be part of a key.
    """
    found: dict[str, Entry] = {}
    for name, body in bodies.items():
        for member, value in thaw(body).items():
            if member == MANAGEMENT:
                continue
            entry = _member(f"{name}/{member}", value)
            found[entry.key] = _fitting(entry, f"a member of document {name!r}", where)
    return found


def reference_text(snapshot: str) -> str:
    """Return what a reference to the native snapshot of that name says."""
    return json.dumps({"snapshot_name": snapshot})


def same(text: str, other: str) -> bool:
    """Tell whether two values say the same JSON; the vendor's client writes flags anew when it reads them."""
    try:
        return bool(json.loads(text) == json.loads(other))
    except ValueError:
        return False


def _flags(name: str, value: Any, where: str) -> Iterator[Mapping[str, Any]]:
    if not declares_flags(value):
        return
    try:
        yield from flags_of(value).values()
    except ValueError as error:
        raise _refused(f"document {name!r} declares no feature flags at {error}", where) from error


def _whole(flag: Mapping[str, Any]) -> dict[str, Any]:
    """Return *flag* with the members that the vendor's client adds to every flag that it reads."""
    conditions = {"client_filters": [], **flag.get("conditions", {})}
    return {"enabled": False, "display_name": None, "description": None, **flag, "conditions": conditions}


def _member(key: str, value: Any) -> Entry:
    reference = vault_reference(value)
    if reference is None:
        return Entry(key, _ascii(value), JSON_KIND)
    return Entry(key, _ascii({"uri": reference}), VAULT_KIND)


def vault_reference(value: Any) -> str | None:
    """Return the address of the secret that *value* refers to: a mapping with `uri` only, or the same as a text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if not isinstance(value, Mapping) or set(value) != {"uri"} or not isinstance(value["uri"], str):
        return None
    return value["uri"] if _VAULT.fullmatch(value["uri"]) else None


def _fitting(entry: Entry, what: str, where: str) -> Entry:
    if "%" in entry.key or len(entry.key.encode("utf-8", "surrogatepass")) > _MOST_KEY or not entry.key.isprintable():
        raise _refused(f"the name of {what} cannot be a key: it is long, or has '%' or control characters", where)
    if len(entry.text) > LARGEST_TEXT:
        raise _refused(f"{what} is larger than {LARGEST_TEXT} characters, which is too much for one key-value", where)
    return entry


def _ascii(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _refused(what: str, where: str) -> StoreError:
    fix = "correct the document, or take feature_flags and native_snapshots out of the store's URL"
    return StoreError(what, where=where, fix=fix)
