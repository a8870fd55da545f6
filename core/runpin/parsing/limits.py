"""
What a file of the config repository may hold at most, and which numbers and names it may hold at all.

The limits come before any parser, because parsers are where hostile bytes do their harm.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

from runpin.errors import ParseError

LARGEST_WHOLE = 2**53 - 1
"""The largest whole number that every reader of JSON holds exactly."""

# From 1e21 on, RFC 8785 writes an exponent, and the number reads back as the same floating-point number.
_FIRST_WITH_EXPONENT = 1e21

# NUL, DEL, C1, line separators, bidirectional overrides, surrogates and non-characters.
_HIDDEN = "\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff"
_HIDDEN_IN_TEXT = re.compile(f"[\x00{_HIDDEN}]")
# In a file also every control character but tab and line end, and a carriage return without its line feed.
_HIDDEN_IN_FILE = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f{_HIDDEN}]|\r(?!\n)")
# In a key also what takes no space on a screen: two keys must never look like one.
_HIDDEN_IN_KEY = re.compile(
    f"[\x00-\x1f{_HIDDEN}"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u2065\u206a-\u206f\u3164"
    "\ufe00-\ufe0f\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """
    The most that one file may hold.

    Attributes:
        size: bytes of the file.
        depth: mappings and lists inside each other, the outermost included.
        nodes: values, mappings and lists included.
        key: bytes of one key in UTF-8.
        string: bytes of one text in UTF-8.
        pointers: bytes of all JSON pointers together; long keys times deep nesting would outgrow the file.
    """

    size: int = 256 * 1024
    depth: int = 64
    nodes: int = 50_000
    key: int = 256
    string: int = 64 * 1024
    pointers: int = 8 * 1024 * 1024


def refusal(what: str, file: str, line: int | None = None, column: int | None = None, fix: str = "") -> ParseError:
    """Say that *file* cannot be accepted because of what stands at *line* and *column*, both from 1."""
    where = ":".join(str(part) for part in (file, line, column) if part is not None)
    return ParseError(what, where=where, fix=fix or None)


def hidden_in_file(text: str) -> re.Match[str] | None:
    """Find the first character that a reviewer would not see in a file."""
    return _HIDDEN_IN_FILE.search(text)


def fault_of_key(key: str, limits: Limits) -> tuple[str, str] | None:
    """Say what is wrong with *key* and how to fix it, or None."""
    if len(key) * 4 > limits.key and len(key.encode("utf-8", "surrogatepass")) > limits.key:
        return f"a key is longer than {limits.key} bytes", "shorten the key, or make it a value"
    if key.isascii() and key.isprintable():
        return None
    if hidden := _HIDDEN_IN_KEY.search(key):
        return f"a key holds the invisible character {code_point(hidden[0])}", "remove the character"
    if not unicodedata.is_normalized("NFC", key):
        return "a key is not in Unicode normal form C, so it could have a twin that looks the same", (
            "write the key with composed characters (NFC)"
        )
    return None


def fault_of_text(text: str, limits: Limits) -> tuple[str, str] | None:
    """Say what is wrong with the value *text* and how to fix it, or None."""
    if len(text) * 4 > limits.string and len(text.encode("utf-8", "surrogatepass")) > limits.string:
        return f"a text is longer than {limits.string} bytes", "keep long texts in a file of their own, outside"
    if text.isascii() and text.isprintable():
        return None
    if hidden := _HIDDEN_IN_TEXT.search(text):
        return f"a text holds the character {code_point(hidden[0])}", "remove the character or its escape"
    return None


def fault_of_number(number: float) -> tuple[str, str] | None:
    """Say why *number* would not survive RFC 8785 and how to fix it, or None."""
    if isinstance(number, float) and not math.isfinite(number):
        return "a number is not finite", "write a finite number, or quote it to make it a text"
    if abs(number) > LARGEST_WHOLE and (isinstance(number, int) or abs(number) < _FIRST_WITH_EXPONENT):
        return "a number is beyond 2**53 - 1, which readers of JSON cannot hold exactly", (
            "quote the number to make it a text"
        )
    return None


def code_point(character: str) -> str:
    """Return the way to write *character* that everybody can see, `U+202E`."""
    return f"U+{ord(character[0]):04X}"
