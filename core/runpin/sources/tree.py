"""The files of a commit, listed from its tree objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runpin.errors import CorruptSource, UnsafeSource
from runpin.sources.git_objects import ObjectReader
from runpin.sources.names import check_names, unsafe_name

MOST_PATHS = 100_000
_DEEPEST = 32
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


def _entries(body: bytes, width: int, folder: str) -> Iterator[tuple[bytes, str, str]]:
    parsed = list(_parsed(body, width, folder))
    check_names([name for _, name, _ in parsed], folder)
    for mode, name, sha in parsed:
        # 100664 is what git wrote before 2005; it still reads it, and nobody needs it here.
        if mode != _TREE and mode not in _REGULAR and mode not in _ODD:
            raise unsafe_name(f"git knows no file of mode {mode.decode('ascii', 'replace')[:12]!r}", folder, name)
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
            raise unsafe_name("this name is not UTF-8", folder, raw.decode("utf-8", "replace")) from error
        yield body[at:space], name, body[end + 1 : end + 1 + width].hex()
        at = end + 1 + width
