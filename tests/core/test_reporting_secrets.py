"""Whatever a file holds and however it is written, no excerpt shows a value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from runpin.errors import ParseError
from runpin.parsing import parse
from runpin.reporting.masking import Lines

PLANTED = "zq7"
NUMBER = 7737377

# What makes a scanner think that a value is over, or that it is a key.
TRAPS = (
    *("", ": ", " #", "\n", "\n\n", "- ", '"', "'", "\\", "{", "}", "[", "]", ",", "= ", "|", " ", "\nkey: "),
    *("\n  k: ", "\n---\n", "%", '"""', "'''", "\\n", "\t", "é"),
)

KEYS = st.sampled_from(("a", "batch_size", "x-y", "with space", "ünder", "é", 'quo"te', "0", "a.b", "#k", "- k"))
PIECES = st.lists(st.sampled_from((PLANTED, *TRAPS)), min_size=1, max_size=8)
TEXTS = PIECES.map(lambda pieces: PLANTED + "".join(pieces))
SCALARS = st.one_of(TEXTS, st.booleans(), st.none(), st.just(NUMBER))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4)
BUDGET = settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def yaml_files(draw: st.DrawFn) -> str:
    """Write a document in one of YAML's many ways."""
    document = draw(DOCUMENTS)
    return yaml.safe_dump(
        document,
        default_flow_style=draw(st.sampled_from((True, False, None))),
        default_style=draw(st.sampled_from((None, '"', "'", "|", ">"))),
        width=draw(st.sampled_from((8, 20, 80, 10_000))),
        indent=draw(st.sampled_from((2, 3, 4))),
        allow_unicode=draw(st.booleans()),
        explicit_start=draw(st.booleans()),
        sort_keys=False,
    ).replace("!!", "")


@st.composite
def json_files(draw: st.DrawFn) -> str:
    """Write a document as JSON."""
    indent, space = draw(st.sampled_from((None, 0, 1, 4))), draw(st.sampled_from((": ", ":", " : ")))
    return json.dumps(draw(DOCUMENTS), indent=indent, separators=(",", space), ensure_ascii=draw(st.booleans()))


@st.composite
def toml_files(draw: st.DrawFn) -> str:
    """Write a document as TOML, tables inline or by header, texts in each kind of quotes."""
    lines = []
    for key, value in draw(DOCUMENTS).items():
        if isinstance(value, dict) and draw(st.booleans()):
            lines.append(f"[{json.dumps(key, ensure_ascii=False)}]")
            lines += [f"{json.dumps(name, ensure_ascii=False)} = {_toml(draw, item)}" for name, item in value.items()]
        else:
            lines.insert(0, f"{json.dumps(key, ensure_ascii=False)} = {_toml(draw, value)} # {PLANTED}")
    return "\n".join(lines) + "\n"


def _toml(draw: st.DrawFn, value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)} = {_toml(draw, v)}" for k, v in value.items()) + "}"
        )
    if isinstance(value, list):
        between = draw(st.sampled_from((", ", f", # {PLANTED}\n ", "\n,\n")))
        return "[" + between.join(_toml(draw, item) for item in value) + "]"
    if isinstance(value, str):
        return _toml_text(value, draw(st.sampled_from(("basic", "long", "literal", "long literal"))))
    return {True: "true", False: "false", None: "0"}.get(value, str(value))


def _toml_text(text: str, kind: str) -> str:
    if kind == "literal" and not set(text) & set("'\n\t"):
        return f"'{text}'"
    if kind == "long literal" and "'" not in text:
        return f"'''\n{text}'''"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if kind == "long":
        return f'"""\n{escaped}"""'
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t") + '"'


LINE_PARTS = (
    *(
        PLANTED,
        f"{PLANTED} ",
        f'"{PLANTED}"',
        f"'{PLANTED}'",
        f"{PLANTED}\n",
        f": {PLANTED}",
        f"\n  {PLANTED}",
        f"= {PLANTED}",
    ),
    *(
        "a:",
        "b: ",
        "k: |\n",
        "k: >-\n",
        "k: '",
        'k: "',
        "k: [",
        "k: {",
        "- ",
        "-\n",
        "\n",
        "\n",
        "\n ",
        "\n  ",
        "\n    ",
    ),
    *("#", " # ", ",", "]", "}", '"', "'", '"""', "'''", "[t]\n", "[[t]]\n", "t = ", "t = [", "\\", "---\n", "...\n"),
    *(
        "? ",
        "!!str ",
        "&x ",
        "*x",
        "|",
        ">",
        "|2\n",
        "\t",
        "%",
        "{a: ",
        "x.y = ",
        ": ",
        ":",
        "\r\n",
        "\u00a0",
        "\u2028",
    ),
)
SCRAPS = st.lists(st.sampled_from(LINE_PARTS), min_size=2, max_size=14).map("".join)

