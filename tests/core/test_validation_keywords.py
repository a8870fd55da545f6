"""The keywords that we do ourselves agree with the library's, which is slower and does not know RE2."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from runpin.canonical import canonical
from runpin.validation.judging import judge
from runpin.validation.keywords import undeclared

DRAFTS = {
    "https://json-schema.org/draft/2020-12/schema": "Draft202012Validator",
    "https://json-schema.org/draft/2019-09/schema": "Draft201909Validator",
    "http://json-schema.org/draft-07/schema#": "Draft7Validator",
}
SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

KEYS = st.sampled_from(["a", "b", "ab", "c"])
PATTERNS = st.sampled_from(["a", "^b$", "^[ac]", "z"])
SCALARS = st.sampled_from([0, 1, 1.0, True, False, None, "a", "1"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
Judge = Callable[[dict[str, Any], Any], bool]


def schemas(depth: int = 2) -> st.SearchStrategy[Any]:
    """Return schemas made of the keywords that are ours, and of those that pass them on."""
    leaf = st.sampled_from([True, False, {"type": "string"}, {"type": "integer"}, {"uniqueItems": True}])
    if depth == 0:
        return leaf
    inner = schemas(depth - 1)
    several = st.lists(inner, min_size=1, max_size=2)
    keywords = {
        "properties": st.dictionaries(KEYS, inner, max_size=2),
        "patternProperties": st.dictionaries(PATTERNS, inner, max_size=2),
        "additionalProperties": inner,
        "unevaluatedProperties": st.booleans(),
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "if": inner,
        "then": inner,
        "else": inner,
        "dependentSchemas": st.dictionaries(KEYS, inner, max_size=2),
        "not": inner,
        "$ref": st.just("#/$defs/d"),
    }
    names = st.sets(st.sampled_from(sorted(keywords)), max_size=4)
    return leaf | names.flatmap(lambda chosen: st.fixed_dictionaries({name: keywords[name] for name in chosen}))


@st.composite
def drafted(draw: st.DrawFn, draft: str) -> dict[str, Any]:
    """Return a schema of *draft* with patterns, with something about the other keys, and with a definition."""
    inner = draw(schemas())
    others = draw(st.sampled_from(["additionalProperties", "unevaluatedProperties"]))
    return {
        **(inner if isinstance(inner, dict) else {"not": not inner}),
        "$schema": draft,
        "patternProperties": draw(st.dictionaries(PATTERNS, schemas(1), min_size=1, max_size=2)),
        others: draw(st.sampled_from([False, {"type": "string"}, {"required": ["a"]}])),
        "$defs": {
            "d": draw(st.sampled_from([True, {"properties": {"a": True}}, {"patternProperties": {"^b": False}}]))
        },
    }


def ours(schema: dict[str, Any], value: Any) -> bool:
    """Tell whether we take *value*."""
    return not judge(canonical(schema), canonical(value))


def theirs(schema: dict[str, Any], value: Any) -> bool:
    """Tell whether the library by itself takes *value*."""
    import jsonschema

    return bool(getattr(jsonschema, DRAFTS[schema["$schema"]])(schema).is_valid(value))


def blind(schema: dict[str, Any], value: Any) -> bool:
    """Judge as we do, but forget the patterns: a mistake that the property below must find."""
    without = json.loads(json.dumps(schema).replace('"patternProperties"', '"x-forgotten"'))
    return ours(without, value)


def check_agreement(draft: str, judged: Judge) -> None:
    """Compare *judged* with the library on schemas and values made at random."""

    @SETTINGS
    @given(drafted(draft), OBJECTS)
    def agrees(schema: dict[str, Any], value: dict[str, Any]) -> None:
        assert theirs(schema, value) == judged(schema, value)

    agrees()


@pytest.mark.parametrize("draft", [draft for draft in DRAFTS if "2019" not in draft])
def test_we_agree_with_the_library(draft: str) -> None:
    """The same documents fit, whatever the keywords are nested in; in 2019-09 the library has another idea."""
    check_agreement(draft, ours)


def test_a_seeded_bug_is_caught() -> None:
    """A judge that forgets the patterns does not get through."""
    with pytest.raises((AssertionError, HypothesisException)):
        check_agreement(next(iter(DRAFTS)), blind)


@pytest.mark.parametrize("draft", [draft for draft in DRAFTS if "draft-07" not in draft])
@pytest.mark.parametrize(
    ("rules", "fits"),
    [
        ({"properties": {"a": True}}, False),
        ({"properties": {"a": True}, "patternProperties": {"^b": True}}, True),
        ({"allOf": [{"properties": {"a": True}}, {"properties": {"b": True}}]}, True),
        ({"anyOf": [{"properties": {"a": True, "b": {"type": "string"}}}, {"properties": {"a": True}}]}, False),
        ({"if": {"properties": {"a": {"const": 1}}}, "then": {"properties": {"b": True}}}, True),
        ({"if": {"properties": {"a": {"const": 2}}}, "else": {"properties": {"b": True}}}, False),
        ({"dependentSchemas": {"a": {"properties": {"a": True, "b": True}}}}, True),
        ({"$ref": "#/$defs/d"}, True),
        ({"$ref": "#/$defs/d", "properties": {"a": False}}, False),
        ({"additionalProperties": {"type": "integer"}}, True),
        ({"allOf": [{"additionalProperties": True}]}, True),
        ({"not": {"not": {"properties": {"a": True, "b": True}}}}, False),
    ],
)
def test_keys_that_nobody_looked_at(draft: str, rules: dict[str, Any], fits: bool) -> None:  # noqa: FBT001 - a column of the table
    """`unevaluatedProperties` sees through references and choices, and not through `not`."""
    definition = {"d": {"properties": {"a": True, "b": True}}}

    assert fits == ours(
        {"$schema": draft, "unevaluatedProperties": False, "$defs": definition, **rules}, {"a": 1, "b": 2}
    )


def test_references_that_follow_the_caller() -> None:
    """Keys that a dynamic or a recursive reference looks at count as looked at."""
    dynamic = {"$dynamicAnchor": "n", "properties": {"a": {"$dynamicRef": "#n"}}, "unevaluatedProperties": False}
    recursive = {
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "$recursiveAnchor": True,
        "properties": {"a": {"$recursiveRef": "#"}},
        "unevaluatedProperties": False,
    }

    for schema in (dynamic, recursive):
        assert ours(schema, {"a": {"a": {}}})
        assert not ours(schema, {"a": {"a": {"b": 1}}})


def test_many_items_are_compared_at_once() -> None:
    """A list as long as a file may hold is checked for doubles in linear time."""
    schema = {"properties": {"a": {"uniqueItems": True}}}
    rows = [{"n": number, "t": [number]} for number in range(12_000)]
    started = time.process_time()

    assert ours(schema, {"a": rows})
    assert not ours(schema, {"a": [*rows, {"t": [5], "n": 5.0}]})
    assert time.process_time() - started < 3


def test_undeclared_keys_are_those_that_nothing_names() -> None:
    """Neither `properties` nor a pattern speaks of them; what is no mapping has none."""
    rules = {"properties": {"a": True}, "patternProperties": {"^b": True}}

    assert ["c"] == undeclared({"a": 1, "bb": 2, "c": 3}, rules)
    assert [] == undeclared(["c"], rules)
