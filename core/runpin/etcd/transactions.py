"""
What a transaction is made of: conditions, reads and writes.

Everything that is written goes through one, and so do reads that belong together. Every read is linearizable.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NewType, Self

Condition = NewType("Condition", dict[str, Any])
"""What has to hold, at the moment of the transaction."""

Operation = NewType("Operation", dict[str, Any])
"""What the transaction then does."""

MOST_OPERATIONS = 100
"""A transaction takes 128 at most, unless the server was told otherwise."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with its value; `revision` is that of its last change, which no later change repeats."""

    key: str
    value: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a transaction said.

    `held` tells whether every condition held; `found` has what each read of the branch that was taken found, in order;
    `revision` is where the whole store stood.
    """

    held: bool
    found: tuple[tuple[Entry, ...], ...]
    revision: int

    @classmethod
    def read(cls, answer: dict[str, Any], asked: dict[str, Any]) -> Self:
        """
        Read what the gateway answered to the transaction *asked*; it leaves out whatever is false, zero or empty.

        Raises:
            ValueError: it is no answer to that.
        """
        try:
            held = bool(answer.get("succeeded", False))
            ranges = [each["response_range"] for each in answer.get("responses", ()) if "response_range" in each]
            reads = sum("request_range" in each for each in asked["success" if held else "failure"])
            if len(ranges) != reads:
                raise ValueError("this is no answer of etcd")
            return cls(held, tuple(map(_entries, ranges)), _revision(answer))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("this is no answer of etcd") from error

    @classmethod
    def read_one(cls, answer: dict[str, Any]) -> Self:
        """
        Read what the gateway answered to a single read.

        Raises:
            ValueError: it is no answer to that.
        """
        try:
            return cls(True, (_entries(answer),), _revision(answer))  # noqa: FBT003 - nothing was demanded
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("this is no answer of etcd") from error


def transaction(
    conditions: Sequence[Condition], then: Sequence[Operation], otherwise: Sequence[Operation] = ()
) -> dict[str, Any]:
    """Return the transaction that does *then* if every condition holds, and *otherwise* if not."""
    return {"compare": list(conditions), "success": list(then), "failure": list(otherwise)}


def one(key: str, *, keys_only: bool = False) -> Operation:
    """Read the entry of *key*, if there is one."""
    return Operation({"request_range": {"key": _encoded(key), "keys_only": keys_only}})


def first(prefix: str, most: int = 0, *, after: str = "", keys_only: bool = False) -> Operation:
    """Read the entries below *prefix* that come after the key *after*, in the order of their keys, at most *most*."""
    start = f"{after}\0" if after else prefix
    limits = {"limit": most, "keys_only": keys_only}
    return Operation({"request_range": {"key": _encoded(start), "range_end": _encoded(end_of(prefix)), **limits}})


def watched(prefix: str, start: int) -> dict[str, Any]:
    """Ask for every change below *prefix* from the revision *start* on."""
    return {"key": _encoded(prefix), "range_end": _encoded(end_of(prefix)), "start_revision": start}


def put(key: str, value: bytes) -> Operation:
    """Write *value* under *key*."""
    return Operation({"request_put": {"key": _encoded(key), "value": b64encode(value).decode()}})


def delete(key: str) -> Operation:
    """Remove *key*."""
    return Operation({"request_delete_range": {"key": _encoded(key)}})


def absent(key: str) -> Condition:
    """Demand that there is no such key."""
    return Condition({"key": _encoded(key), "target": "CREATE", "result": "EQUAL", "create_revision": 0})


def present(key: str) -> Condition:
    """Demand that there is such a key."""
    return Condition({"key": _encoded(key), "target": "CREATE", "result": "GREATER", "create_revision": 0})


def unchanged(key: str, entry: Entry | None) -> Condition:
    """Demand that *key* is as it was when *entry* was read, None where there was none."""
    revision = 0 if entry is None else entry.revision
    return Condition({"key": _encoded(key), "target": "MOD", "result": "EQUAL", "mod_revision": revision})


def none_before(prefix: str, end: str | None = None) -> Condition:
    """Demand that no key below *prefix* comes before *end*, or that there is none at all."""
    whole = {"key": _encoded(prefix), "range_end": _encoded(end or end_of(prefix))}
    return Condition({**whole, "target": "CREATE", "result": "EQUAL", "create_revision": 0})


def end_of(prefix: str) -> str:
    """Return the key after every key below *prefix*, which ends in `/`."""
    return f"{prefix[:-1]}0"


def _encoded(key: str) -> str:
    return b64encode(key.encode("ascii")).decode()


def _revision(answer: dict[str, Any]) -> int:
    return int(answer["header"]["revision"])


def _entries(answer: dict[str, Any]) -> tuple[Entry, ...]:
    return tuple(_entry(each) for each in answer.get("kvs", ()))


def _entry(pair: dict[str, Any]) -> Entry:
    return Entry(
        b64decode(pair["key"]).decode("utf-8", "replace"), b64decode(pair.get("value", "")), int(pair["mod_revision"])
    )
