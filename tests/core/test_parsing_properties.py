"""Properties of parsing, each with a seeded bug that it catches."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from runpin.canonical import canonical, thaw
from runpin.errors import ParseError
from runpin.model import Origin
from runpin.parsing import Parsed, parse
from runpin.parsing.pointers import child

Lines = dict[str, int]
Read = Callable[[str, bytes], Parsed]

EVERY = (Phase.generate, Phase.shrink)
SEEDED = (Phase.generate,)
HOW = {
    EVERY: settings(max_examples=150, phases=EVERY, deadline=None, database=None),
    SEEDED: settings(
        max_examples=5000, phases=SEEDED, deadline=None, database=None, derandomize=True, report_multiple_bugs=False
    ),
}
"""A seeded bug has to be found each time, but not to be made small."""

WORDS = st.sampled_from(["no", "on", "yes", "x", "null", "true", "1e3", "0755", "<<", "~", "a.b", "k"])
TEXTS = WORDS | st.text(st.sampled_from("ab01 -_./~:#[]{}'\"\\\n\té漢😀,&*!|>%@`="), max_size=8)
KEYS = WORDS | st.text(st.sampled_from("ab01 -_./~:#[]{}'\"\\é漢😀,&*!|>%@`="), max_size=5)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15) | st.sampled_from([1e22, 5e-324])


def documents(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw mappings of *scalars*, lists and mappings."""
    values = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
    )
    return st.dictionaries(KEYS, values, min_size=1, max_size=4)


class Page:
    """A file that is being written, in a layout that *layout* decides, with the line of every value."""

    def __init__(self, layout: random.Random) -> None:
        self.text = ""
        self.lines: Lines = {}
        self.layout = layout

    @property
    def line(self) -> int:
        """The line that is written now."""
        return self.text.count("\n") + 1

    def write(self, text: str) -> None:
        """Append *text*."""
        self.text += text

    def space(self) -> None:
        """Append a space or, sometimes, line ends."""
        self.write(self.layout.choice([" ", " ", "\n", "\r\n\n "]))

    def set(self, pointer: str, value: Any, line: int) -> None:
        """Note that *value* and everything in it is set on *line*."""
        self.lines[pointer] = line
        for key, item in members(value):
            self.set(child(pointer, key), item, line)


def members(value: Any) -> Iterator[tuple[str | int, Any]]:
    """Yield what is inside of *value*, by key or index."""
    yield from value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()


def quoted(text: str) -> str:
    """Spell *text* in double quotes, the same in all three formats."""
    return json.dumps(text, ensure_ascii=False)


def spell_json(page: Page, value: Any, pointer: str = "", line: int = 0) -> None:
    """Write *value* as JSON."""
    page.lines[pointer] = line or page.line
    if not isinstance(value, (dict, list)):
        page.write(json.dumps(value))
        return
    page.write("{" if isinstance(value, dict) else "[")
    for index, (key, item) in enumerate(members(value)):
        page.write("," if index else "")
        page.space()
        key_line = page.line if isinstance(key, str) else 0
        if isinstance(key, str):
            page.write(quoted(key) if page.layout.random() < 0.5 else json.dumps(key))
            page.space()
            page.write(":")
            page.space()
        spell_json(page, item, child(pointer, key), key_line)
    page.space()
    page.write("}" if isinstance(value, dict) else "]")


def spell_yaml(page: Page, value: Any, pointer: str = "", indent: int = 0, line: int = 0) -> None:
    """Write *value* as YAML, in blocks where there is something in it."""
    page.lines[pointer] = line or page.line
    for number, (key, item) in enumerate(members(value)):
        page.write(" " * indent if number or indent else "")
        key_line = page.line if isinstance(key, str) else 0
        page.write(f"{yaml_text(page, key)}:" if isinstance(key, str) else "-")
        below = child(pointer, key)
        if isinstance(item, (dict, list)) and item:
            page.write(page.layout.choice(["\n", " # note\n", "\n\n"]))
            spell_yaml(page, item, below, indent + page.layout.choice([1, 2, 4]), key_line)
        else:
            page.set(below, item, key_line or page.line)
            page.write(f" {yaml_text(page, item) if isinstance(item, str) else json.dumps(item)}\n")
    if not value:
        page.write("{}\n")


def yaml_text(page: Page, text: str) -> str:
    """Spell *text* plain where YAML 1.2 takes it for a text, else in quotes."""
    plain = re.fullmatch(r"[a-z]+", text) and text not in ("null", "true", "false")
    return text if plain and page.layout.random() < 0.7 else quoted(text)


def spell_toml(page: Page, table: dict[str, Any], pointer: str = "", path: str = "") -> None:
    """Write *table* as TOML: values first, then tables and lists of tables below headers of their own."""
    page.lines.setdefault(pointer, page.line)
    later = {}
    for key, item in table.items():
        tables = item if isinstance(item, list) else [item]
        if item and all(isinstance(each, dict) for each in tables) and page.layout.random() < 0.7:
            later[key] = item
            continue
        page.write(page.layout.choice(["", "\n", "# a = [\n"]))
        page.set(child(pointer, key), item, page.line)
        page.write(f"{quoted(key)} = {inline(page, item)}{page.layout.choice(['', ' # {', chr(13)])}\n")
    for key, item in later.items():
        name, below = f"{path}.{quoted(key)}" if path else quoted(key), child(pointer, key)
        page.lines[below] = page.line
        for index, each in enumerate(item if isinstance(item, list) else [item]):
            page.write(f"[[{name}]]\n" if isinstance(item, list) else f"[{name}]\n")
            at = child(below, index) if isinstance(item, list) else below
            page.lines[at] = page.line - 1
            spell_toml(page, each, at, name)


