"""
Which file names are let in.

Nothing is ever checked out, so a name can harm nobody here. It is still refused when it could harm
whoever does check the repository out, or when two people could read it as two different things.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from runpin.errors import UnsafeSource

_LONGEST = 255
_NEVER = frozenset({"", ".", "..", ".git", "git~1"})


def check_names(names: Iterable[str], folder: str) -> None:
    """
    Refuse the *names* of one folder unless each may be used and no two could be taken for each other.

    Raises:
        UnsafeSource: one is `.`, `..` or a form of `.git`, holds a slash of either kind or a character
            that cannot be printed, is too long, or differs from another only in case or Unicode form.
    """
    seen: set[str] = set()
    for name in names:
        if not name.isprintable() or "/" in name or "\\" in name:
            raise unsafe_name("this name holds a character that no file name should", folder, name)
        if len(name.encode()) > _LONGEST:
            raise unsafe_name(f"this name is longer than {_LONGEST} bytes", folder, name)
        folded = name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
        if folded in _NEVER:
            raise unsafe_name("this name means something to git or to the system", folder, name)
        if folded in seen:
            raise unsafe_name("two names differ in nothing, or only in case or Unicode form", folder, name)
        seen.add(folded)


def unsafe_name(what: str, folder: str, name: str) -> UnsafeSource:
    """Return the error for a *name* in *folder*, whose odd characters are shown escaped."""
    where = f"{folder}{name}".encode("unicode_escape", "backslashreplace").decode("ascii")
    return UnsafeSource(what, where=where[:300], fix="rename the file in the repository")
