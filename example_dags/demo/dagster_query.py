"""How to talk to Dagster's webserver: one GraphQL question at a time, its errors and its metadata."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import httpx

_PAUSE = 0.2

Json = dict[str, Any]
T = TypeVar("T")

WRONG = """
  __typename
  ... on Error { message }
  ... on PythonError { stack causes { message stack } }
"""
"""What to ask of the answers that are errors."""

METADATA = """
  metadataEntries {
    __typename label
    ... on TextMetadataEntry { text }
    ... on IntMetadataEntry { intValue intRepr }
    ... on FloatMetadataEntry { floatValue }
    ... on BoolMetadataEntry { boolValue }
    ... on JsonMetadataEntry { jsonString }
    ... on UrlMetadataEntry { url }
    ... on PathMetadataEntry { path }
    ... on MarkdownMetadataEntry { mdStr }
    ... on TimestampMetadataEntry { timestamp }
    ... on PipelineRunMetadataEntry { runId }
    ... on AssetMetadataEntry { assetKey { path } }
  }
"""
"""What to ask of whatever carries metadata."""


class DagsterRefused(RuntimeError):
    """Dagster could not be reached, or answered with an error; the message holds its text."""


class DagsterTooSlow(TimeoutError):
    """What was waited for did not happen in time; the message says what happened instead."""


class DagsterQuery:
    """
    Asks the webserver at *url*.

    Attributes:
        url: where the server is, without a slash at the end.

    Args:
        url: see above.
        watch: called again and again while something is waited for; raises when that is no longer worth it.
    """

    def __init__(self, url: str, watch: Callable[[], None] = lambda: None) -> None:
        self.url = url
        self._watch = watch
        # No connection is kept: none is half open after a test has killed the server, and none needs closing.
        self._client = httpx.Client(
            base_url=url, timeout=60.0, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    def query(self, question: str, **variables: object) -> Json:
        """
        Return the `data` that answers *question*.

        Raises:
            DagsterRefused: nobody answered, the question is not understood, or answering it failed.
        """
        try:
            answer = self._client.post("/graphql", json={"query": question, "variables": variables})
        except httpx.TransportError as error:
            raise DagsterRefused(f"{self.url}: {error!r}") from error
        try:
            found: Json = answer.json()
        except ValueError as error:
            raise DagsterRefused(f"{self.url}: {answer.status_code} {answer.text[:1000]}") from error
        if answer.is_error or found.get("errors"):
            raise DagsterRefused(f"{answer.status_code} {json.dumps(found.get('errors'))[:4000]}")
        return dict(found["data"])

    def ask(self, question: str, *wanted: str, **variables: object) -> Json:
        """
        Return the one thing that *question* asks for, which has to be of a type that is *wanted*.

        Raises:
            DagsterRefused: as `query`, or the answer is of another type, most likely an error.
        """
        [found] = self.query(question, **variables).values()
        if found["__typename"] not in wanted:
            raise DagsterRefused(complaint(found))
        return dict(found)

    def wait_for(self, look: Callable[[], T | None], timeout: float, instead: Callable[[], str]) -> T:
        """
        Return the first thing that *look* returns and that counts as true.

        Raises:
            DagsterTooSlow: there was none for *timeout* seconds; the message is what *instead* returns.
        """
        deadline = time.monotonic() + timeout
        while not (found := look()):
            self._watch()
            if time.monotonic() > deadline:
                raise DagsterTooSlow(instead())
            time.sleep(_PAUSE)
        return found


def complaint(error: Mapping[str, Any]) -> str:
    """Return what Dagster says in an error, causes included."""
    texts = [f"{error.get('__typename', 'PythonError')}: {error.get('message') or dict(error)}"]
    for each in (error, *(error.get("causes") or ())):
        if each is not error:
            texts.append(f"caused by {each['message']}")
        texts += ["".join(each.get("stack") or ())]
    return "\n".join(text.rstrip() for text in texts if text)


def metadata(entries: Sequence[Json]) -> dict[str, Any]:
    """Return metadata by label, as the value that the code gave it; a table and the like are None."""
    return {entry["label"]: _value(entry) for entry in entries}


def pairs(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return tags as a mapping."""
    return {tag["key"]: tag["value"] for tag in tags}


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as Dagster wants to have them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def asset_key(asset: str) -> dict[str, list[str]]:
    """Return the key of an asset that is written `first/second`."""
    return {"path": asset.split("/")}


def asset_name(key: Mapping[str, Sequence[str]] | None) -> str | None:
    """Return `first/second` for a key."""
    return "/".join(key["path"]) if key else None


def _value(entry: Json) -> Any:
    fields = {name: value for name, value in entry.items() if name not in {"__typename", "label"}}
    match fields:
        case {"jsonString": text}:
            return json.loads(text)
        case {"assetKey": key}:
            return asset_name(key)
        case {"intRepr": digits}:
            return int(digits)
    return next(iter(fields.values()), None)
