"""JSON Schema means what its drafts say, with the keywords that we have replaced as with those that we have not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from json_schema_cases import DRAFTS, GROUPS, REFUSED, Group, Refused
from runpin.canonical import canonical
from runpin.validation.judging import Violation, judge

CASES = [(group, draft) for group in GROUPS for draft in group.drafts]


def named(value: Any) -> str | None:
    """Return what a test of *value* is called after."""
    return value.about if isinstance(value, (Group, Refused)) else None


def judged(rules: Mapping[str, Any], draft: str, document: Mapping[str, Any]) -> tuple[Violation, ...]:
    """Return what the schema of these *rules* says about *document*."""
    return judge(canonical({"$schema": DRAFTS[draft], **rules}), canonical(document))


def answers(group: Group, draft: str, rules: Any, wrap: Callable[[Any], Any]) -> list[bool]:
    """Return which values of the group fit; a fault of the schema is no answer at all."""
    found = [judged(rules, draft, wrap(value)) for value in group.values]

    assert not [each for each in found if any(one.in_schema for one in each)], (group.about, found)
    return [not each for each in found]


@pytest.mark.parametrize(("group", "draft"), CASES, ids=named)
def test_a_keyword_means_what_its_draft_says(group: Group, draft: str) -> None:
    """What fits has no finding, and what does not has one."""
    if group.whole:
        assert group.expected == answers(group, draft, group.schema, lambda value: value)
    else:
        rules = {"properties": {"v": group.schema}}
        assert group.expected == answers(group, draft, rules, lambda value: {"v": value})


ELSEWHERE: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "in a list": (lambda rules: {"properties": {"v": {"items": rules}}}, lambda value: {"v": [value]}),
    "below a pattern": (lambda rules: {"patternProperties": {"^v$": rules}}, lambda value: {"v": value}),
    "behind a reference": (
        lambda rules: {"additionalProperties": {"$ref": "#/definitions/a"}, "definitions": {"a": rules}},
        lambda value: {"v": value},
    ),
}


@pytest.mark.parametrize("place", ELSEWHERE)
@pytest.mark.parametrize("draft", DRAFTS)
def test_where_the_values_stand_does_not_matter(draft: str, place: str) -> None:
    """The same in a list, below a pattern, and behind a reference."""
    around, wrap = ELSEWHERE[place]
    for group in (each for each in GROUPS if draft in each.drafts and not each.whole):
        assert group.expected == answers(group, draft, around(group.schema), wrap), group.about


@pytest.mark.parametrize("refused", REFUSED, ids=named)
@pytest.mark.parametrize("draft", DRAFTS)
def test_a_schema_that_cannot_be_used_says_so(refused: Refused, draft: str) -> None:
    """The finding is about the schema, and there is none about the document."""
    found = judged(refused.schema, draft, {"v": 1})

    assert {refused.rule} == {each.rule for each in found}
    assert all(each.in_schema for each in found)


def test_no_case_is_there_twice() -> None:
    """Each group has a name of its own, so that the name says which one failed."""
    assert len({(group.about, draft) for group, draft in CASES}) == len(CASES)
    assert all(group.values for group in GROUPS)
