"""Feature flags in documents: what the published form lets through, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from runpin.canonical import canonical, document_from
from runpin.feature_flags import declares_flags, faults_of, flags_of
from runpin.policy.gates.feature_flags import FeatureFlagsGate
from runpin.testing import case_of

WHOLE: dict[str, Any] = {
    "id": "new-ledger",
    "description": "Books through the new ledger",
    "enabled": True,
    "conditions": {
        "requirement_type": "All",
        "client_filters": [
            {
                "name": "Microsoft.Targeting",
                "parameters": {"Audience": {"Users": ["ada"], "DefaultRolloutPercentage": 5}},
            }
        ],
    },
    "variants": [{"name": "small", "configuration_value": {"batch": 10}}, {"name": "large", "configuration_value": 7}],
    "allocation": {
        "default_when_enabled": "small",
        "user": [{"variant": "large", "users": ["ada"]}],
        "percentile": [{"variant": "large", "from": 0, "to": 12.5}],
        "seed": "s",
    },
    "telemetry": {"enabled": True, "metadata": {"owner": "payments"}},
}


def declared(*flags: Any) -> dict[str, Any]:
    """Return what a document says that declares *flags*."""
    return {"feature_management": {"feature_flags": list(flags)}}


def test_whatever_the_form_has_is_let_through() -> None:
    """All of the members, and some that it does not name, in a frozen document."""
    value = document_from("a", canonical({**declared(WHOLE, {"id": "x", "owner": "ada"}), "other": 1})).value

    assert [] == list(faults_of(value))
    assert ["new-ledger", "x"] == list(flags_of(value))


@pytest.mark.parametrize("value", [{}, {"FeatureManagement": {"x": True}}, {"flags": {"feature_management": {}}}])
def test_a_document_without_the_key_declares_nothing(value: dict[str, Any]) -> None:
    """Only the top level counts."""
    assert not declares_flags(value)
    assert {} == flags_of(value)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"id": "a:b"}, "id"),
        ({"id": "a%b"}, "id"),
        ({"id": ".."}, "id"),
        ({"id": ""}, "id"),
        ({"id": "a\nb"}, "id"),
        ({"id": 7}, "id"),
        ({"enabled": "yes"}, "enabled"),
        ({"enabled": 1}, "enabled"),
        ({"conditions": []}, "conditions"),
        ({"conditions": {"requirement_type": "Some"}}, "conditions/requirement_type"),
        ({"conditions": {"client_filters": {}}}, "conditions/client_filters"),
        ({"conditions": {"client_filters": [{}]}}, "conditions/client_filters/0"),
        (
            {"conditions": {"client_filters": [{"name": "x", "parameters": 1}]}},
            "conditions/client_filters/0/parameters",
        ),
        ({"variants": [{"name": None}]}, "variants/0/name"),
        ({"variants": [{"name": "large", "status_override": "On"}]}, "variants/0/status_override"),
        ({"allocation": {"default_when_enabled": "none"}}, "allocation/default_when_enabled"),
        ({"allocation": {"user": [{"variant": "large"}]}}, "allocation/user/0"),
        ({"allocation": {"group": [{"variant": "none", "groups": []}]}}, "allocation/group/0/variant"),
        ({"allocation": {"percentile": [{"variant": "large", "from": 0, "to": 101}]}}, "allocation/percentile/0/to"),
        ({"allocation": {"percentile": [{"variant": "large", "from": True, "to": 1}]}}, "allocation/percentile/0/from"),
        ({"telemetry": {"enabled": "true"}}, "telemetry/enabled"),
    ],
)
def test_what_readers_could_not_use_is_told_with_its_place(changes: dict[str, Any], place: str) -> None:
    """And without the value, which may be anything."""
    value = declared({"id": "x"}, {**WHOLE, **changes})
    (fault,) = faults_of(value)

    assert fault.pointer == f"/feature_management/feature_flags/1/{place}"
    with pytest.raises(ValueError, match="feature_flags/1"):
        flags_of(value)


@pytest.mark.parametrize("value", [None, [], {"feature_flags": {"x": True}}, {"feature_flags": "x"}, {}])
def test_a_key_that_holds_something_else_is_told(value: Any) -> None:
    """It is not taken for a document without flags."""
    (fault,) = faults_of({"feature_management": value})

    assert fault.pointer == "/feature_management"


def test_an_id_is_there_once_in_the_whole_snapshot() -> None:
    """Readers know flags by their ids, whatever document they came from."""
    within = FeatureFlagsGate().judge(case_of({"a": declared({"id": "x"}, {"id": "x"})}))
    across = FeatureFlagsGate().judge(case_of({"a": declared({"id": "x"}), "b": declared({"id": "y"}, {"id": "x"})}))

    assert ["/feature_management/feature_flags/1/id"] == [each.pointer for each in within]
    assert [("b", "/feature_management/feature_flags/1/id")] == [(each.document, each.pointer) for each in across]


def test_the_gate_lets_other_documents_be() -> None:
    """Whatever they say."""
    assert [] == list(FeatureFlagsGate().judge(case_of({"a": {"enabled": "perhaps"}, "b": declared(WHOLE)})))