# In what no parser accepts, a name before a colon, an equals sign or in a header is a key, whatever it says.
PLANTED_KEY = re.compile(rf"""{PLANTED}[^\n,]*?["']*\s*[:=]|\[[^\n]*{PLANTED}""")

FILES = [("etl.yaml", yaml_files()), ("etl.json", json_files()), ("etl.toml", toml_files())]


def shown(path: str, text: str) -> str:
    """Return everything of a file that an excerpt could show."""
    lines = Lines(path, text)
    everything = "\n".join(lines.shown(number) for number in range(1, len(lines) + 1))
    return everything.replace(str(NUMBER), PLANTED)


def has_secret_key(path: str, text: str) -> bool:
    """Tell whether a key of a file holds the secret, or may do so where nothing accepts the file."""
    try:
        return any(PLANTED in pointer for pointer in parse(path, text.encode()).origins)
    except ParseError:
        return PLANTED_KEY.search(text) is not None


def naive(path: str, text: str) -> str:
    """Mask as one would who knows lines only: everything behind the first sign that ends a key."""
    del path
    return "\n".join(re.sub(r"^(\s*(?:- )*[^:=\n]*[:=]).*$", r"\1 ●●●", line) for line in text.split("\n"))


def leaks(path: str, text: str, mask: Callable[[str, str], str]) -> bool:
    """Tell whether a value of a file that runpin accepts is shown."""
    try:
        parse(path, text.encode())
    except (ParseError, UnicodeEncodeError):
        return False
    return PLANTED in mask(path, text)


@pytest.mark.parametrize(("path", "files"), FILES)
def test_no_value_is_shown(path: str, files: st.SearchStrategy[str]) -> None:
    """Texts over many lines, in every kind of quotes and style, are masked to their last letter."""

    @BUDGET
    @given(files)
    def holds(text: str) -> None:
        assert PLANTED not in shown(path, text), text

    holds()


@pytest.mark.parametrize("path", [path for path, _ in FILES])
def test_no_value_of_a_file_made_of_scraps_is_shown(path: str) -> None:
    """What no writer would write, and what is no YAML, JSON or TOML any more, keeps its values as well."""

    @BUDGET
    @given(SCRAPS)
    def holds(text: str) -> None:
        assume(not has_secret_key(path, text))

        assert PLANTED not in shown(path, text), text

    holds()


@pytest.mark.parametrize(("path", "files"), FILES)
def test_the_property_catches_a_masker_that_knows_lines_only(path: str, files: st.SearchStrategy[str]) -> None:
    """A mistake of the kind that is easily made is found within the same budget."""
    found = find(files, lambda text: leaks(path, text, naive), settings=BUDGET)

    assert PLANTED in naive(path, found)
    assert PLANTED not in shown(path, found)


@pytest.mark.parametrize(("path", "files"), FILES)
def test_the_files_of_the_property_are_mostly_accepted(path: str, files: st.SearchStrategy[str]) -> None:
    """A property about files that nothing accepts would say little; many keys are shown, too."""
    seen = {"accepted": 0, "keys": 0}

    @BUDGET
    @given(files)
    def count(text: str) -> None:
        try:
            parse(path, text.encode())
        except ParseError:
            return
        seen["accepted"] += 1
        seen["keys"] += "batch_size" in text and "batch_size" in shown(path, text)

    count()

    assert seen["accepted"] > 100
    assert seen["keys"] > 25


def test_masking_everything_would_not_be_found_by_the_seeded_bug() -> None:
    """The search for a leak ends empty where there is none."""
    with pytest.raises(NoSuchExample):
        find(json_files(), lambda text: leaks("etl.json", text, lambda *_: "●●●"), settings=BUDGET)
