"""Text from documents, commits and file names, made harmless for whoever reads the output."""

from __future__ import annotations

import re

_OLD_COMMAND = re.compile(r"##(?=\w*\[)")


def visible(text: object) -> str:
    r"""Return *text* as a terminal may show it: what cannot be printed is written as an escape, `\x1b`."""
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in plain)


def inert(text: object) -> str:
    """
    Return *text* on one line that neither a terminal nor the log of a build server acts on.

    Build servers take lines that begin with `::`, or hold `##[` or `##vso[` anywhere, as commands.
    """
    shown = _OLD_COMMAND.sub(r"\\x23#", visible(text))
    rest = shown.lstrip()
    if rest.startswith("::"):
        return f"{shown[: len(shown) - len(rest)]}\\x3a{rest[1:]}"
    return shown
