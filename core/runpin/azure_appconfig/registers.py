"""
A register that counts its changes and remembers them, made of single key-values.

The service changes one key-value at a time and knows no transaction. So the newest line lies in one key-value, its
head, which is the truth and moves by its ETag. Before it moves on, whoever moves it files the line that it holds under
the line's number, where it never changes. A crash in between leaves a filed line that is also the head, and no line is
ever lost, invented or out of its place.

A store that follows another one has the numbers that it has there, and leaves out those that it never saw. From the
first one on, every head says that there are `gaps`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from runpin.azure_appconfig.calls import LARGEST_TEXT, Call, Item
from runpin.azure_appconfig.objects import Objects, damaged, record_of
from runpin.errors import UnknownSnapshot
from runpin.model import as_digest, digest_of

if TYPE_CHECKING:
    from runpin.azure_appconfig.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number, counted from 1, what it says, and the key-value that it was read from."""

    number: int
    record: Mapping[str, Any]
    item: Item

    @property
    def has_gaps(self) -> bool:
        """Whether numbers before this one may have been left out."""
        return bool(self.record.get("gaps"))


class Register:
    """
    The lines whose newest is at the key *head*, and whose older ones are below *filed*.

    Every record names its `operation`, which tells whoever wrote it that it was written.
    """

    def __init__(self, endpoint: Endpoint, head: str, filed: str) -> None:
        self._endpoint = endpoint
        self._head = head
        self._filed = filed

    def newest(self, call: Call) -> Line | None:
        """Return the newest line, which may be some seconds old; None if there is none."""
        item = call.get(self._head)
        return None if item is None else line_in(item, self._endpoint)

    def line(self, call: Call, number: int) -> Line | None:
        """Return the line of that *number*, None if it is not written."""
        filed = call.get(self._place(number))
        if filed is None:
            newest = self.newest(call)
            if newest is None or newest.number <= number:
                return newest if newest is not None and newest.number == number else None
            filed = call.get(self._place(number))
            if filed is None and newest.has_gaps:
                return None
        if filed is None:
            raise damaged(self._place(number), self._endpoint.where)
        return line_in(filed, self._endpoint)

    def append(
        self, call: Call, after: Line | None, record: Mapping[str, Any], number: int | None = None
    ) -> Line | None:
        """
        Write *record* if *after* still is the newest line; return the line, None if it is not written.

        Args:
            call: the deadline.
            after: the newest line, None if there is none.
            record: what the line says.
            number: its number; by default the next one, so that there is no gap.
        """
        following = 1 if after is None else after.number + 1
        number = following if number is None else number
        if after is not None:
            self.file(call, after)
        gaps = {"gaps": True} if number > following or (after is not None and after.has_gaps) else {}
        text = _packed({**record, "number": number, **gaps}, self._endpoint)
        if call.add(self._head, text) if after is None else call.replace(after.item, text):
            return Line(number, record, Item(self._head, text, etag="", locked=False))
        # Somebody was faster, or the answer to our first attempt was lost.
        line = self.line(call, number)
        return line if line is not None and line.record["operation"] == record["operation"] else None

    def file(self, call: Call, line: Line) -> None:
        """Write *line* where it stays, unless it was read there."""
        if line.item.key == self._head:
            call.keep(self._place(line.number), line.item.text)

    def fill(self, call: Call, number: int, record: Mapping[str, Any]) -> Line | None:
        """Write *record* as a line that was left out, below the newest; return it, None if another one is there."""
        text = _packed({**record, "number": number}, self._endpoint)
        call.add(self._place(number), text)
        line = self.line(call, number)
        if line is None or line.record["operation"] != record["operation"]:
            return None
        call.keep(self._place(number), text)
        return line

    def lines(self, call: Call, limit: int) -> Sequence[Line]:
        """Return the latest lines, newest first."""
        newest = self.newest(call)
        if newest is None or limit < 1:
            return ()
        if newest.has_gaps:
            filed_lines = (line_in(item, self._endpoint) for item in reversed(call.below(self._filed)))
            return (newest, *islice((each for each in filed_lines if each.number < newest.number), limit - 1))
        keys = [self._place(number) for number in range(newest.number - 1, max(newest.number - limit, 0), -1)]
        # Whatever takes fewer requests: five keys by name, or a hundred that lie together.
        everything = newest.number < 20 * len(keys)
        filed = {item.key: item for item in call.below(self._filed)} if everything else call.several(keys)
        for key in keys:
            if key not in filed:
                raise damaged(key, self._endpoint.where)
        return (newest, *(line_in(filed[key], self._endpoint) for key in keys))

    def _place(self, number: int) -> str:
        return f"{self._filed}{number:09d}"


def line_in(item: Item, endpoint: Endpoint) -> Line:
    """
    Return the line in *item*.

    Raises:
        StoreCorrupt: it holds none.
    """
    record = record_of(item, endpoint.where)
    if "object" in record:
        record = _unpacked(record, item, endpoint)
    if not isinstance(record.get("number"), int) or not isinstance(record.get("operation"), str):
        raise damaged(item.key, endpoint.where)
    return Line(record["number"], record, item)


def _packed(record: Mapping[str, Any], endpoint: Endpoint) -> str:
    """Return *record* as a value. What is too long for one is stored as an object, and the value names it."""
    # ASCII, so that a character is a byte and a lone surrogate stays what it is.
    text = json.dumps(record)
    if len(text) <= LARGEST_TEXT:
        return text
    body = text.encode("ascii")
    Objects(endpoint).put({digest_of(body): body})
    return json.dumps({"object": digest_of(body)})


def _unpacked(record: Mapping[str, Any], item: Item, endpoint: Endpoint) -> dict[str, Any]:
    try:
        content = json.loads(Objects(endpoint).get(as_digest(record["object"])))
    except (ValueError, TypeError, UnknownSnapshot) as error:
        raise damaged(item.key, endpoint.where) from error
    return content if isinstance(content, dict) else {}
