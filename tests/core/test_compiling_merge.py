"""Overlays merge by RFC 7396, and every value keeps the line that set it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from runpin.compiling import merge
from runpin.model import Origin
from runpin.parsing import Parsed
from runpin.parsing.pointers import pointer_to

Keys = tuple[str | int, ...]
Merge = Callable[[Parsed, Parsed], Parsed]

EXAMPLES = 500

KEYS = st.sampled_from(["a", "b", "c", "d/e", "f~", "0"])
SCALARS = st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["x", "y"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=15
)
MAPPINGS = st.dictionaries(KEYS, VALUES, max_size=4)


def merge_patch(target: Any, patch: Any) -> Any:
    """Do what section 2 of RFC 7396 spells in pseudo-code."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge_patch(target.get(name), value)
    return target


def below(value: Any, keys: Keys = ()) -> Iterator[Keys]:
    """Yield the keys that lead to *value* and to everything in it."""
    yield keys
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from below(item, (*keys, key))


def parsed(value: dict[str, Any], file: str) -> Parsed:
    """Give each value of a document a line of its own."""
    return Parsed(value, {pointer_to(keys): Origin(file, line) for line, keys in enumerate(below(value), 1)})


def origin_by_rule(base: Parsed, overlay: Parsed, keys: Keys) -> Origin:
    """Say which of the two files set what *keys* lead to: the overlay once it holds something other than a mapping."""
    lower: Any = base.value
    upper: Any = overlay.value
    for key in keys:
        if key not in upper:
            return base.origins[pointer_to(keys)]
        upper, lower = upper[key], lower.get(key)
        if not (isinstance(upper, dict) and isinstance(lower, dict)):
            return overlay.origins[pointer_to(keys)]
    return base.origins[pointer_to(keys)]


def check_merging(merge: Merge, phases: tuple[Phase, ...], examples: int) -> None:
    """Merging equals the RFC's pseudo-code, changes neither side, and says of every value where it was set."""

    @settings(
        max_examples=examples,
        phases=phases,
        deadline=None,
        database=None,
        derandomize=examples > EXAMPLES,
        report_multiple_bugs=False,
    )
    @given(MAPPINGS, MAPPINGS)
    def holds(lower: dict[str, Any], upper: dict[str, Any]) -> None:
        base, overlay = parsed(lower, "base.yaml"), parsed(upper, "overlay.yaml")
        before = copy.deepcopy((base, overlay))

        merged = merge(base, overlay)

        assert merge_patch(copy.deepcopy(lower), upper) == merged.value
        assert before == (base, overlay)
        assert {pointer_to(keys): origin_by_rule(base, overlay, keys) for keys in below(merged.value)} == merged.origins

    holds()


def test_merging_is_the_rfcs() -> None:
    """Values are those of RFC 7396, and untouched values keep their origin."""
    check_merging(merge, (Phase.generate, Phase.shrink), EXAMPLES)


def lists_concatenated(base: Parsed, overlay: Parsed) -> Parsed:
    """Merge with a seeded bug: a list of the overlay is put behind the base's."""
    merged = merge(base, overlay)
    for key, value in merged.value.items():
        lower = base.value.get(key)
        if isinstance(value, list) and isinstance(lower, list) and key in overlay.value:
            merged.value[key] = lower + value
    return merged


def nulls_kept(base: Parsed, overlay: Parsed) -> Parsed:
    """Merge with a seeded bug: a null of the overlay is a value."""
    merged = merge(base, overlay)
    return Parsed(merged.value | {key: None for key, value in overlay.value.items() if value is None}, merged.origins)


def origins_of_the_overlay(base: Parsed, overlay: Parsed) -> Parsed:
    """Merge with a seeded bug: the overlay's lines win wherever it has one."""
    merged = merge(base, overlay)
    kept = {pointer: overlay.origins.get(pointer, origin) for pointer, origin in merged.origins.items()}
    return Parsed(merged.value, kept)


@pytest.mark.parametrize("broken", [lists_concatenated, nulls_kept, origins_of_the_overlay])
def test_seeded_bugs_in_merging_are_caught(broken: Merge) -> None:
    """The property above fails for lists that grow, nulls that stay and lines that are wrong."""
    with pytest.raises(AssertionError):
        check_merging(broken, (Phase.generate,), 5000)


@pytest.mark.parametrize(
    ("base", "overlay", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_rfcs_own_examples(base: dict[str, Any], overlay: dict[str, Any], expected: dict[str, Any]) -> None:
    """The test cases of appendix A of RFC 7396 whose two sides are mappings."""
    assert expected == merge(parsed(base, "base"), parsed(overlay, "overlay")).value
