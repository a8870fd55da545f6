"""
Which files of the repository are documents, and which are overlays.

A pattern is a path whose parts may hold one `*` each, which stands for any text inside that part.
There is no `**`: how deep a document lies is written down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from runpin.compiling.tables import Table
from runpin.errors import OverlayError
from runpin.parsing import SUFFIXES
from runpin.parsing.nearest import advice

MANIFEST = "runpin.toml"
"""The path of the manifest."""

ENVIRONMENTS = "environments"
TENANTS = "tenants"
"""The folders of overlays; a member's folder repeats the paths of the base documents."""

_RESERVED = (ENVIRONMENTS, TENANTS)


def expand(table: Table, patterns: Sequence[str], paths: Iterable[str]) -> dict[str, str]:
    """
    Return the documents that *patterns* lead to: path by name, the name being the file's stem.

    Raises:
        ManifestError: a pattern is malformed or matches nothing, a file has an unusable name or suffix,
            or two files have one name.
    """
    candidates = {
        path: path.split("/") for path in sorted(paths) if path != MANIFEST and _folder(path) not in _RESERVED
    }
    found: dict[str, str] = {}
    for pattern in patterns:
        matches = _matching(_parts(table, pattern), candidates)
        if not matches:
            raise table.error("documents", f"{pattern[:200]!r} matches no file", _advice_for(pattern, paths))
        for path in matches:
            _add(table, found, path)
    return dict(sorted(found.items()))


def matching_files(table: Table, key: str, suffixes: Sequence[str], paths: Iterable[str]) -> tuple[str, ...]:
    """
    Return the files that the patterns listed at *key* lead to, sorted, each once.

    Raises:
        ManifestError: a pattern is malformed or matches no file, or a file has another suffix than *suffixes*.
    """
    candidates = {path: path.split("/") for path in sorted(paths) if path != MANIFEST}
    found: dict[str, None] = {}
    for pattern in table.texts(key):
        matches = _matching(_parts(table, pattern, key), candidates)
        if not matches:
            raise table.error(key, f"{pattern[:200]!r} matches no file", _advice_for(pattern, paths))
        for path in matches:
            if PurePosixPath(path).suffix not in suffixes or not path.isprintable():
                raise table.error(key, f"{shown(path)} has another suffix", f"match {', '.join(suffixes)} only")
        found |= dict.fromkeys(matches)
    return tuple(sorted(found))


def check_overlays(
    paths: Iterable[str], bases: Collection[str], environments: Collection[str], tenants: Collection[str]
) -> None:
    """
    Check that every file in an overlay folder overlays something.

    Notes for people (`*.md`) and hidden files (`.gitkeep`) may lie anywhere.

    Raises:
        OverlayError: its base does not exist, or its folder names no declared environment or tenant.
    """
    declared = {ENVIRONMENTS: environments, TENANTS: tenants}
    for path in sorted(paths):
        folder, _, rest = path.partition("/")
        name = PurePosixPath(path).name
        if folder not in declared or name.startswith(".") or name.endswith(".md"):
            continue
        member, _, base = rest.partition("/")
        if not base or member not in declared[folder]:
            raise OverlayError(
                f"{member[:80]!r} is not declared in {folder}",
                where=shown(path),
                fix=f"overlays are {folder}/<name>/<path of the document>; {advice(member, declared[folder])}",
            )
        if base not in bases:
            raise OverlayError(
                "an overlay has no base document", where=shown(path), fix=f"move or delete it; {advice(base, bases)}"
            )


def shown(path: str) -> str:
    """Return *path* as it may be printed: one line, no control characters."""
    return path if path.isprintable() else repr(path)


def _folder(path: str) -> str:
    return path.partition("/")[0]


def _parts(table: Table, pattern: str, key: str = "documents") -> list[str]:
    parts = pattern.split("/")
    if any(part in ("", ".", "..") for part in parts) or set(pattern) & set("\\?[]") or not pattern.isprintable():
        raise table.error(
            key,
            f"{pattern[:200]!r} is not a path in the repository",
            "write it as folder/file.yaml, '*' allowed",
        )
    if any(part.count("*") > 1 for part in parts):
        raise table.error(key, f"{pattern[:200]!r} has two '*' in one part", "use one '*' per part; no '**'")
    if parts[0] in _RESERVED:
        raise table.error(key, f"{pattern[:200]!r} lies in a folder of overlays", f"keep {key} in another folder")
    return parts


def _matching(parts: Sequence[str], candidates: Mapping[str, Sequence[str]]) -> list[str]:
    if not any("*" in part for part in parts):
        # A generated manifest may list thousands of plain paths.
        path = "/".join(parts)
        return [path] if path in candidates else []
    return [path for path, segments in candidates.items() if _matches(parts, segments)]


def _matches(parts: Sequence[str], segments: Sequence[str]) -> bool:
    return len(parts) == len(segments) and all(map(_matches_part, parts, segments))


def _matches_part(part: str, segment: str) -> bool:
    before, star, after = part.partition("*")
    if not star:
        return part == segment
    return len(segment) >= len(part) - 1 and segment.startswith(before) and segment.endswith(after)


def _add(table: Table, found: dict[str, str], path: str) -> None:
    file = PurePosixPath(path)
    if file.suffix not in SUFFIXES or not path.isprintable():
        raise table.error(
            "documents", f"{shown(path)} is no YAML, JSON or TOML by its suffix", f"match {', '.join(SUFFIXES)} only"
        )
    name = table.name("document", file.stem, "documents")
    if found.setdefault(name, path) != path:
        raise table.error(
            "documents", f"{found[name]} and {path} would both be the document {name!r}", "rename one of the files"
        )


def _advice_for(pattern: str, paths: Iterable[str]) -> str:
    return "commit a file there, or correct the pattern" if "*" in pattern else advice(pattern, paths)
