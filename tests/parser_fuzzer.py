"""
A process that makes up files, guided by which code they reach, until one breaks what the parsers promise.

Run as `python parser_fuzzer.py SUBJECT SECONDS SEED CORPUS`; ends with code 0 when nothing was found in that time, and
with another one, and a sentence on stderr, when a promise was broken.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import atheris  # type: ignore[import-untyped] # it ships no types

with atheris.instrument_imports(include=["runpin.parsing", "runpin.canonical", "yaml", "json", "tomllib"]):
    import tomllib

    import yaml

    from runpin.canonical import canonical, thaw
    from runpin.errors import ParseError
    from runpin.parsing import Limits, Parsed, parse, yaml_events

Read = Callable[[str, bytes], Parsed]
SUFFIXES = (".yaml", ".json", ".toml")
LIMITS = Limits()
_PLACE = re.compile(r"f\.\w+(:\d+(:\d+)?)?")


class Broken(AssertionError):
    """A promise does not hold for the file that was made up."""


def forgets_keys(path: str, body: bytes) -> Parsed:
    """Read with a seeded bug: the last one of two equal keys of JSON wins."""
    try:
        return parse(path, body)
    except ParseError as error:
        if "is set on line" in error.what and path.endswith(".json"):
            return Parsed(json.loads(body), {})
        raise


def raises_otherwise(path: str, body: bytes) -> Parsed:
    """Read with a seeded bug: a text of several lines ends in a bare ValueError."""
    parsed = parse(path, body)
    if path.endswith(".yaml") and any(isinstance(each, str) and "\n" in each for each in parsed.value.values()):
        raise ValueError(body)
    return parsed


def places_nothing(path: str, body: bytes) -> Parsed:
    """Read with a seeded bug: an error of TOML's library comes out without a place."""
    try:
        return parse(path, body)
    except ParseError:
        if path.endswith(".toml") and b"=" in body:
            tomllib.loads(body.decode("utf-8", "replace"))
        raise


SUBJECTS: Mapping[str, Read] = {
    "parse": parse,
    "forgets_keys": forgets_keys,
    "raises_otherwise": raises_otherwise,
    "places_nothing": places_nothing,
}
"""What is fuzzed: the real thing, and broken ones that have to be found out."""


def outcome(read: Read, path: str, body: bytes) -> Parsed | None:
    """Return what *read* makes of *body*, None for a refusal with file and line."""
    try:
        return read(path, body)
    except ParseError as error:
        if not _PLACE.fullmatch(error.where or ""):
            raise Broken(f"a refusal has no place: {error.what}") from None
        if not str(error).replace("\n", "").isprintable():
            raise Broken("a refusal cannot be printed") from None
        return None


def check(read: Read, body: bytes) -> None:
    """
    Check the promises for *body*, whose first byte chooses the format.

    Raises:
        Broken: one does not hold.
    """
    path = f"f{SUFFIXES[body[0] % len(SUFFIXES)]}" if body else "f.yaml"
    text = body[1:]
    parsed = outcome(read, path, text)
    if path == "f.yaml":
        agree(text, parsed)
    if path == "f.json":
        unique(text, parsed)
    if parsed is None:
        return
    again = parse("again.json", canonical(parsed.value)).value
    if again != parsed.value or thaw(canonical(parsed.value)) != again:
        raise Broken("the canonical form reads otherwise")
    if parsed.origins and any(origin.line > text.count(b"\n") + 1 for origin in parsed.origins.values()):
        raise Broken("a value comes from a line that the file does not have")


def agree(text: bytes, parsed: Parsed | None) -> None:
    """Check that both parsers of YAML say the same where both take the file."""
    if parsed is None:
        return
    try:
        slow = yaml_events.read("f.yaml", text.decode(), LIMITS, yaml.SafeLoader)
    except ParseError:
        # PyYAML's own parser refuses some tabs that libyaml takes; docs/reference/config-repository.md says so.
        return
    if (slow.value, slow.origins) != (parsed.value, parsed.origins):
        raise Broken("libyaml and PyYAML read the file otherwise")


def unique(text: bytes, parsed: Parsed | None) -> None:
    """Check that no key of JSON was there twice in a file that was taken."""
    if parsed is None:
        return

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) < len(found):
            raise Broken("a key is there twice")
        return dict(found)

    if json.loads(text, object_pairs_hook=pairs) != parsed.value:
        raise Broken("the library reads the file otherwise")


SEEDS = (
    b"\x00a: 1\nb: [x, 'y', \"z\\n\"]\n",
    b"\x00a:\n  - b: |\n      text\n  - {c: 0x1F, d: .inf, ? e : ~}\n# end\n",
    b"\x00&a a: !!str *a\n<<: {b: 1e3}\n---\n",
    b'\x01{"a": 1, "b": [true, null, "\\u0041"], "c": {"a": -1.5e3}}',
    b'\x01{"a": {"b": {}}, "a": []}',
    b"\x02a = 1\n[t]\nb = ['x', \"y\"]\n[[l]]\nc.d = {e = 1.5}\n",
    b'\x02a = """\nx\n"""\nb = 1979-05-27\nc = 0xFF\nd = inf\n',
)


def main() -> None:
    """Fuzz as the command line says."""
    subject, seconds, seed, corpus = sys.argv[1:]
    read = SUBJECTS[subject]
    for number, body in enumerate(SEEDS):
        (Path(corpus) / f"seed-{number}").write_bytes(body)

    def once(body: bytes) -> None:
        check(read, body)

    options = [f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=200", "-timeout=10", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={corpus}/", corpus], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
