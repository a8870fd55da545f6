"""What a run carries: read leniently from people, strictly in meaning, and completed at the first start."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpin.errors import InvalidProposal
from runpin.model import Asked, Pin, RunKey, Scope, SnapshotId, digest_of
from runpin.proposing import Proposal, complete, inherit, read_proposal

DIGEST = digest_of(b"snapshot")
V42 = SnapshotId("payments", "prod", 42, DIGEST[:12])
V43 = SnapshotId("payments", "prod", 43, "0" * 12)
REPORTS = SnapshotId("reports", "prod", 7, "1" * 12)


def test_a_run_that_carries_nothing_has_an_empty_proposal() -> None:
    """No conf, an empty one and empty text are the same."""
    assert [Proposal()] * 3 == [read_proposal(None, "r1"), read_proposal("", "r1"), read_proposal({}, "r1")]


def test_pins_alone_are_an_override() -> None:
    """Whoever writes pins by hand has chosen."""
    proposal = read_proposal({"pins": {"payments": str(V42)}}, "r1")

    assert (V42, Asked.OVERRIDE) == (proposal.pins["payments"], proposal.asked("payments"))


def test_what_a_parent_hands_on_arrives_as_the_parents() -> None:
    """A template renders the parent's pins as text; the child reads them."""
    pin = Pin(RunKey("airflow", "default", "parent", "p1"), Scope("payments", "prod"), V42, DIGEST, datetime.now(UTC))
    proposal = read_proposal(json.dumps(inherit([pin])), "child1")

    assert (V42, Asked.PARENT) == (proposal.pins["payments"], proposal.asked("payments"))


def test_completing_adds_what_is_missing_and_keeps_what_was_chosen() -> None:
    """An Override of one application does not stop the proposal of another."""
    chosen = read_proposal({"pins": {"payments": str(V42)}}, "r1")
    carried = complete(chosen, "r1", {"payments": V43, "reports": REPORTS})

    assert {"payments": V42, "reports": REPORTS} == carried.pins
    assert {"payments": Asked.OVERRIDE, "reports": Asked.PROPOSAL} == carried.by


def test_a_completed_proposal_reads_back_in_its_own_run() -> None:
    """What the listener writes is what the task reads."""
    carried = complete(Proposal(), "r1", {"payments": V42})

    assert carried == read_proposal(json.loads(json.dumps(carried.as_json())), "r1")


def test_a_copy_of_another_runs_parameters_is_a_new_run() -> None:
    """Triggering again with the same parameters must not repeat the old run's proposal or incarnation."""
    copied = complete(Proposal(), "r1", {"payments": V42}).as_json()

    assert Proposal() == read_proposal(copied, "r2")


def test_a_copied_override_stays_an_override() -> None:
    """A person's choice is part of the parameters they copied."""
    chosen = read_proposal({"pins": {"payments": str(V42)}}, "r1")
    copied = complete(chosen, "r1", {}).as_json()
    proposal = read_proposal(copied, "r2")

    assert (V42, Asked.OVERRIDE, "") == (proposal.pins["payments"], proposal.asked("payments"), proposal.incarnation)


def test_completing_twice_keeps_the_incarnation() -> None:
    """A run that is queued again is the same incarnation."""
    once = complete(Proposal(), "r1", {"payments": V42})
    again = complete(read_proposal(once.as_json(), "r1"), "r1", {"payments": V43})

    assert once == again


def test_two_runs_have_two_incarnations() -> None:
    """A run that was deleted and created again is told from the first."""
    first, second = (complete(Proposal(), "r1", {"payments": V42}) for _ in range(2))

    assert first.incarnation != second.incarnation


@pytest.mark.parametrize(
    "carried",
    [
        "banana",
        ["payments"],
        {"pins": "payments"},
        {"pins": {"payments": "latest"}},
        {"pins": {"payments": None}},
        {"pins": {"reports": str(V42)}},
        {"pins": {"payments": str(V42)}, "by": 7},
        "x" * 65_537,
        {"pins": dict.fromkeys(map(str, range(257)), str(V42))},
    ],
    ids=lambda carried: str(carried)[:40],
)
def test_what_cannot_be_read_is_a_typed_error_with_an_example(carried: object) -> None:
    """Whoever wrote it sees the form that works."""
    with pytest.raises(InvalidProposal, match=r"payments\.prod\.v42"):
        read_proposal(carried, "r1")


def test_a_label_is_cut_between_two_snapshots() -> None:
    """An engine's column has a width; a longer text would fail the transaction of every run that starts."""
    pins = {f"a{number}": SnapshotId(f"a{number}", "prod", 1, "0" * 12) for number in range(100)}
    label = Proposal(pins).label(1000)

    assert len(label) <= 1000
    assert label.endswith(" …")
    assert [str(SnapshotId.parse(text)) for text in label.split()[:-1]] == label.split()[:-1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["pins", "by", "run", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_anything_a_person_can_write_is_read_or_refused(carried: object) -> None:
    """No JSON value makes reading fail in any other way."""
    try:
        proposal = read_proposal(carried, "r1")
    except InvalidProposal:
        return

    assert isinstance(proposal, Proposal)


def test_a_child_of_another_environment_or_tenant_resolves_for_itself() -> None:
    """What its parent handed on is dropped, and what a person chose is kept."""
    pin = Pin(
        RunKey("airflow", "default", "dag", "p1"), Scope("payments", "prod", "acme"), V42, DIGEST, datetime.now(UTC)
    )
    handed = read_proposal(inherit([pin]), "child1")
    chosen = read_proposal({**inherit([pin]), "by": {"payments": "override"}}, "child1")

    assert handed == handed.within("prod", "acme")
    assert [{}] * 3 == [handed.within(*each).pins for each in (("prod", None), ("prod", "other"), ("dev", "acme"))]
    assert chosen == chosen.within("prod", None)


def test_runs_that_start_each_other_count_on() -> None:
    """A child carries its depth through its first start, and the seventeenth in a row is a loop."""
    pin = Pin(RunKey("airflow", "default", "dag", "p1"), Scope("payments", "prod"), V42, DIGEST, datetime.now(UTC))
    carried = complete(read_proposal(inherit([pin], depth=15), "child1"), "child1", {})
    again = read_proposal(json.loads(json.dumps(carried.as_json())), "child1")

    assert (16, str(pin.run)) == ((again.parent.depth, again.parent.run) if again.parent else None)
    with pytest.raises(InvalidProposal, match="as in a loop"):
        read_proposal(inherit([pin], depth=16), "child2")


@pytest.mark.parametrize(
    "parent",
    ["p1", [], {"depth": 0}, {"depth": True}, {"depth": "2"}, {"run": 1}, {"tenant": "\0"}, {"run": "x" * 2000}],
)
def test_a_parent_that_cannot_be_read(parent: object) -> None:
    """Anybody can write one; it is refused by name."""
    with pytest.raises(InvalidProposal, match="carries a parent that cannot be read"):
        read_proposal({"pins": {"payments": str(V42)}, "by": "parent", "parent": parent}, "r1")