def inline(page: Page, value: Any) -> str:
    """Spell *value* as one TOML value, over several lines where TOML allows it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {inline(page, item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + "".join(f"{page.layout.choice(['', chr(10)])}{inline(page, item)}, " for item in value) + "]"
    if isinstance(value, str) and page.layout.random() < 0.5:
        return '"""\n' + "\n".join(quoted(part)[1:-1] for part in value.split("\n")) + '"""'
    return json.dumps(value, ensure_ascii=False)


SCALARS = TEXTS | NUMBERS | st.booleans()
FORMATS: dict[str, tuple[Callable[[Page, dict[str, Any]], None], st.SearchStrategy[Any]]] = {
    "f.json": (spell_json, SCALARS | st.none()),
    "f.yaml": (spell_yaml, SCALARS | st.none()),
    "f.toml": (spell_toml, SCALARS),
}


def check_reading(path: str, read: Read, phases: tuple[Phase, ...] = EVERY) -> None:
    """Every document that is spelled in the format of *path* reads back, with the lines it was written on."""
    spell, scalars = FORMATS[path]

    @HOW[phases]
    @given(documents(scalars), st.randoms())
    def holds(value: dict[str, Any], layout: random.Random) -> None:
        page = Page(layout)
        spell(page, value)

        parsed = read(path, page.text.encode())

        assert canonical(value) == canonical(parsed.value)
        assert page.lines == {pointer: origin.line for pointer, origin in parsed.origins.items()}

    holds()


def lines_by_searching(path: str, body: bytes) -> Parsed:
    """Parse with a seeded bug: a key is where its name occurs first."""
    parsed = parse(path, body)
    lines = body.decode().split("\n")
    origins = {}
    for pointer, origin in parsed.origins.items():
        name = pointer.rpartition("/")[2]
        found = next((number for number, line in enumerate(lines, 1) if name and name in line), origin.line)
        origins[pointer] = Origin(path, found)
    return Parsed(parsed.value, origins)


def yaml_of_2005(path: str, body: bytes) -> Parsed:
    """Parse with a seeded bug: PyYAML's own schema, which is YAML 1.1."""
    parsed = parse(path, body)
    return Parsed(yaml.safe_load(body), parsed.origins)


@pytest.mark.parametrize("path", FORMATS)
def test_what_is_written_is_read(path: str) -> None:
    """In each format a document reads back as it was written, and every value has its line."""
    check_reading(path, parse)


@pytest.mark.parametrize(
    ("path", "broken"),
    [("f.yaml", yaml_of_2005), *((path, lines_by_searching) for path in FORMATS)],
)
def test_seeded_bugs_in_reading_are_caught(path: str, broken: Read) -> None:
    """The property above fails for a reader of the wrong YAML, and for lines that are guessed."""
    with pytest.raises((AssertionError, ValueError)):
        check_reading(path, broken, SEEDED)


SPELLINGS = (
    'a§b: 1\n§a = 1\n§"a": 1§[t]\n§[[l]]\n§- §? §: §{§}§[§]§,§=§"§\'§"""§\'\'\'§\n§\r\n§ §\t§#§&a §*a§!t §---\n'
    "§|\n§>§\\§\\u0041§\\ud800§.§1e9§NaN§.inf§inf§null§~§0x1F§1979-01-01§é§\u200b§\u2028§\ufeff§%§@§`"
)
PIECES = st.sampled_from(SPELLINGS.split("§"))
FILES = st.binary(max_size=40) | st.lists(PIECES, max_size=14).map(lambda pieces: "".join(pieces).encode())


def check_total(path: str, read: Read, phases: tuple[Phase, ...] = EVERY) -> None:
    """Any bytes end in a document that canonical JSON keeps, or in a ParseError with a place; twice the same."""

    @HOW[phases]
    @given(FILES)
    def holds(body: bytes) -> None:
        first, second = outcome(path, body, read), outcome(path, body, read)

        assert first == second
        if isinstance(first, dict):
            assert first == thaw(canonical(first)) == parse("again.json", canonical(first)).value
        else:
            assert first.startswith(path)

    holds()


def outcome(path: str, body: bytes, read: Read) -> dict[str, Any] | str:
    """Return the document that *read* makes of *body*, or where it is refused."""
    try:
        return read(path, body).value
    except ParseError as error:
        return error.where or ""


def forgiving(_: str, body: bytes) -> Parsed:
    """Parse with a seeded bug: the standard library's idea of JSON, or any YAML."""
    try:
        value = yaml.safe_load(body)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ParseError("no", where="f.yaml") from error
    return Parsed(value if isinstance(value, dict) else {"a": value}, {})


@pytest.mark.parametrize("path", FORMATS)
def test_any_bytes_end_in_a_document_or_a_refusal(path: str) -> None:
    """No file can crash a parser or give a document that does not survive canonical JSON."""
    check_total(path, parse)


def test_a_seeded_bug_in_totality_is_caught() -> None:
    """The property above fails for a reader that lets dates, sets or NaN through."""
    with pytest.raises((AssertionError, ValueError, ParseError)):
        check_total("f.yaml", forgiving, SEEDED)
