"""
Regular expressions that people wrote, matched in linear time.

They are RE2's: what a pattern means never depends on how long it takes, because nothing makes it go back and try
again. That rules out look-around and back-references, which is said of the schema and not found out at run time.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_MEMORY = 4 * 1024 * 1024
"""Bytes that one compiled pattern may take, and its automaton with it."""

_ADVICE = (
    (r"invalid perl operator: \(\?<?[=!]", "there is no look-ahead or look-behind: say it with `allOf` and `not`"),
    (r"invalid perl operator: \(\?>|bad repetition operator: .*[+]'?$", "there are no possessive or atomic groups"),
    (r"invalid escape sequence: \\[1-9]", "there are no back-references"),
    (r"invalid escape sequence: \\u", r"write \x{00E9} instead of \u00E9"),
    (r"invalid escape sequence: \\Z", r"write $ or \z, which is the end of the text"),
    (r"invalid character class range: \\[pP]", r"write \p{L} or \p{Greek}: short names, and nothing before a script"),
    (r"invalid repetition size", "repeat at most 1000 times, groups inside each other taken together"),
    (r"pattern too large", "shorten the pattern, or what it repeats"),
)


class BadPattern(ValueError):
    """
    A pattern that RE2 does not take.

    Attributes:
        pattern: the pattern, for who wants to look for it.
        fix: what to do about it; holds nothing of the pattern.
    """

    def __init__(self, pattern: str, fix: str) -> None:
        super().__init__(fix)
        self.pattern = pattern
        self.fix = fix


def matches(pattern: str, text: str) -> bool:
    """
    Tell whether *pattern* is found anywhere in *text*.

    Raises:
        BadPattern
    """
    return _compiled(pattern).search(text) is not None


def fault_of(pattern: str) -> str | None:
    """Return how to mend *pattern*, None if it can be used."""
    try:
        _compiled(pattern)
    except BadPattern as error:
        return error.fix
    return None


@lru_cache(maxsize=128)
def _compiled(pattern: str) -> Any:
    import re2  # type: ignore[import-untyped] # it ships no types

    options = re2.Options()
    options.max_mem = _MEMORY
    # It would print the pattern.
    options.log_errors = False
    options.never_capture = True
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise BadPattern(pattern, _advice(str(error))) from None


def _advice(complaint: str) -> str:
    # The complaint is the bytes' repr, in which a backslash is two.
    plain = complaint.replace("\\\\", "\\")
    known = (advice for sign, advice in _ADVICE if re.search(sign, plain))
    return next(known, "close what is open and escape what is meant as it stands; the syntax is RE2's")
