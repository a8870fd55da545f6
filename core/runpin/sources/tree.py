"""
The files of a commit, listed from its tree objects.

Nothing is ever checked out, so a name can harm nobody here.
It is still refused when it could harm whoever checks the repository out, or when two people could read it differently.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runpin.errors import CorruptSource, UnsafeSource
from runpin.sources.git_objects import ObjectReader

MOST_PATHS = 100_000
_DEEPEST = 32
_LONGEST_NAME = 255
_TREE = b"40000"
_REGULAR = (b"100644", b"100755")
_ODD = {b"120000": "a symbolic link", b"160000": "a submodule"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a commit; `odd` says what it is when it is not a regular file."""

    sha: str
    odd: str | None = None


def list_files(objects: ObjectReader, tree: str) -> Mapping[str, Entry]:
    """
    Return every file below *tree* by path, each tree object verified.

    Raises:
        UnsafeSource: a name cannot be trusted, or there are too many files or folders in each other.
        CorruptSource: a tree is missing or damaged.
    """
    files: dict[str, Entry] = {}
    level: dict[str, list[str]] = {tree: [""]}
    total = 0
    for _ in range(_DEEPEST):
        below: dict[str, list[str]] = defaultdict(list)
        for found in objects.each({sha: folders[0] or "/" for sha, folders in level.items()}, "tree"):
            entries = list(_entries(found.body, len(found.sha) // 2, level[found.sha][0]))
            total += len(entries) * len(level[found.sha])
            if total > MOST_PATHS:
                raise UnsafeSource(f"the commit has more than {MOST_PATHS} files and folders", fix="split it up")
            for folder in level[found.sha]:
                for mode, name, sha in entries:
                    if mode == _TREE:
                        below[sha].append(f"{folder}{name}/")
                    else:
                        files[folder + name] = Entry(sha, _ODD.get(mode))
        if not below:
            return dict(sorted(files.items()))
        level = below
    raise UnsafeSource(f"folders are nested more than {_DEEPEST} deep", fix="keep configuration in fewer levels")


def check_names(names: list[str], folder: str) -> None:
    """
    Refuse the *names* of one folder unless each may be used and no two could be taken for each other.

    Raises:
        UnsafeSource: one is `.`, `..` or a form of `.git`, holds `/`, `\\` or a character that cannot be printed,
            is too long, or differs from another only in case or Unicode form.
    """
    seen: set[str] = set()
    for name in names:
        folded = name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            raise _unsafe("two names differ in nothing, or only in case or Unicode form", folder, name)
        seen.add(folded)
        if folded in ("", ".", "..", ".git", "git~1") or "/" in name or "\\" in name or not name.isprintable():
            raise _unsafe("this name is not safe for a file", folder, name)
        if len(name.encode()) > _LONGEST_NAME:
            raise _unsafe(f"this name is longer than {_LONGEST_NAME} bytes", folder, name)


def _entries(body: bytes, width: int, folder: str) -> Iterator[tuple[bytes, str, str]]:
    parsed = list(_parsed(body, width, folder))
    check_names([name for _, name, _ in parsed], folder)
    for mode, name, sha in parsed:
        # 100664 is what git wrote before 2005; it still reads it, and nobody needs it here.
        if mode != _TREE and mode not in _REGULAR and mode not in _ODD:
            raise _unsafe(f"git knows no file of mode {mode.decode('ascii', 'replace')[:12]!r}", folder, name)
        yield mode, name, sha


def _parsed(body: bytes, width: int, folder: str) -> Iterator[tuple[bytes, str, str]]:
    at = 0
    while at < len(body):
        space = body.find(b" ", at)
        end = body.find(b"\0", space)
        if space < 0 or end < 0 or end + 1 + width > len(body):
            raise CorruptSource("a tree object is cut off", where=folder or "/", fix="run `git fsck --full`")
        raw = body[space + 1 : end]
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _unsafe("this name is not UTF-8", folder, raw.decode("utf-8", "replace")) from error
        yield body[at:space], name, body[end + 1 : end + 1 + width].hex()
        at = end + 1 + width


def _unsafe(what: str, folder: str, name: str) -> UnsafeSource:
    return UnsafeSource(what, where=f"{folder}{ascii(name)[1:-1]}"[:300], fix="rename the file in the repository")
