"""Whether bytes are the canonical spelling of a value, found out faster than by spelling it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runpin.canonical import canonical, is_canonical, thaw

# Keys and texts from where the standard library and RFC 8785 order or escape differently, and from where they do not.
TEXTS = st.text(st.sampled_from('ab1.é\x7f\u2028\uffff\U00010000\U0001f600"\\/\n\x1f')) | st.text(max_size=5)
NUMBERS = st.integers(-(2**54), 2**54) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
SPELLINGS = st.sampled_from(
    [
        canonical,
        lambda value: json.dumps(value).encode(),
        lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(),
        lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode(),
        lambda value: json.dumps(value, separators=(",", ":"), sort_keys=True).encode(),
    ]
)


def told(judge: Callable[[bytes, Any], bool], body: bytes) -> bool:
    """Return what *judge* says, and False where there is no canonical form."""
    try:
        return judge(body, thaw(body))
    except ValueError:
        return False


def slowly(body: bytes, value: Any) -> bool:
    """Spell the value again, and compare."""
    return canonical(value) == body


def too_fast(body: bytes, value: Any) -> bool:
    """Judge by the standard library alone: the seeded bug."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode() == body


def agree(judge: Callable[[bytes, Any], bool], value: Any, spell: Callable[[Any], bytes]) -> None:
    """Check that *judge* says of a spelling what spelling it again says."""
    try:
        body = spell(value)
    except ValueError:
        return

    assert told(slowly, body) == told(judge, body), body


@given(VALUES, SPELLINGS)
@example({"\uffff": 1, "\U00010000": 2}, canonical)
@example(1e16, canonical)
@example(-0.0, lambda value: json.dumps(value).encode())
def test_fast_and_slow_agree(value: Any, spell: Callable[[Any], bytes]) -> None:
    """Of every value, in every spelling."""
    agree(is_canonical, value, spell)


def test_the_property_finds_a_judge_that_is_too_fast() -> None:
    """The standard library alone takes `1.0` for canonical."""

    @given(VALUES, SPELLINGS)
    def holds(value: Any, spell: Callable[[Any], bytes]) -> None:
        agree(too_fast, value, spell)

    with pytest.raises(AssertionError):
        holds()


@pytest.mark.parametrize(
    "body",
    [b'{"a": 1}', b'{"a":1,"a":1}', b"NaN", b"Infinity", b"1E3", b"9007199254740993", b'"\\u0061"', b'"\\ud800"'],
)
def test_what_people_and_attackers_write_is_not_canonical(body: bytes) -> None:
    """It is valid for Python's reader, and read in other ways elsewhere."""
    assert not told(is_canonical, body)
