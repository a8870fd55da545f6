"""Comparing two snapshots finds exactly what differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from runpin.canonical import freeze
from runpin.comparing import Change, Kind, compare

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "a/b", "~", "1"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b/c", "~d", "0"]), inner, max_size=3)
    ),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(["etl", "daily"]), st.dictionaries(st.sampled_from("xyz"), VALUES), max_size=2
)

Comparer = Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[Change, ...]]


def spelt(value: Any) -> str:
    """Spell a JSON value so that 1 and true differ."""
    return json.dumps(value, sort_keys=True)


def patched(documents: Mapping[str, Any], changes: tuple[Change, ...]) -> Any:
    """Apply *changes*, by hand and by nothing that `compare` uses."""
    result = json.loads(spelt(documents))
    # From the back, so that removing an item of a list moves none that is still to be reached.
    removed = [change for change in reversed(changes) if change.kind is Kind.REMOVED]
    for change in [*removed, *(change for change in changes if change.kind is not Kind.REMOVED)]:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in change.pointer.split("/")[1:]]
        *path, last = [change.document, *parts]
        holder = result
        for part in path:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        apply(holder, last, change)
    return result


def apply(holder: Any, key: str, change: Change) -> None:
    """Carry out one change inside of the mapping or list *holder*."""
    place: Any = int(key) if isinstance(holder, list) else key
    if change.kind is Kind.REMOVED:
        del holder[place]
    elif isinstance(holder, list) and change.kind is Kind.ADDED:
        holder.insert(place, change.after)
    else:
        holder[place] = change.after


def leads_from_one_to_the_other(comparer: Comparer, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Tell whether the changes, applied to *before*, give *after*, and name what was there."""
    changes = comparer(before, after)
    honest = all(spelt(change.before) != spelt(change.after) for change in changes if change.kind is Kind.CHANGED)
    return honest and spelt(patched(before, changes)) == spelt(after)


@given(DOCUMENTS, DOCUMENTS)
@settings(deadline=None)
def test_the_changes_lead_from_one_to_the_other(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Nothing that differs is left out, and nothing else is in."""
    assert leads_from_one_to_the_other(compare, before, after)


@given(DOCUMENTS)
@settings(deadline=None)
def test_nothing_differs_from_itself(documents: Mapping[str, Any]) -> None:
    """A read-only copy is the same snapshot."""
    changes = compare(documents, freeze(documents))

    assert () == changes


def test_the_property_catches_a_comparison_by_python_equality() -> None:
    """With the mistake of taking 1 for true, two documents are found that show it."""

    def careless(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
        return tuple(change for change in compare(before, after) if change.before != change.after)

    before, after = find(st.tuples(DOCUMENTS, DOCUMENTS), lambda pair: not leads_from_one_to_the_other(careless, *pair))

    assert spelt(before) != spelt(after)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({"a": 1}, {"a": 2}, ("/a", Kind.CHANGED, 1, 2), id="changed"),
        pytest.param({}, {"a": None}, ("/a", Kind.ADDED, None, None), id="a null is a value"),
        pytest.param({"a": {"b": 1}}, {"a": {}}, ("/a/b", Kind.REMOVED, 1, None), id="removed"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, ("/a/1", Kind.REMOVED, 2, None), id="list shorter"),
        pytest.param({"a": [1]}, {"a": {"0": 1}}, ("/a", Kind.CHANGED, [1], {"0": 1}), id="other type"),
        pytest.param({"a": True}, {"a": 1}, ("/a", Kind.CHANGED, True, 1), id="true is not one"),
        pytest.param({"a/b": "x"}, {"a/b": "y"}, ("/a~1b", Kind.CHANGED, "x", "y"), id="a key with a slash"),
    ],
)
def test_each_kind_of_change(before: Any, after: Any, expected: tuple[str, Kind, Any, Any]) -> None:
    """The pointer leads to the innermost value that differs."""
    (change,) = compare({"etl": before}, {"etl": after})

    assert Change("etl", *expected) == change


def test_one_is_one() -> None:
    """1 and 1.0 are one number in JSON, so that they do not differ."""
    assert () == compare({"etl": {"a": 1}}, {"etl": {"a": 1.0}})


def test_whole_documents_come_and_go() -> None:
    """A document that only one side has is one change, at its root."""
    changes = compare({"old": {"a": 1}}, MappingProxyType({"new": {"b": 2}}))

    assert (Change("new", "", Kind.ADDED, None, {"b": 2}), Change("old", "", Kind.REMOVED, {"a": 1}, None)) == changes
