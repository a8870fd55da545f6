"""What a policy says, without the values of the documents that it judged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runpin.canonical import canonical
from runpin.policy.inputs import Same
from runpin.reporting.masking import MASK

if TYPE_CHECKING:
    from runpin.cases import Case

LONGEST = 400
"""The most characters of a policy's message that are shown."""

# One or two characters stand in every sentence, so that hiding them would leave no word whole; and a secret that short
# is found by trying. For the same reason the words of JSON stay, which have no more than two values to guess.
_SHORTEST = 3
_COMMON = frozenset({"true", "false", "null"})
# A policy may take a value apart, an address with a password for one. Such parts have digits in them, and the words of
# a sentence have none.
_PART = re.compile(r"\w{6,}")
_DIGIT = re.compile(r"\d")
_LONGEST_MADE = 4000
_TOO_LONG = "(its message is too long to be shown)"


def without_values(message: str, case: Case) -> str:
    """
    Return *message*, which was made while *case* was judged, without any text or number of its documents.

    This is against quoting by accident. A policy that is out to tell a secret can do so with its verdict alone.
    """
    return hiding(case).of(message)


def hiding(case: Case) -> Hiding:
    """Return what hides the values of *case*; it is made once for all policies that judge it."""
    return _hiding(Same(case))


def on_one_line(message: str) -> str:
    """Return *message* as it may be shown: one line of printable characters, not too long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in message).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


class Hiding:
    """Hides the values of the documents of one case, those of the present Snapshot included."""

    def __init__(self, case: Case) -> None:
        present = {} if case.present is None else case.present.documents
        texts: dict[str, None] = {}
        numbers: dict[str, None] = {}
        for document in (*case.documents.values(), *present.values()):
            for leaf in _leaves(document.value):
                if isinstance(leaf, str):
                    texts |= dict.fromkeys(_forms_of_text(leaf))
                else:
                    numbers |= dict.fromkeys(_forms_of_number(leaf))
        self._texts = _worth_hiding(texts)
        self._numbers = _worth_hiding(numbers)

    def of(self, message: str) -> str:
        """Return *message* without the values."""
        if len(message) > _LONGEST_MADE:
            # Cut before values are hidden, it could end inside of one; and a whole document takes long to hide.
            return _TOO_LONG
        folded = message.casefold()
        found = [(text, re.escape(text)) for text in self._texts if text.casefold() in folded]
        # A number inside of a longer one is another number.
        found += [(text, rf"(?<!\d){re.escape(text)}(?!\d)") for text in self._numbers if text in message]
        found.sort(key=lambda each: len(each[0]), reverse=True)
        if found:
            message = re.sub("|".join(pattern for _, pattern in found), MASK, message, flags=re.IGNORECASE)
        return on_one_line(message)


@lru_cache(maxsize=1)
def _hiding(same: Same) -> Hiding:
    return Hiding(same.case)


def _leaves(value: Any) -> Iterator[str | float]:
    if isinstance(value, Mapping):
        for member in value.values():
            yield from _leaves(member)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield value


def _forms_of_text(text: str) -> Iterator[str]:
    """Yield *text* as languages may write it, and those of its parts that are telling."""
    yield text.strip()
    for written in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield written
        # As Go writes JSON, which OPA does too.
        yield written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    yield from (line.strip() for line in text.splitlines())
    yield from filter(_DIGIT.search, _PART.findall(text))


def _forms_of_number(number: float) -> Iterator[str]:
    """Yield the digits of *number* as languages may write them, without its sign."""
    yield repr(abs(number))
    yield f"{number:.6g}".lstrip("-")
    if isinstance(number, float):
        yield canonical(abs(number)).decode()
        yield f"{abs(number):f}"


def _worth_hiding(texts: Mapping[str, None]) -> list[str]:
    return [text for text in texts if len(text) >= _SHORTEST and text.casefold() not in _COMMON]
