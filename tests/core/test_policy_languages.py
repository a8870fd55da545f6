"""The same rules in CEL and in Rego give one verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from policy_files import case_of, cel_policy, policy
from rego_files import rego
from runpin.policy.files import Match
from runpin.policy.policies import Policy

EXPRESSIONS = (
    "document.size >= 1 && document.size <= 100",
    "document.name.matches('^[a-zé]{2,5}$')",
    "!has(document.ratio) || (document.ratio >= 0.0 && document.ratio < 1.0)",
    "!has(document.mode) || document.mode in ['fast', 'safe']",
    """!has(document.hosts) || (document.hosts.all(host, host.size() >= 1) && document.hosts.size() <= 2
    && document.hosts.distinct().size() == document.hosts.size())""",
    """!has(document.limits) || (type(document.limits) == map
    && document.limits.all(name, document.limits[name] > 0 && !name.startsWith('x')))""",
)
REGO = """package agreed

given := input.document

there(key) if key in object.keys(given)

deny contains "size" if not good_size

deny contains "name" if not regex.match(`^[a-zé]{2,5}$`, given.name)

deny contains "ratio" if { there("ratio"); not good_ratio }

deny contains "mode" if { there("mode"); not given.mode in ["fast", "safe"] }

deny contains "hosts" if { there("hosts"); not good_hosts }

deny contains "limits" if { there("limits"); not good_limits }

good_size if { is_number(given.size); given.size >= 1; given.size <= 100 }

good_ratio if { is_number(given.ratio); given.ratio >= 0; given.ratio < 1 }

good_hosts if {
  is_array(given.hosts)
  every host in given.hosts { count(host) >= 1 }
  count(given.hosts) <= 2
  count({host | some host in given.hosts}) == count(given.hosts)
}

good_limits if {
  is_object(given.limits)
  every name, limit in given.limits { is_number(limit); limit > 0; not startswith(name, "x") }
}
"""

TEXTS = st.text(alphabet="abxé😀\n", max_size=6)
SCALARS = st.sampled_from([None, True, False, 0, -1, 1, 1.5, "1", "", 100, 101, 2**53 - 1])
FIELDS: Mapping[str, st.SearchStrategy[Any]] = {
    "size": st.sampled_from([1, 100]) | st.integers(-2, 110) | st.floats(0, 101),
    "name": st.sampled_from(["ab", "éé", "abxéa"]) | TEXTS,
    "ratio": st.floats(0, 1) | st.floats(-1, 2) | st.sampled_from([0, 1, 0.9999999999999999]),
    "mode": st.sampled_from(["fast", "safe", "FAST", ""]),
    "hosts": st.lists(TEXTS | st.sampled_from("ab"), max_size=3),
    "limits": st.dictionaries(TEXTS, st.integers(-1, 9) | st.sampled_from([0.5, "1", True, None]), max_size=2),
}
OTHERS = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(TEXTS, SCALARS, max_size=2)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a document, right or wrong in a place or several; what a field holds is mostly of its own kind."""
    rare = st.integers(0, 9)
    names = [name for name in FIELDS if draw(rare) > (0 if name in ("size", "name") else 4)]
    return {name: draw(OTHERS if draw(rare) == 9 else FIELDS[name]) for name in names}


def in_rego(text: str) -> Policy:
    """Return the policy that *text* is."""
    return Policy("rego", rego(text), Match(documents=("etl",)))


CEL = cel_policy(policy(validations=[{"expression": each, "message": each} for each in EXPRESSIONS]))
JUDGES = {"CEL": CEL, "Rego": in_rego(REGO)}


def verdicts(document: Mapping[str, Any], judges: Mapping[str, Policy] = JUDGES) -> dict[str, bool]:
    """Return which languages let *document* pass; a violation and an error both do not."""
    case = case_of({"etl": document})
    return {name: not judge.judge(case) for name, judge in judges.items()}


@settings(max_examples=400, deadline=None)
@given(documents())
def test_two_languages_agree(document: dict[str, Any]) -> None:
    """Whatever a document holds, both let it pass or neither does."""
    found = verdicts(document)

    assert 1 == len(set(found.values())), found


def disagree(judges: Mapping[str, Policy]) -> Callable[[dict[str, Any]], bool]:
    """Return a test for documents about which *judges* do not agree."""
    return lambda document: len(set(verdicts(document, judges).values())) > 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("size <= 100", "size < 100"),
        ("{2,5}", "{1,5}"),
        ("ratio < 1 }", "ratio <= 1 }"),
        ("count({host | some host in given.hosts})", "count([host | some host in given.hosts])"),
        ("limit > 0", "limit >= 0"),
        ("is_number(limit); ", ""),
        ('["fast", "safe"]', '["fast", "safe", ""]'),
    ],
)
def test_a_disagreement_is_caught(before: str, after: str) -> None:
    """A rule that is a little different in one language is found by the documents above."""
    assert before in REGO
    judges = {**JUDGES, "Rego": in_rego(REGO.replace(before, after))}
    search = settings(max_examples=5000, deadline=None, derandomize=True, phases=[Phase.generate])
    found = find(documents(), disagree(judges), settings=search)

    assert 1 == len(set(verdicts(found).values()))


@pytest.mark.parametrize("accepted", [True, False])
def test_generated_documents_are_of_both_kinds(accepted: bool) -> None:  # noqa: FBT001 - the parameter of a test
    """An agreement about nothing but refusals would be cheap."""
    try:
        found = find(documents(), lambda document: len(document) > 3 and verdicts(document)["CEL"] is accepted)
    except NoSuchExample:
        found = {}

    assert len(found) > 3, json.dumps(found)
